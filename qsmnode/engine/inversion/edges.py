"""Where the magnitude has edges, the susceptibility may have some too; elsewhere it is held flat."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from qsmnode.engine.types import Float, Grid, Mask

_SURROUNDINGS_MM = 4.0
_SHARPNESS = 4
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
    if not mask.any():
        return np.ones(mask.shape, np.float32)
    relative = _relative(magnitude, mask, grid)
    square = np.zeros(mask.shape, np.float32)
    for axis, size in enumerate(grid.voxel_mm):
        # the last voxel has no neighbour: its difference to the first would be no edge
        step = np.diff(relative, axis=axis, append=np.take(relative, [-1], axis=axis)) / np.float32(size)
        square += step * step
    gradient = np.sqrt(square)
    limit = max(float(np.percentile(gradient[mask], 100.0 * (1.0 - edges))), _TINY)
    weight = at_edge + (flat - at_edge) / (1.0 + (gradient / limit) ** _SHARPNESS)
    return np.where(mask, weight, 1.0).astype(np.float32)


def _relative(magnitude: Float, mask: Mask, grid: Grid) -> Float:
    """Magnitude over its surroundings: coils and their distance drop out."""
    sigma = [_SURROUNDINGS_MM / size for size in grid.voxel_mm]
    inside = np.where(mask, magnitude, np.float32(0)).astype(np.float32)
    around = ndimage.gaussian_filter(inside, sigma, mode="constant")
    share = ndimage.gaussian_filter(mask.astype(np.float32), sigma, mode="constant")
    mean = around / np.maximum(share, np.float32(1e-3))
    return np.where(mask, inside / np.maximum(mean, np.float32(_TINY)), np.float32(1)).astype(np.float32)
