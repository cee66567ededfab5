"""The part of a field that sources outside a mask can explain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qsmnode.engine.fourier import irfftn, rfftn
from qsmnode.engine.types import Float, Mask


class Projection:
    """Fits sources outside a mask to a field inside it: conjugate gradients on the normal equations.

    Args:
        square: (X, Y, Z) padded float32, W^2, 0 outside the mask.
        outside: (X, Y, Z), where sources may be.
        kernel: (X, Y, Z // 2 + 1), dipole kernel.

    Source: 10.1002/nbm.1670.
    """

    def __init__(self, square: Float, outside: Mask, kernel: Float) -> None:
        self.square, self.outside, self.kernel = square, outside, kernel
        self.total = float(square.sum(dtype=np.float64))

    def removed(self, field: Float, iterations: int, tolerance: float) -> Float:
        """``field`` (X, Y, Z) without its mean and without what outside sources explain.

        Args:
            field: any unit; looked at where W is above 0.
            iterations: most iterations.
            tolerance: norm of the gradient, relative to the first one, that ends it.
        """
        rest = field - np.float32(self.mean(field))
        return rest - self._background(rest, iterations, tolerance)

    def mean(self, field: Float) -> float:
        """Weighted mean of ``field``; 0 where nothing has a weight."""
        if self.total == 0:
            return 0.0
        return _dot(field, self.square) / self.total

    def _background(self, field: Float, iterations: int, tolerance: float) -> Float:
        sources = np.zeros_like(field)
        residual = self._sources_of(self.square * field)
        direction = residual.copy()
        energy = _dot(residual, residual)
        goal = energy * tolerance**2
        for _ in range(iterations):
            if energy <= goal:
                break
            image = self._sources_of(self.square * self._dipole(direction))
            curvature = _dot(direction, image)
            if curvature <= 0:
                break
            step = np.float32(energy / curvature)
            sources += step * direction
            residual -= step * image
            renewed = _dot(residual, residual)
            direction *= np.float32(renewed / energy)
            direction += residual
            energy = renewed
        return self._dipole(sources)

    def _dipole(self, values: Float) -> Float:
        shape = (values.shape[0], values.shape[1], values.shape[2])
        spectrum = rfftn(values)
        spectrum *= self.kernel
        return irfftn(spectrum, shape)

    def _sources_of(self, values: Float) -> Float:
        found = self._dipole(values)
        found *= self.outside
        return found


def _dot(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """Sum of products: in double precision, and in an order that does not depend on threads."""
    return float(np.einsum("xyz,xyz->x", a, b, dtype=np.float64).sum())
