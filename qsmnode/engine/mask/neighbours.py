"""Shrinking and growing masks by the voxels around, row by row on all threads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Mask

Offsets = npt.NDArray[np.int64]

FACES: Offsets = np.array(
    [(-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1)], dtype=np.int64
)


def shrunk(mask: Mask, offsets: Offsets = FACES) -> Mask:
    """Voxels of the mask all of whose neighbours are in it; the array's border is no outside.

    Args:
        mask: (X, Y, Z).
        offsets: (N, 3), where the neighbours are, in voxels.
    """
    out: Mask = mask.copy(order="C")
    in_slabs(_shrink, mask.shape[0], np.ascontiguousarray(mask).view(np.uint8), offsets, out.view(np.uint8))
    return out


def spread_by(mask: Mask, offsets: Offsets = FACES) -> Mask:
    """The mask and the neighbours of its voxels.

    Args:
        mask: (X, Y, Z).
        offsets: (N, 3), where the neighbours are, in voxels; with each its opposite.
    """
    out: Mask = mask.copy(order="C")
    in_slabs(_spread, mask.shape[0], np.ascontiguousarray(mask).view(np.uint8), offsets, out.view(np.uint8))
    return out


@compiled
def _shrink(
    start: int, stop: int, mask: npt.NDArray[np.uint8], offsets: Offsets, out: npt.NDArray[np.uint8]
) -> None:
    nx, ny, nz = mask.shape
    for x in range(start, stop):
        for y in range(ny):
            for n in range(offsets.shape[0]):
                i, j, apart = x + offsets[n, 0], y + offsets[n, 1], offsets[n, 2]
                if 0 <= i < nx and 0 <= j < ny and abs(apart) < nz:
                    low, high = max(0, -apart), min(nz, nz - apart)
                    row, other = out[x, y, low:high], mask[i, j, low + apart : high + apart]
                    for z in range(row.size):
                        row[z] &= other[z]


@compiled
def _spread(
    start: int, stop: int, mask: npt.NDArray[np.uint8], offsets: Offsets, out: npt.NDArray[np.uint8]
) -> None:
    nx, ny, nz = mask.shape
    for x in range(start, stop):
        for y in range(ny):
            for n in range(offsets.shape[0]):
                i, j, apart = x + offsets[n, 0], y + offsets[n, 1], offsets[n, 2]
                if 0 <= i < nx and 0 <= j < ny and abs(apart) < nz:
                    low, high = max(0, -apart), min(nz, nz - apart)
                    row, other = out[x, y, low:high], mask[i, j, low + apart : high + apart]
                    for z in range(row.size):
                        row[z] |= other[z]
