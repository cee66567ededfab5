"""The voxel loops of the total-variation inversion: each is one pass over memory.

The split variables are never stored. Of a split ``z`` with its scaled multiplier ``s`` only the sum
``g = gradient + s`` is kept: ``z = shrink(g)`` and ``s = g - z`` follow from it, and so does ``z - s``.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled
from qsmnode.engine.fourier import Spectrum
from qsmnode.engine.types import Float

Sums = npt.NDArray[np.float64]


@compiled
def update_gradient(
    start: int, stop: int, chi: Float, gradient: Float, shrinkage: Float, inverse_edge: Float
) -> None:
    """``gradient`` (3, X, Y, Z) becomes the differences of ``chi`` plus the multiplier; periodic."""
    nx, ny, nz = chi.shape
    for x in range(start, stop):
        x1 = x + 1 if x + 1 < nx else 0
        for y in range(ny):
            y1 = y + 1 if y + 1 < ny else 0
            for z in range(nz):
                z1 = z + 1 if z + 1 < nz else 0
                gx, gy, gz = gradient[0, x, y, z], gradient[1, x, y, z], gradient[2, x, y, z]
                length = math.sqrt(gx * gx + gy * gy + gz * gz)
                limit = shrinkage[x, y, z]
                # what shrinking takes away is the multiplier
                removed = limit / length if length > limit else np.float32(1)
                here = chi[x, y, z]
                gradient[0, x, y, z] = (chi[x1, y, z] - here) * inverse_edge[0] + gx * removed
                gradient[1, x, y, z] = (chi[x, y1, z] - here) * inverse_edge[1] + gy * removed
                gradient[2, x, y, z] = (chi[x, y, z1] - here) * inverse_edge[2] + gz * removed


@compiled
def divergence(
    start: int, stop: int, gradient: Float, shrinkage: Float, inverse_edge: Float, out: Float
) -> None:
    """``out`` becomes the adjoint differences of ``z - s``."""
    _, _, ny, nz = gradient.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                here = _reflection(gradient, shrinkage, x, y, z)
                below_x = _reflection(gradient, shrinkage, x - 1, y, z) * gradient[0, x - 1, y, z]
                below_y = _reflection(gradient, shrinkage, x, y - 1, z) * gradient[1, x, y - 1, z]
                below_z = _reflection(gradient, shrinkage, x, y, z - 1) * gradient[2, x, y, z - 1]
                out[x, y, z] = (
                    (below_x - here * gradient[0, x, y, z]) * inverse_edge[0]
                    + (below_y - here * gradient[1, x, y, z]) * inverse_edge[1]
                    + (below_z - here * gradient[2, x, y, z]) * inverse_edge[2]
                )


@compiled
def _reflection(gradient: Float, shrinkage: Float, x: int, y: int, z: int) -> np.float32:
    """The factor between ``gradient`` and ``z - s`` = 2 shrink(gradient) - gradient."""
    gx, gy, gz = gradient[0, x, y, z], gradient[1, x, y, z], gradient[2, x, y, z]
    length = math.sqrt(gx * gx + gy * gy + gz * gz)
    limit = shrinkage[x, y, z]
    if length > limit:
        return np.float32(1.0 - 2.0 * limit / length)
    return np.float32(-1)


@compiled
def update_data(
    start: int,
    stop: int,
    predicted: Float,
    field: Float,
    square: Float,
    penalty: float,
    state: Float,
    out: Float,
) -> None:
    """``state`` becomes the predicted field plus multiplier, ``out`` becomes split minus multiplier."""
    _, ny, nz = field.shape
    mu = np.float32(penalty)
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                w, f, h = square[x, y, z], field[x, y, z], state[x, y, z]
                multiplier = h - (w * f + mu * h) / (w + mu)
                h = predicted[x, y, z] + multiplier
                state[x, y, z] = h
                out[x, y, z] = np.float32(2) * (w * f + mu * h) / (w + mu) - h


@compiled
def solve(
    start: int,
    stop: int,
    from_gradient: Spectrum,
    from_data: Spectrum,
    gain_gradient: Float,
    gain_data: Float,
    kernel: Float,
) -> None:
    """``from_gradient`` becomes the spectrum of chi, ``from_data`` that of its field."""
    _, ny, nz = kernel.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                value = (
                    gain_gradient[x, y, z] * from_gradient[x, y, z] + gain_data[x, y, z] * from_data[x, y, z]
                )
                from_gradient[x, y, z] = value
                from_data[x, y, z] = value * kernel[x, y, z]


@compiled
def change(start: int, stop: int, new: Float, old: Float, inside: npt.NDArray[np.bool_], sums: Sums) -> None:
    """``sums`` (X, 2) becomes per slab the squared change and the square of ``new`` inside."""
    _, ny, nz = new.shape
    for x in range(start, stop):
        changed, square = 0.0, 0.0
        for y in range(ny):
            for z in range(nz):
                if inside[x, y, z]:
                    value = new[x, y, z]
                    difference = value - old[x, y, z]
                    changed += difference * difference
                    square += value * value
        sums[x, 0], sums[x, 1] = changed, square
