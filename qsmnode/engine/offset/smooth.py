"""Smoothing on a coarse grid: far cheaper than on the image's own, and as good for what is smooth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from qsmnode.engine.coarse import block_sums, spread
from qsmnode.engine.offset.phasors import Complex
from qsmnode.engine.types import Float

# Smoothing what the smoothing left removes its bias, which comes from the rim, where one side is missing, and
# from tissues of unequal signal: at SNR 70 the field's median error falls from 1.3 to 1.1 noise floors.
REFINEMENTS = 10
Doubles = npt.NDArray[np.float64]


def smoothed_angle(directions: Complex, edge_mm: Sequence[float], sigma_mm: float) -> Doubles:
    """The angle of Gaussian-smoothed directions.

    Args:
        directions: (X, Y, Z) complex, on blocks; the size of each is its weight.
        edge_mm: edge lengths of a block in mm.
        sigma_mm: standard deviation of the Gaussian in mm.

    Returns:
        (X, Y, Z), rad, whole turns are left open; 0 where no weight is near.
    """
    sigmas = [sigma_mm / edge for edge in edge_mm]
    weight = np.abs(directions)
    scaled = directions / max(float(weight.max(initial=0.0)), np.finfo(np.float64).tiny)
    weight = np.abs(scaled)
    angle: Doubles = np.arctan2(_gaussian(scaled.imag, sigmas), _gaussian(scaled.real, sigmas))
    share = _gaussian(weight, sigmas)
    near = share > 1e-6
    for _ in range(REFINEMENTS):
        left = np.angle(scaled * np.exp(-1j * angle))
        angle += np.where(near, _gaussian(left * weight, sigmas) / np.where(near, share, 1), 0)
    return angle


def smoothed_value(values: Float, weight: Float, voxel_mm: Sequence[float], sigma_mm: float) -> Float:
    """Gaussian-smoothed, weighted values.

    Args:
        values: (X, Y, Z).
        weight: (X, Y, Z), >= 0; 0 where the value means nothing.
        voxel_mm: voxel edge lengths in mm.
        sigma_mm: standard deviation of the Gaussian in mm.

    Returns:
        (X, Y, Z); 0 where no weight is near.
    """
    blocks, sigmas = _scales(values.shape, voxel_mm, sigma_mm)
    peak = np.maximum(np.max(weight), np.finfo(np.float32).tiny)
    share = _smooth(weight / peak, blocks, sigmas)
    near = share > 1e-6
    smooth: Float = np.where(
        near, _smooth(values * (weight / peak), blocks, sigmas) / np.where(near, share, 1), 0
    )
    return smooth.astype(np.float32)


def _scales(
    shape: Sequence[int], voxel_mm: Sequence[float], sigma_mm: float
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Voxels per block and the Gaussian's width in blocks, along each axis."""
    blocks = tuple(max(1, min(n, int(sigma_mm / (2 * v)))) for n, v in zip(shape, voxel_mm, strict=True))
    return blocks, tuple(sigma_mm / (v * b) for v, b in zip(voxel_mm, blocks, strict=True))


def _smooth(values: Float, blocks: tuple[int, ...], sigmas: tuple[float, ...]) -> Float:
    return spread(_gaussian(block_sums(values, blocks), sigmas), values.shape, blocks)


def _gaussian(values: Doubles, sigmas: Sequence[float]) -> Doubles:
    smooth: Doubles = scipy.ndimage.gaussian_filter(values, sigmas, mode="constant", truncate=3.5)
    return smooth
