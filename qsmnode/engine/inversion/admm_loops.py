"""The voxel loops of inversions that split off the gradient or the misfit; differences are periodic.

A split ``z`` of ``g`` has the scaled multiplier ``s``. Each update shrinks ``g + s`` to ``z``, leaves the
rest as the new ``s``, and hands back ``z - s``, which is what the next map is drawn to.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled
from qsmnode.engine.types import Float

Sums = npt.NDArray[np.float64]


@compiled
def gradient(start: int, stop: int, values: Float, inverse_edge: Float, out: Float) -> None:
    """``out`` (3, X, Y, Z) becomes the forward differences of ``values`` per mm."""
    nx, ny, nz = values.shape
    for x in range(start, stop):
        above = x + 1 if x + 1 < nx else 0
        for y in range(ny):
            behind = y + 1 if y + 1 < ny else 0
            for z in range(nz):
                further = z + 1 if z + 1 < nz else 0
                here = values[x, y, z]
                out[0, x, y, z] = (values[above, y, z] - here) * inverse_edge[0]
                out[1, x, y, z] = (values[x, behind, z] - here) * inverse_edge[1]
                out[2, x, y, z] = (values[x, y, further] - here) * inverse_edge[2]


@compiled
def adjoint(start: int, stop: int, vectors: Float, inverse_edge: Float, out: Float) -> None:
    """``out`` (X, Y, Z) becomes the transpose of :func:`gradient` applied to ``vectors`` (3, X, Y, Z)."""
    _, _, ny, nz = vectors.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                # index -1 is the last voxel: the differences are periodic
                out[x, y, z] = (
                    (vectors[0, x - 1, y, z] - vectors[0, x, y, z]) * inverse_edge[0]
                    + (vectors[1, x, y - 1, z] - vectors[1, x, y, z]) * inverse_edge[1]
                    + (vectors[2, x, y, z - 1] - vectors[2, x, y, z]) * inverse_edge[2]
                )


@compiled
def split_gradient(
    start: int,
    stop: int,
    slope: Float,
    limit: Float,
    multiplier: Float,
    target: Float,
    sums: Sums,
) -> None:
    """Isotropic shrinking of the gradient; all but ``limit`` (X, Y, Z) and ``sums`` are (3, X, Y, Z).

    Args:
        slope: the gradient of the map.
        limit: what shrinking takes from its length.
        multiplier: s, becomes the next one.
        target: becomes z - s.
        sums: (X, 3), becomes per slab |gradient - z|^2, |gradient|^2 and |z|^2.
    """
    _, _, ny, nz = slope.shape
    for x in range(start, stop):
        gap, length, kept = 0.0, 0.0, 0.0
        for y in range(ny):
            for z in range(nz):
                square = 0.0
                for a in range(3):
                    square += (slope[a, x, y, z] + multiplier[a, x, y, z]) ** 2
                size = math.sqrt(square)
                factor = np.float32(1.0 - limit[x, y, z] / size) if size > limit[x, y, z] else np.float32(0)
                for a in range(3):
                    here = slope[a, x, y, z]
                    whole = here + multiplier[a, x, y, z]
                    shrunk = factor * whole
                    multiplier[a, x, y, z] = whole - shrunk
                    target[a, x, y, z] = shrunk - (whole - shrunk)
                    gap += (here - shrunk) ** 2
                    length += here * here
                    kept += shrunk * shrunk
        sums[x, 0], sums[x, 1], sums[x, 2] = gap, length, kept


@compiled
def split_absolute(
    start: int, stop: int, predicted: Float, field: Float, limit: Float, multiplier: Float, target: Float
) -> None:
    """Misfit measured by its absolute value: z = field + shrink(predicted - field + s, ``limit``)."""
    _, ny, nz = field.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                whole = predicted[x, y, z] + multiplier[x, y, z]
                misfit = whole - field[x, y, z]
                bound = limit[x, y, z]
                # the part beyond the bound stays with the split, so a voxel's pull never exceeds the bound
                rest = min(max(misfit, -bound), bound)
                multiplier[x, y, z] = rest
                target[x, y, z] = whole - rest - rest


@compiled
def split_square(
    start: int, stop: int, predicted: Float, field: Float, square: Float, multiplier: Float, target: Float
) -> None:
    """Misfit measured by W^2 times its half square: z = (W^2 field + predicted + s) / (W^2 + 1)."""
    _, ny, nz = field.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                whole = predicted[x, y, z] + multiplier[x, y, z]
                w = square[x, y, z]
                rest = w * (whole - field[x, y, z]) / (w + np.float32(1))
                multiplier[x, y, z] = rest
                target[x, y, z] = whole - rest - rest


@compiled
def change(start: int, stop: int, new: Float, old: Float, inside: npt.NDArray[np.bool_], sums: Sums) -> None:
    """``sums`` (X, 2) becomes per slab |new - old|^2 and |new|^2 inside."""
    _, ny, nz = new.shape
    for x in range(start, stop):
        changed, square = 0.0, 0.0
        for y in range(ny):
            for z in range(nz):
                if inside[x, y, z]:
                    value = new[x, y, z]
                    changed += (value - old[x, y, z]) ** 2
                    square += value * value
        sums[x, 0], sums[x, 1] = changed, square
