"""Coarse copies of a volume for work on shapes of several millimetres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float, Mask

Counts = npt.NDArray[np.int64]

Indices = npt.NDArray[np.int64]
# two blocks for each voxel of an axis, and the second one's share
Place = tuple[Indices, Indices, Float]


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

    @property
    def count(self) -> tuple[int, int, int]:
        """Number of blocks along each axis."""
        x, y, z = (-(-n // b) for n, b in zip(self.shape, self.blocks, strict=True))
        return x, y, z

    @property
    def sizes(self) -> npt.NDArray[np.float64]:
        """Voxels in each block; the last one along an axis may be smaller."""
        sizes = np.ones((1, 1, 1))
        for axis, (length, block) in enumerate(zip(self.shape, self.blocks, strict=True)):
            starts = np.arange(0, length, block)
            along = [1, 1, 1]
            along[axis] = starts.size
            sizes = sizes * np.diff(np.append(starts, length)).reshape(along)
        return sizes

    def mean(self, values: Float) -> Float:
        """Mean of each block."""
        means: Float = (block_sums(values, self.blocks) / self.sizes).astype(np.float32)
        return means

    def back(self, coarse: Mask) -> Mask:
        """A mask of blocks as a mask of voxels."""
        fine = coarse
        for axis, (length, block) in enumerate(zip(self.shape, self.blocks, strict=True)):
            fine = np.take(fine, np.arange(length) // block, axis=axis)
        return fine


def block_sums(values: Float, blocks: Sequence[int]) -> npt.NDArray[np.float64]:
    """Sums over blocks of voxels; the last block along an axis may be smaller."""
    x, y, z = (-(-n // block) for n, block in zip(values.shape, blocks, strict=True))
    total = np.zeros((x, y, z))
    in_slabs(_add_up, x, values, np.array(blocks), total)
    return total


@compiled
def _add_up(start: int, stop: int, values: Float, blocks: Counts, total: npt.NDArray[np.float64]) -> None:
    nx, ny, nz = values.shape
    bx, by, bz = blocks
    for x in range(start * bx, min(stop * bx, nx)):
        for y in range(ny):
            for z in range(nz):
                total[x // bx, y // by, z // bz] += values[x, y, z]


def spread(coarse: npt.NDArray[np.float64], shape: Sequence[int], blocks: Sequence[int]) -> Float:
    """Linear interpolation from block centres back to voxels; constant beyond the outermost centres."""
    places = [between_centres(length, block) for length, block in zip(shape, blocks, strict=True)]
    fine: Float = np.empty(tuple(shape), np.float32)
    in_slabs(_interpolate, fine.shape[0], coarse.astype(np.float32), *places, fine)
    return fine


@compiled
def _interpolate(
    start: int, stop: int, coarse: Float, along_x: Place, along_y: Place, along_z: Place, fine: Float
) -> None:
    one = np.float32(1)
    _, ny, nz = coarse.shape
    plane = np.empty((ny, nz), np.float32)
    row = np.empty(nz, np.float32)
    for x in range(start, stop):
        low, high, share = along_x[0][x], along_x[1][x], along_x[2][x]
        for j in range(ny):
            for k in range(nz):
                plane[j, k] = coarse[low, j, k] * (one - share) + coarse[high, j, k] * share
        for y in range(fine.shape[1]):
            low, high, share = along_y[0][y], along_y[1][y], along_y[2][y]
            for k in range(nz):
                row[k] = plane[low, k] * (one - share) + plane[high, k] * share
            for z in range(fine.shape[2]):
                share = along_z[2][z]
                fine[x, y, z] = row[along_z[0][z]] * (one - share) + row[along_z[1][z]] * share


def between_centres(length: int, block: int) -> Place:
    """Which two blocks' centres lie around each voxel of an axis, and the second one's share."""
    count = -(-length // block)
    centres = np.array([(b * block + min(length, (b + 1) * block) - 1) / 2 for b in range(count)])
    place = np.interp(np.arange(length), centres, np.arange(count))
    low = np.minimum(place.astype(np.int64), max(0, count - 2))
    return low, np.minimum(low + 1, count - 1), (place - low).astype(np.float32)
