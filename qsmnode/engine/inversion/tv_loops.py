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
def _split_row(
    here: Float,
    there: Float,
    limit: Float,
    inverse_edge: np.float32,
    relax: np.float32,
    keep: np.float32,
    state: Float,
    along: Float,
) -> None:
    """One row of the gradient split along one axis: ``state`` anew, and ``along``, split minus multiplier.

    Two loops, and no index that could wrap: so the compiler sees that the rows lie apart, and makes vector
    instructions of it.
    """
    for z in range(there.size):
        state[z] = relax * (there[z] - here[z]) * inverse_edge + _held(state[z], limit[z], keep)
    for z in range(there.size):
        along[z] = state[z] - np.float32(2) * _clipped(state[z], limit[z])


@compiled
def _adjoint_row(
    out: Float,
    below_x: Float,
    along_x: Float,
    below_y: Float,
    along_y: Float,
    along_z: Float,
    inverse_edge: Float,
) -> None:
    """One row of the adjoint differences."""
    ex, ey, ez = inverse_edge
    for z in range(1, out.size):
        out[z] = (
            (below_x[z] - along_x[z]) * ex
            + (below_y[z] - along_y[z]) * ey
            + (along_z[z - 1] - along_z[z]) * ez
        )
    out[0] = (
        (below_x[0] - along_x[0]) * ex
        + (below_y[0] - along_y[0]) * ey
        + (along_z[out.size - 1] - along_z[0]) * ez
    )


@compiled
def planes_below(
    starts: npt.NDArray[np.int64],
    new: Float,
    limits: Float,
    inverse_edge: Float,
    relaxation: float,
    state: Float,
    below: Float,
) -> None:
    """``below`` (P, Y, Z): split minus multiplier along X in the plane before each of the P ``starts``.

    To be called before :func:`gradient_step`, which changes ``state`` in place, by parts at the same time.
    """
    nx, ny, nz = new.shape
    relax, keep = np.float32(relaxation), np.float32(1 - relaxation)
    spare = np.empty(nz, np.float32)
    for part in range(starts.size):
        x = starts[part] - 1 if starts[part] > 0 else nx - 1
        x1 = x + 1 if x + 1 < nx else 0
        for y in range(ny):
            spare[:] = state[0, x, y]
            _split_row(
                new[x, y], new[x1, y], limits[0, x, y], inverse_edge[0], relax, keep, spare, below[part, y]
            )


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
    state: Float,
    starts: npt.NDArray[np.int64],
    below: Float,
    out: Float,
    sums: Sums,
) -> None:
    """One step of the gradient split, and what it asks of the next map.

    ``limits`` (3, X, Y, Z) are what the differences are shrunk by. ``state`` (3, X, Y, Z) becomes the
    differences of ``new`` plus the multiplier that it held; ``out`` the adjoint differences of split minus
    multiplier; ``sums`` (X, 2) per slab the squared change of the map and its square, inside. Periodic.
    ``below`` holds what :func:`planes_below` found for the parts' ``starts``; it is lost.
    """
    nx, ny, nz = new.shape
    under = below[np.searchsorted(starts, start)]
    along = np.empty((3, ny, nz), np.float32)
    relax, keep = np.float32(relaxation), np.float32(1 - relaxation)
    for x in range(start, stop):
        x1 = x + 1 if x + 1 < nx else 0
        for y in range(ny):
            y1 = y + 1 if y + 1 < ny else 0
            here = new[x, y]
            for axis, there in ((0, new[x1, y]), (1, new[x, y1])):
                _split_row(
                    here, there, limits[axis, x, y], inverse_edge[axis], relax, keep,
                    state[axis, x, y], along[axis, y],
                )  # fmt: skip
            for part, there in ((slice(0, nz - 1), here[1:]), (slice(nz - 1, nz), here[:1])):
                _split_row(
                    here[part], there, limits[2, x, y][part], inverse_edge[2], relax, keep,
                    state[2, x, y][part], along[2, y][part],
                )  # fmt: skip
        for y in range(ny):
            y0 = y - 1 if y > 0 else ny - 1
            _adjoint_row(
                out[x, y], under[y], along[0, y], along[1, y0], along[1, y], along[2, y], inverse_edge
            )
        sums[x, 0], sums[x, 1] = _change(new[x], old[x], inside[x])
        under[:] = along[0]


@compiled
def _change(new: Float, old: Float, inside: Mask) -> tuple[float, float]:
    """Squared change of a plane of the map and its square, inside."""
    changed, square = 0.0, 0.0
    for y in range(new.shape[0]):
        for z in range(new.shape[1]):
            if inside[y, z]:
                apart = new[y, z] - old[y, z]
                changed += apart * apart
                square += new[y, z] * new[y, z]
    return changed, square


@compiled
def data_step(
    start: int,
    stop: int,
    predicted: Float,
    field: Float,
    square: Float,
    penalty: float,
    relaxation: float,
    state: Float,
    out: Float,
) -> None:
    """One step of the data split: ``state`` becomes prediction plus multiplier, ``out`` split minus it.

    ``penalty`` is that of the split, where ``square`` holds W^2.
    """
    _, ny, nz = field.shape
    relax, rho = np.float32(relaxation), np.float32(penalty)
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                w, f, h = square[x, y, z], field[x, y, z], state[x, y, z]
                share = np.float32(1) / (w + rho)
                split = (w * f + rho * h) * share
                h = relax * (predicted[x, y, z] - split) + h
                state[x, y, z] = h
                out[x, y, z] = np.float32(2) * (w * f + rho * h) * share - h


@compiled
def solve(
    start: int,
    stop: int,
    from_gradient: Spectrum,
    from_data: Spectrum,
    kernel: Float,
    coupling: float,
    penalty: float,
    differences: tuple[Float, Float, Float],
) -> None:
    """``from_gradient`` becomes the spectrum of chi, ``from_data`` that of its field.

    ``coupling`` and ``penalty`` are those of the gradient's and the data's split, ``differences`` the squared
    transforms of the differences along each axis.
    """
    _, ny, nz = kernel.shape
    mu, rho = np.float32(coupling), np.float32(penalty)
    along_x, along_y, along_z = differences
    for x in range(start, stop):
        for y in range(ny):
            steps = along_x[x] + along_y[y]
            for z in range(nz):
                d = kernel[x, y, z]
                denominator = rho * d * d + mu * (steps + along_z[z])
                scale = np.float32(1) / denominator if denominator > 0 else np.float32(0)
                value = (mu * from_gradient[x, y, z] + rho * d * from_data[x, y, z]) * scale
                from_gradient[x, y, z] = value
                from_data[x, y, z] = value * d
