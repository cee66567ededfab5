"""Which voxels' fields may be used, and how far each is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from qsmnode.engine.field.field_map import FieldMap
from qsmnode.engine.field.outliers import outliers
from qsmnode.engine.mask.refine import reliable
from qsmnode.engine.order import quantile
from qsmnode.engine.types import Float, Mask


class Limits(Protocol):
    """The parameters of a fit that make a voxel unusable."""

    @property
    def residual_limit(self) -> float:
        """Largest relative residual."""

    @property
    def noise_limit(self) -> float:
        """Largest standard deviation of the field, in medians of the well-explained voxels."""


def judged(
    field: Float,
    residual: Float,
    sigma: Float,
    magnitude: Float,
    noise: float,
    mask: Mask,
    limits: Limits,
    numbers: Mapping[str, float] | None = None,
) -> FieldMap:
    """A fitted field with its weights.

    These are 0 where it is badly explained, too noisy, alone among such voxels, or unlike all around it.

    Args:
        field: (X, Y, Z), Hz.
        residual: (X, Y, Z), relative residual of the fit.
        sigma: (X, Y, Z), standard deviation of the field in Hz; 0 where there is none.
        magnitude: (E, X, Y, Z).
        noise: standard deviation of the signal's real and imaginary parts.
        mask: (X, Y, Z).
        limits: what makes a voxel unusable.
        numbers: what the method has to say about its fit.
    """
    usable = reliable(
        mask, sigma, residual, noise_limit=limits.noise_limit, residual_limit=limits.residual_limit
    )
    usable &= ~outliers(field, residual, sigma, magnitude, noise, usable)
    return FieldMap(field, _weight(sigma, usable), residual, sigma, noise, numbers or {})


def _weight(sigma: Float, usable: Mask) -> Float:
    """1 / sigma over its 95th percentile, at most 1; 0 where not usable."""
    weight = np.zeros(sigma.shape, dtype=np.float32)
    if usable.any():
        # of usable voxels none is 0; and the upper ones of 1 / sigma are the lower ones of sigma
        np.divide(np.float32(quantile(sigma, usable, 0.05)), sigma, out=weight, where=usable)
        np.minimum(weight, np.float32(1), out=weight)
    return weight
