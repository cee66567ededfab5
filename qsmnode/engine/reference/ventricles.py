"""The ventricles' cerebrospinal fluid, found by how slowly its signal decays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage

from qsmnode.engine.box import Box
from qsmnode.engine.mask.morphology import eroded_mm
from qsmnode.engine.offset.smooth import smoothed_value
from qsmnode.engine.registry import parameter
from qsmnode.engine.types import Float, Grid, Mask

# a second part this large beside the largest is the other side's ventricle
OTHER_SIDE = 0.5
# of the middle: ventricles leave some tissue there, a jar of water does not
FILLED = 0.8


@dataclass(frozen=True)
class Parameters:
    """What counts as fluid of the ventricles."""

    r2star_limit: float = parameter(5.0, "R2* below which tissue is fluid", unit="1/s", low=0.5, high=20)
    smoothing_mm: float = parameter(1.0, "Gaussian that smooths R2* first", unit="mm", low=0.1, high=5)
    radius_mm: float = parameter(
        30.0, "how far from the middle of the brain the fluid may be", unit="mm", low=5, high=80
    )
    erosion_mm: float = parameter(1.0, "how far the region stays from its edge", unit="mm", low=0, high=5)
    smallest_ml: float = parameter(0.2, "volume below which it is no ventricle", unit="ml", low=0, high=50)
    largest_ml: float = parameter(
        150.0, "volume above which it is more than the ventricles", unit="ml", low=1, high=1000
    )


def csf_mask(r2star: Float, mask: Mask, grid: Grid, parameters: Parameters | None = None) -> Mask:
    """The largest slowly decaying region in the middle of the brain, eroded.

    Args:
        r2star: (X, Y, Z), 1/s.
        mask: (X, Y, Z), the brain's voxels with signal.
        grid: voxel sizes.
        parameters: limits; the defaults if None.

    Returns:
        (X, Y, Z): the largest face-connected part, and the second where it is at least half as large (left
        and right ventricle). Empty where nothing of a plausible volume is found.

    Source: 10.1002/mrm.26946; smoothing and limits of volume are added here.
    """
    limits = parameters or Parameters()
    middle = central_part(mask, grid, limits.radius_mm)
    box = Box.around(middle, limits.erosion_mm + 3 * limits.smoothing_mm, grid.voxel_mm)
    inside = box.crop(mask)
    smooth = smoothed_value(box.crop(r2star), inside.astype(np.float32), grid.voxel_mm, limits.smoothing_mm)
    slow = inside & (smooth < np.float32(limits.r2star_limit))
    # a voxel's edge lies half of it beyond its centre
    core = eroded_mm(slow, limits.erosion_mm + min(grid.voxel_mm) / 2, grid.voxel_mm)
    whole = _largest_parts(slow & box.crop(middle))
    found = whole & core
    volume = np.count_nonzero(found) * grid.voxel_volume_mm3 / 1000
    fills = np.count_nonzero(whole) > FILLED * np.count_nonzero(middle)
    if fills or not found.any() or not limits.smallest_ml <= volume <= limits.largest_ml:
        found[:] = False
    return np.asarray(box.paste(found), dtype=np.bool_)


def central_part(mask: Mask, grid: Grid, radius_mm: float) -> Mask:
    """The part of ``mask`` (X, Y, Z) within ``radius_mm`` of its centre of mass."""
    if not mask.any():
        return mask.copy()
    apart = np.zeros(mask.shape)
    for axis, (length, edge) in enumerate(zip(mask.shape, grid.voxel_mm, strict=True)):
        others = tuple(a for a in range(3) if a != axis)
        counts = np.count_nonzero(mask, axis=others)
        places = np.arange(length) * edge
        along = [1, 1, 1]
        along[axis] = length
        apart += ((places - np.average(places, weights=counts)) ** 2).reshape(along)
    near: Mask = mask & (apart <= radius_mm**2)
    return near


def _largest_parts(mask: Mask) -> Mask:
    labels, count = scipy.ndimage.label(mask)
    if not count:
        return mask.copy()
    sizes = np.bincount(labels.reshape(-1))
    sizes[0] = 0
    order = np.argsort(-sizes, kind="stable")
    kept = [n for n in order[:2] if sizes[n] >= OTHER_SIDE * sizes[order[0]] and sizes[n] > 0]
    chosen: Mask = np.isin(labels, kept)
    return chosen
