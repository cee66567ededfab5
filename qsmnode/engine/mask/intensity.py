"""Thresholds of magnitude, and its correction for receive coils."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from qsmnode.engine.coarse import Coarse, spread
from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.mask.morphology import filled
from qsmnode.engine.order import median, quantile
from qsmnode.engine.types import Float, Mask

BINS = 256
_BRIGHT = 0.4  # part of the upper quartile of the signal


def otsu(values: npt.ArrayLike) -> float:
    """Threshold that best splits ``values`` into two classes (10.1109/TSMC.1979.4310076).

    For values that are all equal, half of that value; 0 for none.
    """
    known = np.asarray(values, dtype=np.float64).reshape(-1)
    if not known.size:
        return 0.0
    low, high = float(known.min()), float(np.percentile(known, 99.8))
    if not high > low:
        return low / 2
    counts, edges = np.histogram(np.minimum(known, high), bins=BINS, range=(low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype(np.float64)
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
        between = np.where((below > 0) & (above > 0), below * above * distance**2, 0)
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(edges[1:-1][best].mean())


def combined(magnitude: Float) -> Float:
    """One image of all echoes, (E, X, Y, Z) to (X, Y, Z): root of the sum of squares."""
    total: Float = np.empty(magnitude.shape[1:], dtype=np.float32)
    in_slabs(_root, total.shape[0], magnitude, total)
    return total


def foreground(magnitude: Float, voxel_mm: Sequence[float]) -> Mask:
    """Where there is signal at all, generously.

    Args:
        magnitude: (E, X, Y, Z).
        voxel_mm: voxel edge lengths in mm.

    Returns:
        (X, Y, Z): blocks of about 2 mm whose first echo is above 0.3 of the best threshold, holes filled.
    """
    grid = Coarse.of(magnitude.shape[1:], voxel_mm, 2.0)
    first = grid.mean(magnitude[0])
    # holes are kept: a signal void inside a head (calcification, flow) is no background
    return grid.back(filled(first > 0.3 * otsu(first[first > 0])))


def bright(magnitude: Float, head: Mask) -> Mask:
    """The part of the head that is not dark: skull, air and ghosts are left out.

    Args:
        magnitude: (E, X, Y, Z), finite.
        head: (X, Y, Z), where there is signal at all, not empty.
    """
    first = magnitude[0]
    least = _BRIGHT * quantile(first, head, 0.75)
    found: Mask = head & (first > least)
    return found


def evened(image: Float, tissue: Mask, voxel_mm: Sequence[float], width_mm: float) -> Float:
    """The image over its local bright level: about 1 in bright tissue wherever the coil is.

    Follows the idea of 10.1016/j.neuroimage.2021.118175: a high local quantile, smoothed.

    Args:
        image: (X, Y, Z), >= 0.
        tissue: (X, Y, Z), where there is signal.
        voxel_mm: voxel edge lengths in mm.
        width_mm: standard deviation of the smoothing in mm.
    """
    typical = np.float32(median(image, tissue)) if tissue.any() else np.float32(1)
    bias = local_level(image, tissue, voxel_mm, width_mm, 0.8)
    # what has hardly any signal around is not made bright
    least = max(1e-3 * float(typical), 1e-6 * float(image.max(initial=0)), float(np.finfo(np.float32).tiny))
    in_slabs(_divide, image.shape[0], image, np.float32(least), bias)
    return bias


def local_level(
    image: Float, tissue: Mask, voxel_mm: Sequence[float], width_mm: float, quantile: float
) -> Float:
    """A quantile of the image in the tissue around each voxel, smoothed; of all tissue where none is near.

    Args:
        image: (X, Y, Z).
        tissue: (X, Y, Z), what counts.
        voxel_mm: voxel edge lengths in mm.
        width_mm: edge of the blocks and standard deviation of the smoothing in mm.
        quantile: 0..1.
    """
    grid = Coarse.of(image.shape, voxel_mm, max(width_mm, *voxel_mm))
    counts = [-(-n // block) for n, block in zip(image.shape, grid.blocks, strict=True)]
    level, share = (np.zeros(counts, np.float32) for _ in range(2))
    in_slabs(_quantiles, counts[0], image, tissue, np.array(grid.blocks), quantile, level, share)
    sigmas = [width_mm / e for e in grid.edge_mm]
    above = scipy.ndimage.gaussian_filter(level * share, sigmas, mode="constant")
    below = scipy.ndimage.gaussian_filter(share, sigmas, mode="constant")
    typical = np.float32(median(image, tissue)) if tissue.any() else np.float32(1)
    smooth = np.where(below > 1e-6, above / np.maximum(below, 1e-6), typical)
    return spread(smooth.astype(np.float64), image.shape, grid.blocks)


@compiled
def _root(start: int, stop: int, magnitude: Float, total: Float) -> None:
    echoes, _, ny, nz = magnitude.shape
    for x in range(start, stop):
        for y in range(ny):
            row = total[x, y]
            row[:] = np.float32(0)
            for e in range(echoes):
                for z in range(nz):
                    row[z] += magnitude[e, x, y, z] * magnitude[e, x, y, z]
            for z in range(nz):
                row[z] = np.sqrt(row[z])


@compiled
def _divide(start: int, stop: int, image: Float, least: np.float32, level: Float) -> None:
    """``level`` becomes the image over it, or over ``least`` where that is more."""
    _, ny, nz = image.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                level[x, y, z] = image[x, y, z] / max(level[x, y, z], least)


@compiled
def _quantiles(
    start: int,
    stop: int,
    image: Float,
    tissue: Mask,
    blocks: npt.NDArray[np.int64],
    quantile: float,
    level: Float,
    share: Float,
) -> None:
    """Of each block: the quantile of its tissue, and how much tissue it has."""
    nx, ny, nz = image.shape
    bx, by, bz = blocks
    values = np.empty(bx * by * bz, np.float32)
    for i in range(start, stop):
        for j in range(level.shape[1]):
            for k in range(level.shape[2]):
                found = 0
                for x in range(i * bx, min((i + 1) * bx, nx)):
                    for y in range(j * by, min((j + 1) * by, ny)):
                        for z in range(k * bz, min((k + 1) * bz, nz)):
                            if tissue[x, y, z]:
                                values[found] = image[x, y, z]
                                found += 1
                if found:
                    level[i, j, k] = np.quantile(values[:found], quantile)
                    share[i, j, k] = found
