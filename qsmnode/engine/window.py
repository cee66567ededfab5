"""Working arrays for transforms: the part around a mask, with zeros between it and its periodic image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmnode.engine.box import Box
from qsmnode.engine.fourier import Shape, fast_shape
from qsmnode.engine.types import Mask


@dataclass(frozen=True)
class Window:
    """A box of a grid in the middle of a padded array of a quickly transformed shape.

    Attributes:
        box: the part of the grid that is worked on.
        shape: of the padded arrays.
        before: voxels of padding below the box, per axis.
    """

    box: Box
    shape: Shape
    before: Shape

    @classmethod
    def around(
        cls, mask: Mask, voxel_mm: Sequence[float], padding_mm: float, multiple: Shape = (1, 1, 1)
    ) -> Window:
        """The box of ``mask`` with at least ``padding_mm`` around it on every side.

        Padding does not end at the edge of the grid: there it is made of zeros. The lengths of the padded
        array are multiples of ``multiple``, so that the array can be halved.
        """
        box = Box.around(mask, 0.0, voxel_mm)
        sizes = [s.stop - s.start for s in box.slices]
        margins = [math.ceil(padding_mm / v) for v in voxel_mm]
        wanted = [-(-(n + 2 * margin) // m) for n, margin, m in zip(sizes, margins, multiple, strict=True)]
        quick = fast_shape((wanted[0], wanted[1], wanted[2]))
        shape = (quick[0] * multiple[0], quick[1] * multiple[1], quick[2] * multiple[2])
        before = [(n - size) // 2 for n, size in zip(shape, sizes, strict=True)]
        return cls(box, shape, (before[0], before[1], before[2]))

    @property
    def inner(self) -> tuple[slice, slice, slice]:
        """Where the box lies in the padded array."""
        x, y, z = (slice(b, b + s.stop - s.start) for b, s in zip(self.before, self.box.slices, strict=True))
        return x, y, z

    def cut(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A padded array of the box's part of ``array``."""
        padded = np.zeros(self.shape, dtype=array.dtype)
        padded[self.inner] = array[self.box.slices]
        return padded

    def paste(self, padded: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The box's part of a padded array on the whole grid, 0 around it."""
        return self.box.paste(padded[self.inner])
