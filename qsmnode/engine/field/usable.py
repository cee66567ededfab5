"""Which voxels' fields may be used, and how far each is trusted."""

from __future__ import annotations

import numpy as np

from qsmnode.engine.mask.refine import reliable
from qsmnode.engine.types import Float, Mask


def usable_voxels(
    residual: Float, sigma: Float, mask: Mask, residual_limit: float, noise_limit: float
) -> Mask:
    """Voxels whose field may be used: well explained, not too noisy, and not alone among unusable ones.

    Args:
        residual: (X, Y, Z), relative residual of the fit.
        sigma: (X, Y, Z), standard deviation of the field; 0 where there is none.
        mask: (X, Y, Z).
        residual_limit: largest residual.
        noise_limit: largest ``sigma``, in medians of the well-explained voxels.
    """
    return reliable(mask, sigma, residual, noise_limit=noise_limit, residual_limit=residual_limit)


def weight_of(sigma: Float, usable: Mask) -> Float:
    """1 / sigma over its 95th percentile, at most 1; 0 where not usable."""
    weight = np.zeros(sigma.shape, dtype=np.float32)
    if usable.any():
        trust = 1 / np.maximum(sigma[usable], np.finfo(np.float32).tiny)
        weight[usable] = np.minimum(1, trust / np.percentile(trust, 95))
    return weight
