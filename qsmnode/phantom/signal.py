"""The complex gradient-echo signal of the fine grid, averaged down to the reported voxels, and its noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float, Mask
from qsmnode.phantom.field import Lattice
from qsmnode.phantom.protocol import Protocol, SliceGeometry

Complex = npt.NDArray[np.complex64]
Coefficients = npt.NDArray[np.float64]
Affine = npt.NDArray[np.float64]
_TERMS = 9
_FULL_SIGNAL = 1000.0  # of water of density 1 before it decays, in the middle of the receive profile


@compiled
def harmonics(x: float, y: float, z: float, out: Coefficients) -> None:
    """Solid harmonics up to second order of a patient position in mm; what shim coils make."""
    x, y, z = x / 100.0, y / 100.0, z / 100.0
    out[0] = 1.0
    out[1], out[2], out[3] = x, y, z
    out[4], out[5], out[6] = x * y, y * z, z * x
    out[7], out[8] = x * x - y * y, 2.0 * z * z - x * x - y * y


@compiled
def _position(affine: Affine, i: float, j: float, k: float, out: Coefficients) -> None:
    for n in range(3):
        out[n] = affine[n, 0] * i + affine[n, 1] * j + affine[n, 2] * k + affine[n, 3]


@compiled
def _dot(a: Coefficients, b: Coefficients) -> float:
    total = 0.0
    for n in range(a.size):
        total += a[n] * b[n]
    return float(total)


@compiled
def _fill_basis(indices: npt.NDArray[np.int64], affine: Affine, out: Coefficients) -> None:
    at = np.empty(3)
    for n in range(out.shape[0]):
        _position(affine, indices[0, n], indices[1, n], indices[2, n], at)
        harmonics(at[0], at[1], at[2], out[n])


@compiled
def _fill_map(first: int, last: int, affine: Affine, amounts: Coefficients, out: Float) -> None:
    at, terms = np.empty(3), np.empty(9)
    for i in range(first, last):
        for j in range(out.shape[1]):
            for k in range(out.shape[2]):
                _position(affine, i, j, k, at)
                harmonics(at[0], at[1], at[2], terms)
                out[i, j, k] = _dot(terms, amounts)


def harmonic_map(amounts: Coefficients, geometry: SliceGeometry) -> Float:
    """(X, Y, Z) float32: the harmonics, each times its amount, on the reported grid."""
    out = np.empty(geometry.shape, np.float32)
    in_slabs(_fill_map, geometry.shape[0], _rows(geometry), np.asarray(amounts), out)
    return out


def _rows(geometry: SliceGeometry) -> Affine:
    return np.ascontiguousarray(geometry.affine[:3])


def _sample(mask: Mask, geometry: SliceGeometry) -> tuple[npt.NDArray[np.int64], Coefficients]:
    """At most some 40 000 voxels of the mask, evenly taken, and their harmonics."""
    flat = np.flatnonzero(mask)
    flat = flat[:: max(1, flat.size // 40_000)]
    basis = np.empty((flat.size, _TERMS))
    _fill_basis(np.stack(np.unravel_index(flat, mask.shape)), _rows(geometry), basis)
    return flat, basis


def shim(field: Float, mask: Mask, geometry: SliceGeometry) -> Coefficients:
    """Coefficients of the second-order field that fits ``field`` best inside ``mask``."""
    flat, basis = _sample(mask, geometry)
    found, *_ = np.linalg.lstsq(basis, field.reshape(-1)[flat].astype(np.float64), rcond=None)
    return np.asarray(found)


@dataclass(frozen=True)
class Coils:
    """Coefficients of the smooth transmit phase (rad) and of the receive profile (about 1)."""

    phase: Coefficients
    receive: Coefficients


def coils(protocol: Protocol, mask: Mask, rng: np.random.Generator) -> Coils:
    """Random smooth coil maps whose ranges over the brain are those of the protocol."""
    _, basis = _sample(mask, protocol.geometry())
    phase = rng.normal(0.0, 1.0, _TERMS) * np.array([0, 0.5, 0.5, 0.5, 1, 1, 1, 1, 1])
    spread = np.ptp(basis @ phase)
    phase *= protocol.transmit_phase_rad / spread if spread > 0 else 0.0
    phase[0] = rng.uniform(-math.pi, math.pi)
    receive = rng.normal(0.0, 1.0, _TERMS) * np.array([0, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5])
    height = np.abs(basis @ receive).max()
    receive *= protocol.receive_bias / height if height > 0 else 0.0
    receive[0] += 1.0
    return Coils(phase, receive)


@compiled
def _add_fine_voxels(
    i: int,
    j: int,
    k: int,
    fine: tuple[Float, Float, Float],
    start: npt.NDArray[np.int64],
    factor: npt.NDArray[np.int64],
    times_s: Coefficients,
    mhz: float,
    affine: Affine,
    shim_ppm: Coefficients,
    spare: tuple[Coefficients, Coefficients],
    real: Coefficients,
    imaginary: Coefficients,
) -> bool:
    """Sum the signal of the fine voxels of one reported voxel; False where none has any."""
    field_ppm, rate, density = fine
    at, terms = spare
    found = False
    for p in range(factor[0]):
        for q in range(factor[1]):
            for r in range(factor[2]):
                a, b, c = (
                    start[0] + i * factor[0] + p,
                    start[1] + j * factor[1] + q,
                    start[2] + k * factor[2] + r,
                )
                m = density[a, b, c]
                if m <= 0.0:
                    continue
                found = True
                u, v, w = (
                    (p + 0.5) / factor[0] - 0.5,
                    (q + 0.5) / factor[1] - 0.5,
                    (r + 0.5) / factor[2] - 0.5,
                )
                _position(affine, i + u, j + v, k + w, at)
                harmonics(at[0], at[1], at[2], terms)
                turn = 2.0 * math.pi * mhz * (field_ppm[a, b, c] - _dot(terms, shim_ppm))
                for e in range(times_s.size):
                    strength = m * math.exp(-rate[a, b, c] * times_s[e])
                    real[e] += strength * math.cos(turn * times_s[e])
                    imaginary[e] += strength * math.sin(turn * times_s[e])
    return found


@compiled
def _signal(
    first: int,
    last: int,
    fine: tuple[Float, Float, Float],
    start: npt.NDArray[np.int64],
    factor: npt.NDArray[np.int64],
    times_s: Coefficients,
    mhz: float,
    affine: Affine,
    shim_ppm: Coefficients,
    phase: Coefficients,
    receive: Coefficients,
    bipolar: float,
    out: Complex,
) -> None:
    echoes, nx, ny, nz = out.shape
    real, imaginary, terms, at = np.empty(echoes), np.empty(echoes), np.empty(9), np.empty(3)
    scale = _FULL_SIGNAL / (factor[0] * factor[1] * factor[2])
    spare = (at, terms)
    for i in range(first, last):
        lean = bipolar * ((i + 0.5) / nx - 0.5)
        for j in range(ny):
            for k in range(nz):
                real[:] = 0.0
                imaginary[:] = 0.0
                out[:, i, j, k] = 0.0
                if not _add_fine_voxels(
                    i, j, k, fine, start, factor, times_s, mhz, affine, shim_ppm, spare, real, imaginary
                ):
                    continue
                _position(affine, i, j, k, at)
                harmonics(at[0], at[1], at[2], terms)
                height = scale * max(0.1, _dot(terms, receive))
                common = _dot(terms, phase)
                for e in range(echoes):
                    angle = common + (lean if e % 2 == 0 else -lean)
                    ca, sa = height * math.cos(angle), height * math.sin(angle)
                    out[e, i, j, k] = complex(
                        real[e] * ca - imaginary[e] * sa, real[e] * sa + imaginary[e] * ca
                    )


def complex_signal(
    fine: tuple[Float, Float, Float],
    lattice: Lattice,
    protocol: Protocol,
    shim_ppm: Coefficients,
    maps: Coils,
) -> Complex:
    """(E, X, Y, Z) complex64 signal without noise; water of density 1 at the first instant has 1000.

    Args:
        fine: field (ppm), R2* (1/s) and density on the fine grid.
        lattice: the grids.
        protocol: echo times, frequency and imperfections.
        shim_ppm: the field that the shim takes away.
        maps: transmit phase and receive profile.
    """
    shape = lattice.geometry.shape
    out = np.empty((len(protocol.echo_times_s), *shape), np.complex64)
    in_slabs(
        _signal,
        shape[0],
        fine,
        np.array(lattice.fine_start),
        np.array(lattice.factor),
        np.array(protocol.echo_times_s),
        protocol.frequency_mhz,
        _rows(lattice.geometry),
        shim_ppm,
        maps.phase,
        maps.receive,
        protocol.bipolar_rad / 2.0,
        out,
    )
    return out


def add_ghost(signal: Complex, strength: float, rng: np.random.Generator) -> None:
    """A motion ghost: every echo again, weaker, half a field of view along the columns."""
    for echo in signal:
        turn = np.exp(1j * rng.uniform(0, 2 * math.pi))
        echo += np.complex64(strength * turn) * np.roll(echo, echo.shape[1] // 2, axis=1)


def add_noise(signal: Complex, sd: float, rng: np.random.Generator) -> None:
    """White complex noise of ``sd`` per channel, the same for the same generator on any machine."""
    for echo in signal:
        parts = echo.view(np.float32)
        for plane in parts:
            plane += np.float32(sd) * rng.standard_normal(plane.shape, dtype=np.float32)
