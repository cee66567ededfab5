"""Which voxels' fields may be used, and how far each is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from qsmnode.engine.field.field_map import FieldMap
from qsmnode.engine.mask.refine import reliable
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
    noise: float,
    mask: Mask,
    limits: Limits,
    numbers: Mapping[str, float] | None = None,
) -> FieldMap:
    """A fitted field with its weights: 0 where it is badly explained, too noisy, or alone among such voxels.

    Args:
        field: (X, Y, Z), Hz.
        residual: (X, Y, Z), relative residual of the fit.
        sigma: (X, Y, Z), standard deviation of the field in Hz; 0 where there is none.
        noise: standard deviation of the signal's real and imaginary parts.
        mask: (X, Y, Z).
        limits: what makes a voxel unusable.
        numbers: what the method has to say about its fit.
    """
    usable = reliable(
        mask, sigma, residual, noise_limit=limits.noise_limit, residual_limit=limits.residual_limit
    )
    return FieldMap(field, _weight(sigma, usable), residual, sigma, noise, numbers or {})


def _weight(sigma: Float, usable: Mask) -> Float:
    """1 / sigma over its 95th percentile, at most 1; 0 where not usable."""
    weight = np.zeros(sigma.shape, dtype=np.float32)
    if usable.any():
        trust = 1 / np.maximum(sigma[usable], np.finfo(np.float32).tiny)
        weight[usable] = np.minimum(1, trust / np.percentile(trust, 95))
    return weight
