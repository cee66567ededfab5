"""Total variation split off from the rest of a problem by the alternating direction method of multipliers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import in_slabs
from qsmnode.engine.fourier import Shape
from qsmnode.engine.inversion import admm_loops as loops
from qsmnode.engine.types import Float, Mask


class Variation:
    """The sum over voxels of ``weight`` |grad chi| as a split z = grad chi.

    Args:
        weight: (X, Y, Z) padded, weight of each voxel's total variation.
        voxel_mm: voxel edges; gradients are per mm.
        penalty: weight of |grad chi - z|^2 / 2.
    """

    def __init__(self, weight: Float, voxel_mm: Sequence[float], penalty: float) -> None:
        shape: Shape = (weight.shape[0], weight.shape[1], weight.shape[2])
        self.differences = Differences(shape, voxel_mm)
        self.weight, self.penalty = weight, penalty
        self._slope, self._multiplier, self._target = (np.zeros((3, *shape), np.float32) for _ in range(3))
        self._sums = np.zeros((shape[0], 3))

    def pull(self) -> Float:
        """(X, Y, Z): the transposed gradient of z - s, to be weighted by the penalty; 0 at first."""
        return self.differences.adjoint(self._target)

    def update(self, chi: Float) -> float:
        """Shrink the gradient of ``chi``; returns |grad chi - z| relative to the larger of both."""
        self.differences.gradient(chi, self._slope)
        limit = self.weight * np.float32(1 / self.penalty)
        in_slabs(
            loops.split_gradient,
            chi.shape[0],
            self._slope,
            limit,
            self._multiplier,
            self._target,
            self._sums,
        )
        gap, length, kept = (float(s) for s in self._sums.sum(axis=0))
        return float(np.sqrt(gap / max(length, kept))) if max(length, kept) > 0 else 0.0

    def stiffen(self, factor: float) -> None:
        """Multiply the penalty; the multiplier is scaled by it, and so falls by as much."""
        self.penalty *= factor
        fall = np.float32(1 / factor)
        # z - s with the smaller s: z = target + s
        self._target += self._multiplier * (np.float32(1) - fall)
        self._multiplier *= fall


class Differences:
    """Periodic forward differences per mm of an array of one shape."""

    def __init__(self, shape: Shape, voxel_mm: Sequence[float]) -> None:
        self.shape = shape
        self.inverse_edge = np.array([1.0 / v for v in voxel_mm], dtype=np.float32)

    def gradient(self, values: Float, out: Float | None = None) -> Float:
        """(3, X, Y, Z): the differences of ``values``, written to ``out`` if given."""
        result = np.empty((3, *self.shape), np.float32) if out is None else out
        in_slabs(loops.gradient, self.shape[0], values, self.inverse_edge, result)
        return result

    def adjoint(self, vectors: Float) -> Float:
        """(X, Y, Z): the transpose of :meth:`gradient` applied to (3, X, Y, Z)."""
        result = np.empty(self.shape, np.float32)
        in_slabs(loops.adjoint, self.shape[0], vectors, self.inverse_edge, result)
        return result

    def squared(self) -> Float:
        """(X, Y, Z // 2 + 1): adjoint of gradient as a factor in the spectrum, >= 0, 0 for a constant."""
        terms: list[npt.NDArray[np.float64]] = []
        for n, inverse in zip(self.shape, self.inverse_edge, strict=True):
            terms.append((2.0 - 2.0 * np.cos(2.0 * np.pi * np.arange(n) / n)) * float(inverse) ** 2)
        terms[2] = terms[2][: self.shape[2] // 2 + 1]
        x, y, z = np.ix_(*terms)
        return (x + y + z).astype(np.float32)


def relative_change(new: Float, old: Float, inside: Mask) -> float:
    """|new - old| / |new| inside the mask; 0 for a map of 0."""
    sums = np.zeros((new.shape[0], 2))
    in_slabs(loops.change, new.shape[0], new, old, inside, sums)
    changed, square = (float(s) for s in sums.sum(axis=0))
    return float(np.sqrt(changed / square)) if square > 0 else 0.0
