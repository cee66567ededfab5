"""Shapes of masks: balls in millimetres, connected parts, holes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.ndimage

from qsmnode.engine.types import Mask


def eroded_mm(mask: Mask, radius_mm: float, voxel_mm: Sequence[float]) -> Mask:
    """Voxels farther than ``radius_mm`` from every voxel outside; the array's border is no outside."""
    if mask.all():
        return mask.copy()
    deep: Mask = scipy.ndimage.distance_transform_edt(mask, sampling=voxel_mm) > radius_mm
    return deep


def dilated_mm(mask: Mask, radius_mm: float, voxel_mm: Sequence[float]) -> Mask:
    """Voxels within ``radius_mm`` of the mask."""
    if not mask.any():
        return mask.copy()
    near: Mask = scipy.ndimage.distance_transform_edt(~mask, sampling=voxel_mm) <= radius_mm
    return near


def largest_part(mask: Mask) -> Mask:
    """The largest face-connected part; empty for an empty mask."""
    labels, count = scipy.ndimage.label(mask)
    if count < 2:
        return mask.copy()
    sizes = np.bincount(labels.reshape(-1))
    sizes[0] = 0
    part: Mask = labels == int(np.argmax(sizes))
    return part


def without_specks(mask: Mask, voxels: int) -> Mask:
    """Face-connected parts of at least ``voxels`` voxels."""
    labels, count = scipy.ndimage.label(mask)
    if not count:
        return mask.copy()
    sizes = np.bincount(labels.reshape(-1))
    keep = sizes >= voxels
    keep[0] = False
    kept: Mask = keep[labels]
    return kept


def parts(mask: Mask) -> int:
    """How many face-connected parts there are."""
    return int(scipy.ndimage.label(mask)[1])


def filled(mask: Mask) -> Mask:
    """The mask with its holes: background that reaches no border of the array. An empty one has none."""
    if not mask.any():
        return mask.copy()
    labels, count = scipy.ndimage.label(~mask)
    if not count:
        return mask.copy()
    open_labels = set()
    for axis, length in enumerate(mask.shape):
        # along an axis of one or two slices every voxel is at the border: that axis cannot close a hole
        if length > 2:
            for end in (0, -1):
                open_labels.update(np.unique(np.take(labels, end, axis=axis)).tolist())
    is_hole = np.ones(count + 1, dtype=np.bool_)
    is_hole[list(open_labels)] = False
    is_hole[0] = False
    result: Mask = mask | is_hole[labels]
    return result


def rim(mask: Mask) -> Mask:
    """Voxels of the mask with a face neighbour outside; the array's border is no outside."""
    edge: Mask = mask & ~scipy.ndimage.binary_erosion(mask, border_value=1)
    return edge
