"""Coarse copies of a volume for work on shapes of several millimetres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.types import Float, Mask


@dataclass(frozen=True)
class Coarse:
    """Blocks of whole voxels with edges of about ``target_mm``."""

    shape: tuple[int, ...]
    voxel_mm: tuple[float, ...]
    blocks: tuple[int, ...]

    @classmethod
    def of(cls, shape: Sequence[int], voxel_mm: Sequence[float], target_mm: float) -> Coarse:
        """Blocks for a grid of ``shape``, as large as fits into ``target_mm`` but at least one voxel."""
        blocks = tuple(
            max(1, min(n, math.floor(target_mm / v + 1e-6))) for n, v in zip(shape, voxel_mm, strict=True)
        )
        return cls(tuple(shape), tuple(voxel_mm), blocks)

    @property
    def edge_mm(self) -> tuple[float, ...]:
        """Edge lengths of a block in mm."""
        return tuple(v * b for v, b in zip(self.voxel_mm, self.blocks, strict=True))

    def mean(self, values: Float) -> Float:
        """Mean of each block."""
        sizes = np.ones((1, 1, 1))
        for axis, (length, block) in enumerate(zip(self.shape, self.blocks, strict=True)):
            starts = np.arange(0, length, block)
            along = [1, 1, 1]
            along[axis] = starts.size
            sizes = sizes * np.diff(np.append(starts, length)).reshape(along)
        means: Float = (block_sums(values, self.blocks) / sizes).astype(np.float32)
        return means

    def back(self, coarse: Mask) -> Mask:
        """A mask of blocks as a mask of voxels."""
        fine = coarse
        for axis, (length, block) in enumerate(zip(self.shape, self.blocks, strict=True)):
            fine = np.take(fine, np.arange(length) // block, axis=axis)
        return fine


def block_sums(values: Float, blocks: Sequence[int]) -> npt.NDArray[np.float64]:
    """Sums over blocks of voxels; the last block along an axis may be smaller."""
    total = values.astype(np.float64)
    for axis, block in enumerate(blocks):
        if block > 1:
            total = np.add.reduceat(total, np.arange(0, values.shape[axis], block), axis=axis)
    return total


def spread(coarse: npt.NDArray[np.float64], shape: Sequence[int], blocks: Sequence[int]) -> Float:
    """Linear interpolation from block centres back to voxels; constant beyond the outermost centres."""
    fine = coarse.astype(np.float32)
    for axis, (length, block) in enumerate(zip(shape, blocks, strict=True)):
        if block == 1:
            continue
        count = fine.shape[axis]
        centres = np.array([(b * block + min(length, (b + 1) * block) - 1) / 2 for b in range(count)])
        place = np.interp(np.arange(length), centres, np.arange(count))
        low = np.minimum(place.astype(np.intp), max(0, count - 2))
        high = np.minimum(low + 1, count - 1)
        along = [1, 1, 1]
        along[axis] = length
        share = (place - low).astype(np.float32).reshape(along)
        fine = np.take(fine, low, axis=axis) * (1 - share) + np.take(fine, high, axis=axis) * share
    return fine
