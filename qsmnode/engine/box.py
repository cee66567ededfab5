"""The part of a grid that is worth working on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import in_slabs
from qsmnode.engine.types import Grid, Mask


@dataclass(frozen=True)
class Box:
    """A range of voxels along each axis of a larger grid."""

    slices: tuple[slice, slice, slice]
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, mask: Mask, margin_mm: float, voxel_mm: Sequence[float]) -> Box:
        """The box of the mask and ``margin_mm`` around it; the whole grid for an empty mask."""
        ranges = []
        for axis, (length, edge) in enumerate(zip(mask.shape, voxel_mm, strict=True)):
            others = tuple(a for a in range(3) if a != axis)
            inside = np.flatnonzero(mask.any(axis=others))
            margin = math.ceil(margin_mm / edge)
            low, high = (inside[0], inside[-1]) if inside.size else (0, length - 1)
            ranges.append(slice(max(0, int(low) - margin), min(length, int(high) + margin + 1)))
        return cls((ranges[0], ranges[1], ranges[2]), (mask.shape[0], mask.shape[1], mask.shape[2]))

    def crop(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A copy of the box's part of an array whose last three axes are the grid's."""
        part = values[(..., *self.slices)]
        copy = np.empty(part.shape, part.dtype)
        in_slabs(_copy, copy.shape[0], part, copy)
        return copy

    def paste(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An array of the box on the whole grid, 0 around it."""
        whole = np.zeros(self.shape, dtype=values.dtype)
        whole[self.slices] = values
        return whole

    def grid(self, grid: Grid) -> Grid:
        """The geometry of the box."""
        spans = [s.stop - s.start for s in self.slices]
        return replace(grid, shape=(spans[0], spans[1], spans[2]))


def _copy(start: int, stop: int, source: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
    target[start:stop] = source[start:stop]
