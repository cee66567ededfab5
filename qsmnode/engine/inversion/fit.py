"""How well a susceptibility map explains a field, and how much of it looks like streaks."""

from __future__ import annotations

import numpy as np

from qsmnode.engine.fourier import Shape, irfftn, rfftn
from qsmnode.engine.types import Float

CONE = 0.05


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
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float64)
    near = np.abs(kernel) < CONE
    near[0, 0, 0] = False
    far = ~near
    far[0, 0, 0] = False
    rest = float(power[far].mean()) if far.any() else 0.0
    cone = float(power[near].mean()) if near.any() else 0.0
    difference = irfftn(spectrum * kernel, shape) - field
    total = float(weight.sum(dtype=np.float64)) or 1.0
    left = _weighted_square(difference, weight, total)
    given = _weighted_square(field, weight, total)
    return {
        "inversion_residual": float(np.sqrt(left / given)) if given > 0 else 0.0,
        "inversion_streak": cone / rest if rest > 0 else 0.0,
    }


def _weighted_square(values: Float, weight: Float, total: float) -> float:
    mean = float(np.sum(values * weight, dtype=np.float64)) / total
    return float(np.sum(((values - np.float32(mean)) ** 2) * weight, dtype=np.float64))
