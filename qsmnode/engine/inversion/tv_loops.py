"""The voxel loops of the total-variation inversion: each is one pass over memory.

The split variables are never stored. Of a split ``z`` with its scaled multiplier ``s`` only the sum
``g = gradient + s`` is kept: ``z = shrink(g)`` and ``s = g - z`` follow from it, and so does ``z - s``.
Both splits are over-relaxed: the old split takes part in what the new one is made from.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled
from qsmnode.engine.fourier import Spectrum
from qsmnode.engine.types import Float, Mask

Sums = npt.NDArray[np.float64]


@compiled
def _clipped(value: np.float32, limit: np.float32) -> Any:
    """What shrinking by ``limit`` takes away, which is the multiplier; the rest is the split."""
    return min(max(value, -limit), limit)


@compiled
def _held(value: np.float32, limit: np.float32, keep: np.float32) -> Any:
    """The multiplier, and the part ``keep`` of the split."""
    multiplier = _clipped(value, limit)
    return multiplier + keep * (value - multiplier)


@compiled
def gradient_step(
    start: int,
    stop: int,
    new: Float,
    old: Float,
    inside: Mask,
    limits: Float,
    inverse_edge: Float,
    relaxation: float,
    before: Float,
    after: Float,
    out: Float,
    sums: Sums,
) -> None:
    """One step of the gradient split, and what it asks of the next map.

    ``limits`` (3, X, Y, Z) are what the differences are shrunk by. ``after`` (3, X, Y, Z) becomes the
    differences of ``new`` plus the multiplier in ``before``; ``out`` the adjoint differences of split minus
    multiplier; ``sums`` (X, 2) per slab the squared change of the map and its square, inside. Periodic. The
    plane below a part of slabs is computed by each part for itself.
    """
    nx, ny, nz = new.shape
    below = np.empty((ny, nz), np.float32)
    along = np.empty((3, ny, nz), np.float32)
    relax, keep = np.float32(relaxation), np.float32(1 - relaxation)
    for plane in range(start - 1, stop):
        x = plane if plane >= 0 else nx - 1
        x1 = x + 1 if x + 1 < nx else 0
        write = plane >= start
        changed, square = 0.0, 0.0
        for y in range(ny):
            y1 = y + 1 if y + 1 < ny else 0
            for z in range(nz):
                z1 = z + 1 if z + 1 < nz else 0
                lx, ly, lz = limits[0, x, y, z], limits[1, x, y, z], limits[2, x, y, z]
                here = new[x, y, z]
                gx = relax * (new[x1, y, z] - here) * inverse_edge[0] + _held(before[0, x, y, z], lx, keep)
                gy = relax * (new[x, y1, z] - here) * inverse_edge[1] + _held(before[1, x, y, z], ly, keep)
                gz = relax * (new[x, y, z1] - here) * inverse_edge[2] + _held(before[2, x, y, z], lz, keep)
                along[0, y, z] = gx - np.float32(2) * _clipped(gx, lx)
                along[1, y, z] = gy - np.float32(2) * _clipped(gy, ly)
                along[2, y, z] = gz - np.float32(2) * _clipped(gz, lz)
                if write:
                    after[0, x, y, z], after[1, x, y, z], after[2, x, y, z] = gx, gy, gz
                    if inside[x, y, z]:
                        apart = here - old[x, y, z]
                        changed += apart * apart
                        square += here * here
        if write:
            for y in range(ny):
                for z in range(nz):
                    out[x, y, z] = (
                        (below[y, z] - along[0, y, z]) * inverse_edge[0]
                        + (along[1, y - 1, z] - along[1, y, z]) * inverse_edge[1]
                        + (along[2, y, z - 1] - along[2, y, z]) * inverse_edge[2]
                    )
            sums[x, 0], sums[x, 1] = changed, square
        below[:] = along[0]


@compiled
def data_step(
    start: int,
    stop: int,
    predicted: Float,
    field: Float,
    square: Float,
    relaxation: float,
    state: Float,
    out: Float,
) -> None:
    """One step of the data split: ``state`` becomes prediction plus multiplier, ``out`` split minus it."""
    _, ny, nz = field.shape
    relax = np.float32(relaxation)
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                w, f, h = square[x, y, z], field[x, y, z], state[x, y, z]
                share = np.float32(1) / (w + np.float32(1))
                split = (w * f + h) * share
                h = relax * (predicted[x, y, z] - split) + h
                state[x, y, z] = h
                out[x, y, z] = np.float32(2) * (w * f + h) * share - h


@compiled
def solve(
    start: int,
    stop: int,
    from_gradient: Spectrum,
    from_data: Spectrum,
    kernel: Float,
    coupling: float,
    differences: tuple[Float, Float, Float],
) -> None:
    """``from_gradient`` becomes the spectrum of chi, ``from_data`` that of its field.

    ``differences`` are the squared transforms of the differences along each axis.
    """
    _, ny, nz = kernel.shape
    mu = np.float32(coupling)
    along_x, along_y, along_z = differences
    for x in range(start, stop):
        for y in range(ny):
            steps = along_x[x] + along_y[y]
            for z in range(nz):
                d = kernel[x, y, z]
                denominator = d * d + mu * (steps + along_z[z])
                scale = np.float32(1) / denominator if denominator > 0 else np.float32(0)
                value = (mu * from_gradient[x, y, z] + d * from_data[x, y, z]) * scale
                from_gradient[x, y, z] = value
                from_data[x, y, z] = value * d
