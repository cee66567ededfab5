"""Where the magnitude has edges, the susceptibility may have some too; elsewhere it is held flat."""

from __future__ import annotations

import math

import numpy as np

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.offset.smooth import smoothed_value
from qsmnode.engine.types import Float, Grid, Mask

_SURROUNDINGS_MM = 4.0
_TINY = 1e-6


def edge_weights(
    magnitude: Float, mask: Mask, grid: Grid, *, edges: float, at_edge: float, flat: float
) -> Float:
    """Weight of the total variation of each voxel, from the relative gradient of the magnitude.

    Args:
        magnitude: (X, Y, Z), any unit; echoes combined.
        mask: (X, Y, Z), where it is meant.
        grid: geometry.
        edges: share of the mask's voxels, 0..1, that count as edges rather than as flat.
        at_edge: weight at the strongest edges.
        flat: weight where the magnitude does not change.

    Returns:
        (X, Y, Z) weights between ``at_edge`` and ``flat`` inside the mask, 1 outside.

    Source: the morphological prior of 10.1002/mrm.22816, as a smooth weight instead of a binary one.
    """
    weight = np.ones(mask.shape, np.float32)
    if not mask.any():
        return weight
    relative = _relative(magnitude, mask, grid)
    inverse_edge = np.array([1.0 / v for v in grid.voxel_mm], np.float32)
    gradient = np.empty(mask.shape, np.float32)
    in_slabs(_gradient, mask.shape[0], relative, inverse_edge, gradient)
    limit = max(float(np.percentile(gradient[mask], 100.0 * (1.0 - edges))), _TINY)
    in_slabs(_weigh, mask.shape[0], gradient, mask, limit, at_edge, flat, weight)
    return weight


def _relative(magnitude: Float, mask: Mask, grid: Grid) -> Float:
    """Magnitude over its surroundings: coils and their distance drop out."""
    around = smoothed_value(magnitude, mask.astype(np.float32), grid.voxel_mm, _SURROUNDINGS_MM)
    known = mask & (around > _TINY * max(float(around.max()), _TINY))
    return np.where(known, magnitude / np.where(known, around, np.float32(1)), np.float32(1)).astype(
        np.float32
    )


@compiled
def _gradient(start: int, stop: int, values: Float, inverse_edge: Float, out: Float) -> None:
    """Length of the differences to the next voxels; the last voxel of an axis has no next one."""
    nx, ny, nz = values.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                here = values[x, y, z]
                dx = (values[x + 1, y, z] - here) * inverse_edge[0] if x + 1 < nx else np.float32(0)
                dy = (values[x, y + 1, z] - here) * inverse_edge[1] if y + 1 < ny else np.float32(0)
                dz = (values[x, y, z + 1] - here) * inverse_edge[2] if z + 1 < nz else np.float32(0)
                out[x, y, z] = math.sqrt(dx * dx + dy * dy + dz * dz)


@compiled
def _weigh(
    start: int, stop: int, gradient: Float, mask: Mask, limit: float, at_edge: float, flat: float, out: Float
) -> None:
    """From ``flat`` where nothing changes down to ``at_edge``, half-way where the gradient is ``limit``."""
    _, ny, nz = gradient.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                if mask[x, y, z]:
                    steep = (gradient[x, y, z] / limit) ** 2
                    out[x, y, z] = at_edge + (flat - at_edge) / (1.0 + steep * steep)
