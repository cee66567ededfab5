"""Labels of one grid of voxels, looked up from another grid of the same space: nearest neighbour, no mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmnode.engine.types import Mask

Affine = npt.NDArray[np.float64]
Labels = npt.NDArray[Any]
# a voxel's centre on the border of two labels goes to the higher index, whatever rounding made of it
_TIE = 1e-3


@dataclass(frozen=True)
class Box:
    """A grid of voxels in space.

    Attributes:
        shape: (X, Y, Z).
        affine: (4, 4), array index (X, Y, Z, 1) to patient LPS coordinates in mm.
    """

    shape: tuple[int, int, int]
    affine: Affine


def onto(labels: Labels, affine: Affine, box: Box) -> Labels:
    """The label at the centre of each voxel of ``box``; 0 where the labels' own grid does not reach.

    Args:
        labels: (X, Y, Z), whole numbers or bool, 0 for none.
        affine: of the labels, as in :class:`Box`.
        box: the grid asked for.
    """
    found = np.zeros(box.shape, labels.dtype)
    to_labels = np.linalg.inv(affine) @ box.affine
    for z in range(box.shape[2]):  # by slices: coordinates of a whole grid would take eight times its size
        index, inside = _indices(to_labels, box.shape, z, labels.shape)
        found[:, :, z][inside] = labels[tuple(axis[inside] for axis in index)]
    return found


def beyond(region: Mask, affine: Affine, box: Box) -> int:
    """How many voxels of a region, on its own grid, have their centre outside ``box``."""
    to_box = np.linalg.inv(box.affine) @ affine
    outside = 0
    for z in np.flatnonzero(region.any(axis=(0, 1))):
        _, inside = _indices(to_box, region.shape, int(z), box.shape)
        outside += int(np.count_nonzero(region[:, :, z] & ~inside))
    return outside


def _indices(
    matrix: Affine, shape: tuple[int, ...], z: int, other: tuple[int, ...]
) -> tuple[list[npt.NDArray[np.intp]], Mask]:
    """Where the voxels of slice ``z`` lie in another grid, and which of them lie in it at all."""
    x, y = np.arange(shape[0])[:, None], np.arange(shape[1])[None, :]
    index = []
    inside = np.ones(shape[:2], dtype=np.bool_)
    for row, length in zip(matrix[:3], other, strict=True):
        place = np.floor(row[0] * x + row[1] * y + (row[2] * z + row[3]) + 0.5 + _TIE).astype(np.intp)
        inside &= (place >= 0) & (place < length)
        index.append(place)
    return index, inside
