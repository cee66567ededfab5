"""CLEAR-SWI: susceptibility-weighted images of all echoes, evened, without seams of wrapped phase."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.box import Box
from qsmnode.engine.mask.intensity import combined, evened
from qsmnode.engine.offset.smooth import smoothed_value
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.swi.projection import minimum_projection
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.unwrap.laplacian import solved

# the paper's strength of 1 takes ten typical phases for a half
TYPICAL_PHASES = 10.0


@dataclass(frozen=True)
class Parameters:
    """Filter, strength of the phase, evening of the magnitude, and thickness of the projection."""

    highpass_mm: float = parameter(
        4.0, "Gaussian whose smooth phase is taken away (the paper: 4 voxels)", unit="mm", low=0.5, high=40
    )
    strength: float = parameter(4.0, "how much the phase darkens", low=0.1, high=100)
    exponent: float = parameter(1.0, "power of the phase mask", low=0.0, high=16)
    sensitivity_mm: float = parameter(
        7.0, "Gaussian that smooths the receive sensitivity", unit="mm", low=1, high=40
    )
    slices: int = parameter(7, "slices of the minimum-intensity projection", low=1, high=100)


@method("swi", "clear", doi="10.1016/j.neuroimage.2021.118175", parameters=Parameters)
def clear(
    magnitude: Float,
    phase: Float,
    echo_times_s: Sequence[float],
    grid: Grid,
    mask: Mask,
    parameters: Parameters,
) -> tuple[Float, Float, dict[str, float]]:
    """Susceptibility-weighted image of all echoes (CLEAR-SWI): paramagnetic veins are dark.

    The echoes' magnitude over the receive sensitivity, times (1 + tanh(1 - x / m)) / 2, where x is the
    high-passed phase per second and m its typical positive value times 10 / strength.

    Args:
        magnitude: (E, X, Y, Z), arbitrary units, >= 0.
        phase: (E, X, Y, Z), rad, wrapped; a paramagnetic source's own field gives positive phase.
        echo_times_s: E echo times in s.
        grid: voxel sizes.
        mask: (X, Y, Z), where the image is wanted.
        parameters: see there.

    Returns:
        The image and its minimum-intensity projection along Z, (X, Y, Z) each, in the magnitude's unit, 0
        outside the mask; ``swi_phase_scale_hz``, m as a field.
    """
    peak = float(magnitude[:, mask].max()) if mask.any() else 0.0
    if peak <= 0:
        nothing = np.zeros(mask.shape, dtype=np.float32)
        return nothing, nothing.copy(), {}
    box = Box.around(mask, 0.0, grid.voxel_mm)
    inside = box.crop(mask)
    # in units of the brightest voxel, so that no power can leave the range of numbers
    signal = (box.crop(magnitude) * inside / np.float32(peak)).astype(np.float32)
    rate = _local_rate(signal, box.crop(phase), echo_times_s, grid, inside, parameters.highpass_mm)
    scale = _typical(rate[inside]) * TYPICAL_PHASES / parameters.strength
    weight = (1 + np.tanh(1 - rate / scale)) / 2
    bright = combined(signal)
    even = evened(bright, inside, grid.voxel_mm, parameters.sensitivity_mm)
    level = float(np.median(bright[inside])) * peak
    image = np.where(inside, even * weight**parameters.exponent * level, 0)
    image = np.minimum(image, np.finfo(np.float32).max).astype(np.float32)
    projected = minimum_projection(image, parameters.slices, inside) * inside
    numbers = {"swi_phase_scale_hz": scale / (2 * math.pi)}
    return box.paste(image), box.paste(projected), numbers


def _local_rate(
    signal: Float, phase: Float, echo_times_s: Sequence[float], grid: Grid, inside: Mask, highpass_mm: float
) -> npt.NDArray[np.float64]:
    """Phase per second (rad/s) of sources nearby: each echo high-passed, then all weighted by m TE."""
    weight = inside.astype(np.float32)
    above, below = np.zeros(inside.shape), np.zeros(inside.shape)
    for echo, time in enumerate(echo_times_s):
        whole = solved(phase[echo], inside, congruent=False)
        near = whole - smoothed_value(whole, weight, grid.voxel_mm, highpass_mm)
        above += signal[echo] * (time * near.astype(np.float64))
        below += signal[echo] * np.float64(time) ** 2
    known = inside & (below > 0)
    return np.where(known, above / np.where(known, below, 1), 0)


def _typical(rate: npt.NDArray[np.float64]) -> float:
    """Median of the positive rates; 1 rad/s where there is none, which then changes nothing."""
    positive = rate[rate > 0]
    return float(np.median(positive)) if positive.size else 1.0
