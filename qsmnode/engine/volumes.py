"""Plain arithmetic on whole volumes, on all threads and without needless copies."""

from __future__ import annotations

import numpy as np

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.fourier import Spectrum
from qsmnode.engine.types import Float, Mask


def product(a: Float, b: Float) -> Float:
    """``a`` times ``b``, both (X, Y, Z)."""
    out = np.empty_like(a)
    in_slabs(_multiply, a.shape[0], a, b, out)
    return out


def masked(values: Float, mask: Mask) -> Float:
    """``values`` (X, Y, Z) in the mask, 0 elsewhere, whatever was there."""
    out = np.empty_like(values)
    in_slabs(_mask, values.shape[0], values, mask, out)
    return out


def difference(a: Float, b: Float, mask: Mask) -> Float:
    """``a`` less ``b`` in the mask, 0 elsewhere; all (X, Y, Z)."""
    out = np.empty_like(a)
    in_slabs(_subtract, a.shape[0], a, b, mask, out)
    return out


def clear(values: Float, mask: Mask) -> None:
    """Set ``values`` (X, Y, Z) to 0 outside the mask."""
    in_slabs(_mask, values.shape[0], values, mask, values)


def scale(spectrum: Spectrum, gain: Float) -> None:
    """Multiply ``spectrum`` by ``gain``, both (X, Y, Z)."""
    in_slabs(_scale, spectrum.shape[0], spectrum, gain)


@compiled
def _multiply(start: int, stop: int, a: Float, b: Float, out: Float) -> None:
    _, ny, nz = a.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                out[x, y, z] = a[x, y, z] * b[x, y, z]


@compiled
def _mask(start: int, stop: int, values: Float, mask: Mask, out: Float) -> None:
    _, ny, nz = values.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                out[x, y, z] = values[x, y, z] if mask[x, y, z] else np.float32(0)


@compiled
def _subtract(start: int, stop: int, a: Float, b: Float, mask: Mask, out: Float) -> None:
    _, ny, nz = a.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                out[x, y, z] = a[x, y, z] - b[x, y, z] if mask[x, y, z] else np.float32(0)


@compiled
def _scale(start: int, stop: int, spectrum: Spectrum, gain: Float) -> None:
    _, ny, nz = gain.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                spectrum[x, y, z] *= gain[x, y, z]
