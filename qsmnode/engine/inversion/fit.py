"""How well a susceptibility map explains a field, and how much of it looks like streaks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.fourier import Shape, Spectrum, irfftn, rfftn
from qsmnode.engine.types import Float

CONE = 0.05

Sums = npt.NDArray[np.float64]


def fit_numbers(chi: Float, field: Float, weight: Float, kernel: Float) -> dict[str, float]:
    """Numbers of quality of an inversion.

    Args:
        chi: (X, Y, Z) padded, ppm, 0 outside the mask.
        field: (X, Y, Z) padded, ppm.
        weight: (X, Y, Z) padded, trust in the field, 0 outside the mask.
        kernel: (X, Y, Z // 2 + 1), dipole kernel.

    Returns:
        ``inversion_residual``: weighted norm of the unexplained field relative to that of the field (0 is
        perfect; up to a constant, which no susceptibility explains); ``inversion_streak``: power of the map
        per frequency next to the cone D = 0 relative to the rest (about 1 without streaks).
    """
    shape: Shape = (chi.shape[0], chi.shape[1], chi.shape[2])
    spectrum = rfftn(chi)
    powers = np.zeros((shape[0], 4))
    in_slabs(_cone_power, shape[0], spectrum, kernel, np.float32(CONE), powers)
    near, near_count, far, far_count = (float(s) for s in powers.sum(axis=0))
    cone = near / near_count if near_count else 0.0
    rest = far / far_count if far_count else 0.0
    spectrum *= kernel
    sums = np.zeros((shape[0], 5))
    in_slabs(_weighted_sums, shape[0], irfftn(spectrum, shape), field, weight, sums)
    left, left_square, given, given_square, total = (float(s) for s in sums.sum(axis=0))
    unexplained = _variance(left, left_square, total)
    whole = _variance(given, given_square, total)
    return {
        "inversion_residual": float(np.sqrt(unexplained / whole)) if whole > 0 else 0.0,
        "inversion_streak": cone / rest if rest > 0 else 0.0,
    }


def _variance(first: float, second: float, total: float) -> float:
    return max(0.0, second / total - (first / total) ** 2) if total > 0 else 0.0


@compiled
def _cone_power(
    start: int, stop: int, spectrum: Spectrum, kernel: Float, cone: np.float32, sums: Sums
) -> None:
    """``sums`` (X, 4) per slab: power and count next to the cone, power and count elsewhere; not at k = 0."""
    _, ny, nz = kernel.shape
    for x in range(start, stop):
        near, near_count, far, far_count = 0.0, 0.0, 0.0, 0.0
        for y in range(ny):
            for z in range(nz):
                if x + y + z == 0:
                    continue
                value = spectrum[x, y, z]
                power = np.float64(value.real) ** 2 + np.float64(value.imag) ** 2
                if abs(kernel[x, y, z]) < cone:
                    near += power
                    near_count += 1
                else:
                    far += power
                    far_count += 1
        sums[x, 0], sums[x, 1], sums[x, 2], sums[x, 3] = near, near_count, far, far_count


@compiled
def _weighted_sums(start: int, stop: int, predicted: Float, field: Float, weight: Float, sums: Sums) -> None:
    """``sums`` (X, 5) per slab: weighted first and second moment of misfit and field, and the weight."""
    _, ny, nz = field.shape
    for x in range(start, stop):
        left, left_square, given, given_square, total = 0.0, 0.0, 0.0, 0.0, 0.0
        for y in range(ny):
            for z in range(nz):
                w = np.float64(weight[x, y, z])
                if w > 0:
                    value = np.float64(field[x, y, z])
                    apart = np.float64(predicted[x, y, z]) - value
                    left += w * apart
                    left_square += w * apart * apart
                    given += w * value
                    given_square += w * value * value
                    total += w
        sums[x, 0], sums[x, 1] = left, left_square
        sums[x, 2], sums[x, 3], sums[x, 4] = given, given_square, total
