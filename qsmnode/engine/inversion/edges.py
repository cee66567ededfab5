"""Where the magnitude has edges, the susceptibility may have some too; elsewhere it is held flat."""

from __future__ import annotations

import numpy as np

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.offset.smooth import smoothed_value
from qsmnode.engine.order import quantile
from qsmnode.engine.types import Float, Grid, Mask

_SURROUNDINGS_MM = 4.0
_TINY = 1e-6


def edge_weights(
    magnitude: Float, mask: Mask, grid: Grid, *, edges: float, at_edge: float, flat: float
) -> Float:
    """Weight of the variation along each axis, from the relative differences of the magnitude.

    An edge frees the difference across it and no other: along the edge the susceptibility is still held flat.

    Args:
        magnitude: (X, Y, Z), any unit; echoes combined.
        mask: (X, Y, Z), where it is meant.
        grid: geometry.
        edges: share of the mask's differences, 0..1, that count as edges rather than as flat.
        at_edge: weight at the strongest edges.
        flat: weight where the magnitude does not change.

    Returns:
        (3, X, Y, Z): weight of the difference to the next voxel of each axis, between ``at_edge`` and
        ``flat`` inside the mask, 1 outside.

    Source: the morphological prior of 10.1002/mrm.22816, as a smooth weight instead of a binary one.
    """
    weight = np.ones((3, *mask.shape), np.float32)
    if not mask.any():
        return weight
    relative = _relative(magnitude, mask, grid)
    inverse_edge = np.array([1.0 / v for v in grid.voxel_mm], np.float32)
    steps = np.empty_like(weight)
    in_slabs(_differences, mask.shape[0], relative, inverse_edge, steps)
    limit = max(quantile(steps, mask, 1.0 - edges), _TINY)
    in_slabs(_weigh, mask.shape[0], steps, mask, limit, at_edge, flat, weight)
    return weight


def _relative(magnitude: Float, mask: Mask, grid: Grid) -> Float:
    """Magnitude over its surroundings: coils and their distance drop out."""
    around = smoothed_value(magnitude, mask.astype(np.float32), grid.voxel_mm, _SURROUNDINGS_MM)
    known = mask & (around > _TINY * max(float(around.max()), _TINY))
    return np.where(known, magnitude / np.where(known, around, np.float32(1)), np.float32(1)).astype(
        np.float32
    )


@compiled
def _differences(start: int, stop: int, values: Float, inverse_edge: Float, out: Float) -> None:
    """Size of the differences to the next voxels; the last voxel of an axis has no next one."""
    nx, ny, nz = values.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                here = values[x, y, z]
                dx = values[x + 1, y, z] - here if x + 1 < nx else np.float32(0)
                dy = values[x, y + 1, z] - here if y + 1 < ny else np.float32(0)
                dz = values[x, y, z + 1] - here if z + 1 < nz else np.float32(0)
                out[0, x, y, z] = abs(dx) * inverse_edge[0]
                out[1, x, y, z] = abs(dy) * inverse_edge[1]
                out[2, x, y, z] = abs(dz) * inverse_edge[2]


@compiled
def _weigh(
    start: int, stop: int, steps: Float, mask: Mask, limit: float, at_edge: float, flat: float, out: Float
) -> None:
    """From ``flat`` where nothing changes down to ``at_edge``, half-way where the difference is ``limit``."""
    axes, _, ny, nz = steps.shape
    for axis in range(axes):
        for x in range(start, stop):
            for y in range(ny):
                for z in range(nz):
                    if mask[x, y, z]:
                        steep = (steps[axis, x, y, z] / limit) ** 2
                        out[axis, x, y, z] = at_edge + (flat - at_edge) / (1.0 + steep * steep)
