"""Shapes of masks: balls in millimetres, connected parts, holes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qsmnode.engine.mask.connected import Connected
from qsmnode.engine.mask.neighbours import shrunk
from qsmnode.engine.mask.reach import within
from qsmnode.engine.types import Mask


def eroded_mm(mask: Mask, radius_mm: float, voxel_mm: Sequence[float]) -> Mask:
    """Voxels farther than ``radius_mm`` from every voxel outside; the array's border is no outside."""
    return ~within(~mask, radius_mm, voxel_mm)


def dilated_mm(mask: Mask, radius_mm: float, voxel_mm: Sequence[float]) -> Mask:
    """Voxels within ``radius_mm`` of the mask."""
    return within(mask, radius_mm, voxel_mm)


def largest_part(mask: Mask) -> Mask:
    """The largest face-connected part, of equals the first; empty for an empty mask."""
    found = Connected(mask)
    if found.sizes.size < 2:
        return mask.copy()
    return found.of(np.arange(found.sizes.size) == np.argmax(found.sizes))


def without_specks(mask: Mask, voxels: int) -> Mask:
    """Face-connected parts of at least ``voxels`` voxels."""
    found = Connected(mask)
    return found.of(found.sizes >= voxels)


def parts(mask: Mask) -> int:
    """How many face-connected parts there are."""
    return int(Connected(mask).sizes.size)


def filled(mask: Mask) -> Mask:
    """The mask with its holes: background that reaches no border of the array. An empty one has none."""
    if not mask.any():
        return mask.copy()
    background = Connected(~mask)
    # along an axis of one or two slices every voxel is at the border: that axis cannot close a hole
    closing = [axis for axis, length in enumerate(mask.shape) if length > 2]
    is_hole = ~background.at_ends(closing)
    return mask | background.of(is_hole) if is_hole.any() else mask.copy()


def rim(mask: Mask) -> Mask:
    """Voxels of the mask with a face neighbour outside; the array's border is no outside."""
    edge: Mask = mask & ~shrunk(mask)
    return edge
