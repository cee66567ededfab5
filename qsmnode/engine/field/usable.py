"""Which voxels' fields may be used, and how far each is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from qsmnode.engine.field.field_map import FieldMap
from qsmnode.engine.mask.intensity import combined
from qsmnode.engine.mask.refine import reliable
from qsmnode.engine.types import Float, Mask

# standard deviations of noise that the echoes may lie off their line before that counts: noise alone does not
# reach it, and fields that vary within a voxel seldom do
STRAINED = 4.0


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
    magnitude: Float,
    limits: Limits,
    numbers: Mapping[str, float] | None = None,
) -> FieldMap:
    """A fitted field with its weights: 0 where it is badly explained, too noisy, or alone among such voxels.

    Where the echoes leave a line by far more than noise does, the field is as much less certain: so a voxel
    whose wrong phase happens to be explained to within the limit does not count like its neighbours.

    Args:
        field: (X, Y, Z), Hz.
        residual: (X, Y, Z), relative residual of the fit.
        sigma: (X, Y, Z), standard deviation of the field in Hz; 0 where there is none.
        noise: standard deviation of the signal's real and imaginary parts.
        mask: (X, Y, Z).
        magnitude: (E, X, Y, Z), what the fit was weighted by.
        limits: what makes a voxel unusable.
        numbers: what the method has to say about its fit.
    """
    usable = reliable(
        mask, sigma, residual, noise_limit=limits.noise_limit, residual_limit=limits.residual_limit
    )
    weight = _weight(sigma, _strain(residual, magnitude, noise), usable)
    return FieldMap(field, weight, residual, sigma, noise, numbers or {})


def _strain(residual: Float, magnitude: Float, noise: float) -> Float:
    """Square of how far the echoes lie off their line, in ``STRAINED`` deviations of noise; at least 1.

    As residuals are weighted in 10.1002/mrm.24272.
    """
    freedom = magnitude.shape[0] - 1
    if not freedom or noise <= 0:
        return np.ones(residual.shape, dtype=np.float32)
    # divided first: squares of a scanner's large numbers might overflow
    signal = combined(magnitude * np.float32(1 / (STRAINED * noise * np.sqrt(freedom))))
    strain: Float = np.maximum(np.float32(1), residual * signal) ** 2
    return strain


def _weight(sigma: Float, strain: Float, usable: Mask) -> Float:
    """1 / (sigma strain) over its 95th percentile, at most 1; 0 where not usable."""
    weight = np.zeros(sigma.shape, dtype=np.float32)
    if usable.any():
        trust = 1 / np.maximum(sigma[usable] * strain[usable], np.finfo(np.float32).tiny)
        weight[usable] = np.minimum(1, trust / np.percentile(trust, 95))
    return weight
