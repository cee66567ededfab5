"""The part of a field that sources outside a mask can explain."""

from __future__ import annotations

import math

import numpy as np

from qsmnode.engine.background.conjugate import Fit, dot, fitted, solved
from qsmnode.engine.dipole import dipole_kernel
from qsmnode.engine.fourier import Shape, irfftn, rfftn
from qsmnode.engine.levels import doubled, factors_of, halved
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.volumes import clear, masked, product, scale

Triple = tuple[float, float, float]


class Projection:
    """Fits sources outside a mask to a field inside it: conjugate gradients on the normal equations.

    Args:
        square: (X, Y, Z) padded float32, W^2, 0 outside the mask.
        outside: (X, Y, Z), where sources may be.
        kernel: (X, Y, Z // 2 + 1), dipole kernel.

    Source: 10.1002/nbm.1670.
    """

    def __init__(self, square: Float, outside: Mask, kernel: Float) -> None:
        x, y, z = square.shape
        self.shape: Shape = (x, y, z)
        self.square, self.outside, self.kernel = square, outside, kernel
        self.total = float(square.sum(dtype=np.float64))

    def mean(self, field: Float) -> float:
        """Weighted mean of ``field``; 0 where nothing has a weight."""
        return dot(field, self.square) / self.total if self.total > 0 else 0.0

    def sources(self, field: Float, iterations: int, tolerance: float) -> tuple[Float, float]:
        """Outside sources that explain most of ``field``, and the squared norm of the gradient without them.

        Args:
            field: (X, Y, Z), any unit; looked at where W is above 0.
            iterations: most iterations.
            tolerance: norm of the gradient, relative to the one without sources, that ends it.
        """
        right = self._sources_of(product(self.square, field))
        first = dot(right, right)
        found = solved(
            lambda sources: self._sources_of(product(self.square, self._dipole(sources))),
            right,
            iterations,
            tolerance,
        )
        return found.values, first

    def improved(
        self, field: Float, iterations: int, tolerance: float, start: tuple[Float, float] | None
    ) -> Fit:
        """The same from a start; the fit holds what its sources leave of ``field``.

        For few iterations it takes fewer transforms; over many, :meth:`sources` suffers less from rounding.

        Args:
            field, iterations, tolerance: as for :meth:`sources`.
            start: (X, Y, Z), sources to begin with, and the squared norm of the gradient without any; none if
                None.
        """
        if start is not None:
            start = masked(start[0], self.outside), start[1]
        return fitted(self._dipole, self._sources_of, self.square, field, iterations, tolerance, start)

    def _dipole(self, values: Float) -> Float:
        spectrum = rfftn(values)
        scale(spectrum, self.kernel)
        return irfftn(spectrum, self.shape)

    def _sources_of(self, values: Float) -> Float:
        found = self._dipole(values)
        clear(found, self.outside)
        return found


class TwoGrids:
    """The same, on half the resolution first: most of a background is smooth, and costs an eighth there.

    Args:
        square, outside, kernel: as for :class:`Projection`; each length a multiple of its factor in
            ``levels.factors_of``.
        voxel_mm: voxel edges in mm.
        b0_direction: unit vector in array axes.
    """

    def __init__(
        self, square: Float, outside: Mask, kernel: Float, voxel_mm: Triple, b0_direction: Triple
    ) -> None:
        self.fine = Projection(square, outside, kernel)
        self.factors = factors_of(voxel_mm)
        self.share = halved(square, self.factors)
        empty = halved(outside.astype(np.float32), self.factors) >= np.float32(0.5)
        x, y, z = (v * f for v, f in zip(voxel_mm, self.factors, strict=True))
        shape: Shape = (self.share.shape[0], self.share.shape[1], self.share.shape[2])
        self.coarse = Projection(self.share, empty, dipole_kernel(shape, (x, y, z), b0_direction))

    def background(
        self, field: Float, coarse_iterations: int, iterations: int, tolerance: float
    ) -> tuple[Float, int]:
        """What outside sources explain of ``field``, and the iterations on the fine grid.

        Args:
            field: (X, Y, Z), any unit; looked at where W is above 0.
            coarse_iterations, iterations: most iterations on each grid.
            tolerance: as for :class:`Projection`.
        """
        start = None
        if coarse_iterations:
            weighted = halved(product(field, self.fine.square), self.factors)
            weighted /= np.maximum(self.share, np.float32(1e-12))
            sources, first = self.coarse.sources(weighted, coarse_iterations, tolerance)
            # a block's gradient is the mean of its voxels'
            start = doubled(sources, self.factors), first * math.prod(self.factors)
        found = self.fine.improved(field, iterations, tolerance, start)
        return field - found.left, found.iterations
