"""Smoothing on a coarse grid: far cheaper than on the image's own, and as good for what is smooth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.ndimage

from qsmnode.engine.coarse import block_sums, spread
from qsmnode.engine.types import Float
from qsmnode.engine.wrapping import wrapped

# smoothing what the smoothing left removes most of its bias at the mask's rim, where one side is missing
REFINEMENTS = 2


def smoothed_direction(angle: Float, weight: Float, voxel_mm: Sequence[float], sigma_mm: float) -> Float:
    """The angle of the Gaussian-smoothed weight x exp(i angle).

    Args:
        angle: (X, Y, Z), rad; whole turns do not matter.
        weight: (X, Y, Z), >= 0; 0 where the angle means nothing.
        voxel_mm: voxel edge lengths in mm.
        sigma_mm: standard deviation of the Gaussian in mm.

    Returns:
        (X, Y, Z), rad; 0 where no weight is near.
    """
    scales = _scales(angle.shape, voxel_mm, sigma_mm)
    parts = [_smooth(part * weight, *scales) for part in (np.cos(angle), np.sin(angle))]
    direction: Float = np.arctan2(parts[1], parts[0])
    for _ in range(REFINEMENTS):
        direction += smoothed_value(wrapped(angle - direction), weight, voxel_mm, sigma_mm)
    return direction


def smoothed_value(values: Float, weight: Float, voxel_mm: Sequence[float], sigma_mm: float) -> Float:
    """Gaussian-smoothed, weighted ``values`` (X, Y, Z); 0 where no weight is near. Arguments as above."""
    scales = _scales(values.shape, voxel_mm, sigma_mm)
    peak = np.maximum(np.max(weight), np.finfo(np.float32).tiny)
    share = _smooth(weight / peak, *scales)
    near = share > 1e-6
    smooth: Float = np.where(near, _smooth(values * (weight / peak), *scales) / np.where(near, share, 1), 0)
    return smooth.astype(np.float32)


def _scales(
    shape: Sequence[int], voxel_mm: Sequence[float], sigma_mm: float
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Voxels per block and the Gaussian's width in blocks, along each axis."""
    blocks = tuple(max(1, min(n, int(sigma_mm / (2 * v)))) for n, v in zip(shape, voxel_mm, strict=True))
    return blocks, tuple(sigma_mm / (v * b) for v, b in zip(voxel_mm, blocks, strict=True))


def _smooth(values: Float, blocks: tuple[int, ...], sigmas: tuple[float, ...]) -> Float:
    coarse = block_sums(values, blocks)
    return spread(
        scipy.ndimage.gaussian_filter(coarse, sigmas, mode="constant", truncate=3.5), values.shape, blocks
    )
