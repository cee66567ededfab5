"""Fine and coarse grids of one problem of total generalised variation, and the way between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from qsmnode.engine.coarse import block_sums, spread
from qsmnode.engine.inversion.tgv_loops import Dual, Primal
from qsmnode.engine.inversion.tgv_mend import mend
from qsmnode.engine.inversion.tgv_steps import (
    EQUATION,
    UP_X,
    Bytes,
    neighbours,
    steps_of_blocks,
    steps_of_phase,
)
from qsmnode.engine.types import Float, Grid, Mask

# everything but the layer outside
INNER = (Ellipsis, slice(1, -1), slice(1, -1), slice(1, -1))
# B0 this close to an axis needs no second differences across axes
STRAIGHT = 1e-4
# what steps around a face may add up to, in rad at the last echo: a lacking turn of any echo shows as more
FACE_RAD = 1.0
# what is left of the squared trust where turns lacked: the phase there still says something, but not much
MENDED_TRUST = 0.03


@dataclass(frozen=True)
class Level:
    """What is known on one grid; arrays have one layer outside the mask on every side.

    Attributes:
        near: (X, Y, Z), bits of ``tgv_steps``.
        steps: (3, X, Y, Z), ppm, the field's steps to the next voxel of each axis.
        square: (X, Y, Z), square of the trust in the field.
        voxel_mm, b0_direction: geometry.
        factors: how many voxels of the next finer grid one voxel holds along each axis.
    """

    near: Bytes
    steps: Float
    square: Float
    voxel_mm: tuple[float, float, float]
    b0_direction: tuple[float, float, float]
    factors: tuple[int, int, int] = (1, 1, 1)

    @property
    def is_mixed(self) -> bool:
        """Whether B0 lies between axes."""
        return is_mixed(self.b0_direction)


def is_mixed(direction: tuple[float, float, float]) -> bool:
    """Whether a unit vector lies between axes."""
    x, y, z = direction
    return max(abs(x * y), abs(x * z), abs(y * z)) > STRAIGHT


def finest(mask: Mask, weight: Float, grid: Grid, echoes: tuple[Float, Float | None, Float]) -> Level:
    """The measured grid.

    Args:
        mask: (X, Y, Z).
        weight: (X, Y, Z), 0..1.
        grid: geometry.
        echoes: wrapped phase (E, X, Y, Z), magnitude or None, phase of 1 ppm in rad (E,).
    """
    near = neighbours(np.pad(mask, 1), is_mixed(grid.b0_direction))
    steps = steps_of_phase(*echoes, near)
    square = np.pad(np.where(mask, weight * weight, np.float32(0)).astype(np.float32), 1)
    square[mend(steps, near, FACE_RAD / float(echoes[2].max()))] *= np.float32(MENDED_TRUST)
    return Level(near, steps, square, grid.voxel_mm, grid.b0_direction)


def coarser(level: Level, coarsest_mm: float) -> Level | None:
    """The grid of doubled voxels along the axes where they are short; None where that is too coarse."""
    shortest = min(level.voxel_mm)
    x, y, z = (2 if edge < 1.5 * shortest else 1 for edge in level.voxel_mm)
    factors = (x, y, z)
    a, b, c = (edge * factor for edge, factor in zip(level.voxel_mm, factors, strict=True))
    if max(a, b, c) > coarsest_mm:
        return None
    inside = level.near[INNER] > 0
    count = block_sums(inside.astype(np.float32), factors)
    kept = count >= 0.5 * math.prod(factors)
    near = neighbours(np.pad(kept, 1), level.is_mixed)
    if not np.any(near & EQUATION):
        return None
    steps = steps_of_blocks(level.steps, level.near, factors, near)
    square = block_sums(level.square[INNER], factors) / np.maximum(count, 1) * kept
    return Level(near, steps, np.pad(square.astype(np.float32), 1), (a, b, c), level.b0_direction, factors)


def continued(primal: Primal, dual: Dual, coarse: Level, fine: Level) -> tuple[Primal, Dual]:
    """The unknowns of a coarse grid on the next finer one: interpolated, 0 outside what they belong to.

    Primal ones go on as they are beyond the coarse mask: the fine one may be larger.
    """
    nearest = scipy.ndimage.distance_transform_edt(
        coarse.near[INNER] == 0, return_distances=False, return_indices=True
    )
    inside = fine.near > 0
    up = np.stack([(fine.near & (UP_X << axis)) > 0 for axis in range(3)])
    below = Primal(*(_spread(part, coarse, inside, tuple(nearest)) for part in primal))
    first = _spread(dual.first, coarse, inside) * up
    equation = _spread(dual.equation, coarse, (fine.near & EQUATION) > 0)
    return below, Dual(first, _spread(dual.second, coarse, inside), equation)


def _spread(
    values: Float, coarse: Level, inside: Mask, nearest: tuple[npt.NDArray[np.int32], ...] | None = None
) -> Float:
    """Every volume of ``values`` (..., X, Y, Z) interpolated to the finer grid of ``inside``."""
    volumes = values.reshape(-1, *values.shape[-3:])
    out = np.zeros((len(volumes), *inside.shape), dtype=np.float32)
    shape = [length - 2 for length in inside.shape]
    for volume, fine in zip(volumes, out, strict=True):
        inner = volume[INNER] if nearest is None else volume[INNER][nearest]
        fine[INNER] = spread(inner.astype(np.float64), shape, coarse.factors)
        fine *= inside
    return out.reshape(*values.shape[:-3], *inside.shape)
