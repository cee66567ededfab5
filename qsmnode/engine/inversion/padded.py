"""What an inversion is given, around the mask and padded for transforms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmnode.engine.dipole import dipole_kernel
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.window import Window


@dataclass(frozen=True)
class Padded:
    """Field, mask and weight in arrays that can be transformed quickly.

    Attributes:
        window: where they lie in the grid.
        inside: (X, Y, Z), the mask.
        trust: (X, Y, Z), the weight W, 0 outside the mask.
        field: (X, Y, Z), ppm, 0 outside the mask.
        kernel: (X, Y, Z // 2 + 1), dipole kernel D.
    """

    window: Window
    inside: Mask
    trust: Float
    field: Float
    kernel: Float

    @classmethod
    def of(
        cls, local_field_ppm: Float, mask: Mask, grid: Grid, weight: Float | None, padding_mm: float
    ) -> Padded:
        """With at least ``padding_mm`` around the mask; a ``weight`` of None is 1 everywhere."""
        window = Window.around(mask, grid.voxel_mm, padding_mm)
        inside = window.cut(mask)
        trust = inside.astype(np.float32)
        if weight is not None:
            trust *= window.cut(weight).astype(np.float32)
        field = window.cut(np.where(mask, local_field_ppm, np.float32(0)).astype(np.float32))
        kernel = dipole_kernel(window.shape, grid.voxel_mm, grid.b0_direction)
        return cls(window, inside, trust, field, kernel)
