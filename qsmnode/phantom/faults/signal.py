"""Faults of what was measured: the protocol was another, or the scanner has changed the phase."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmnode.engine import unwrap
from qsmnode.engine.types import Float
from qsmnode.errors import UsageError
from qsmnode.phantom.encoders.signal import Signal
from qsmnode.phantom.protocol import SliceGeometry

Triple = tuple[int, int, int]
Edges = tuple[float, float, float]

LATE_S = 0.010
"""Echoes up to here are gone where the first echo is late."""
COVERAGE_MM = 80.0
"""How much of the head is left where coverage is short."""
LOW_SNR = 8.0
RAMP_RAD = 2.0
_COARSE = 2  # voxels that become one, in plane
_HOMODYNE_MM = 8.0  # of the low-pass filter that a homodyne reconstruction divides by


def _complex(signal: Signal) -> npt.NDArray[np.complex64]:
    return np.asarray(signal.magnitude * np.exp(1j * signal.phase), np.complex64)


def _of(signal: Signal, values: npt.NDArray[np.complex64]) -> Signal:
    return replace(signal, magnitude=np.abs(values), phase=np.angle(values))


def _chosen(signal: Signal, echoes: list[int]) -> Signal:
    if not echoes:
        raise UsageError(
            f"late_first_echo: expected an echo after {1000 * LATE_S:g} ms, the protocol has none"
        )
    times = tuple(signal.echo_times_s[echo] for echo in echoes)
    return replace(signal, magnitude=signal.magnitude[echoes], phase=signal.phase[echoes], echo_times_s=times)


def single_echo(signal: Signal) -> Signal:
    """The first echo alone."""
    return _chosen(signal, [0])


def late_first_echo(signal: Signal) -> Signal:
    """The echoes after 10 ms alone."""
    return _chosen(signal, [n for n, time in enumerate(signal.echo_times_s) if time > LATE_S])


def two_dimensional(signal: Signal) -> Signal:
    """Slices measured one after the other."""
    return replace(signal, slab=False)


def gap(signal: Signal) -> Signal:
    """Slices thinner by 30 % than their distance."""
    return replace(signal, thickness_mm=0.7 * signal.geometry.voxel_mm[2])


def _cut(geometry: SliceGeometry, shape: Triple, voxel_mm: Edges, middle: list[float]) -> SliceGeometry:
    """Another grid of the same orientation, around an index of the former."""
    x, y, z = (float(value) for value in geometry.affine[:3] @ [*middle, 1.0])
    return replace(geometry, shape=shape, voxel_mm=voxel_mm, centre_mm=(x, y, z))


def coarse_voxels(signal: Signal) -> Signal:
    """Blocks of two by two voxels become one."""
    values, geometry = _complex(signal), signal.geometry
    columns, rows, slices = geometry.shape[0] // _COARSE, geometry.shape[1] // _COARSE, geometry.shape[2]
    blocks = values[:, : columns * _COARSE, : rows * _COARSE]
    blocks = blocks.reshape(len(values), columns, _COARSE, rows, _COARSE, slices).mean(axis=(2, 4))
    x, y, z = geometry.voxel_mm
    middle = [(columns * _COARSE - 1) / 2, (rows * _COARSE - 1) / 2, (slices - 1) / 2]
    coarse = _cut(geometry, (columns, rows, slices), (x * _COARSE, y * _COARSE, z), middle)
    return replace(_of(signal, blocks.astype(np.complex64)), geometry=coarse)


def short_coverage(signal: Signal) -> Signal:
    """The middle 80 mm of the slices."""
    columns, rows, slices = signal.geometry.shape
    voxel_mm = signal.geometry.voxel_mm
    kept = max(2, min(slices, int(COVERAGE_MM / voxel_mm[2])))
    first = (slices - kept) // 2
    middle = [(columns - 1) / 2, (rows - 1) / 2, first + (kept - 1) / 2]
    return replace(
        signal,
        magnitude=signal.magnitude[..., first : first + kept],
        phase=signal.phase[..., first : first + kept],
        geometry=_cut(signal.geometry, (columns, rows, kept), voxel_mm, middle),
    )


def low_snr(signal: Signal) -> Signal:
    """Noise an eighth of the first echo's mean signal where there is any."""
    first = signal.magnitude[0]
    level = float(first[first > 0.2 * first.max()].mean()) / LOW_SNR
    rng = np.random.default_rng(first.size)
    values = _complex(signal)
    for echo in values:
        for part in (1.0, 1j):
            echo += (level * part * rng.standard_normal(echo.shape)).astype(np.complex64)
    return _of(signal, values)


def bipolar(signal: Signal) -> Signal:
    """Odd and even echoes lean against each other along the rows by 2 rad from edge to edge."""
    columns = signal.geometry.shape[0]
    lean = RAMP_RAD / 2 * ((np.arange(columns) + 0.5) / columns - 0.5)
    signs = np.where(np.arange(len(signal.phase)) % 2 == 0, 1.0, -1.0)
    return replace(signal, phase=_wrapped(signal.phase + np.multiply.outer(signs, lean)[:, :, None, None]))


def alternating_sign(signal: Signal) -> Signal:
    """Every second slice with the other sign, as 3-D reconstructions of GE may leave them."""
    phase = signal.phase.copy()
    phase[..., 1::2] = _wrapped(phase[..., 1::2] + math.pi)
    return replace(signal, phase=phase)


def homodyne(signal: Signal) -> Signal:
    """Phase divided by that of the smoothed image: the field of all that is large is gone."""
    values = _complex(signal)
    widths = [_HOMODYNE_MM / edge for edge in signal.geometry.voxel_mm[:2]] + [0.0]
    phase = np.empty_like(signal.phase)
    for echo, value in enumerate(values):
        smooth = ndimage.gaussian_filter(value.real, widths) + 1j * ndimage.gaussian_filter(
            value.imag, widths
        )
        phase[echo] = np.angle(value * np.conj(smooth))
    return replace(signal, phase=phase)


def unwrapped(signal: Signal) -> Signal:
    """Phase without wraps, in stored values that reach over several turns."""
    phase = unwrap(signal.phase, signal.magnitude, signal.echo_times_s)
    turns = max(2, math.ceil(float(np.abs(phase).max()) / math.pi))
    return replace(signal, phase=phase, turns=turns)


def _wrapped(phase: npt.NDArray[np.floating]) -> Float:
    return np.asarray(np.angle(np.exp(1j * phase)), np.float32)
