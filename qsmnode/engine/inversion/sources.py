"""Sources inside a mask that explain a field, found by weighted least squares that ends early."""

from __future__ import annotations

import math

import numpy as np

from qsmnode.engine.fourier import irfftn, rfftn
from qsmnode.engine.inversion.krylov import Solution, lsqr
from qsmnode.engine.types import Float, Mask

# with all sources inside the mask to choose from, the fit is best long after its misfit is below the noise
NOISE_SHARE = 0.4


def sources_inside(
    field: Float,
    trust: Float,
    inside: Mask,
    kernel: Float,
    *,
    iterations: int,
    tolerance: float,
    noise_ppm: float | None,
) -> Solution:
    """Minimise |W (D chi - f)| over maps that are 0 outside the mask: the well-conditioned part comes first.

    Args:
        field: (X, Y, Z) padded, ppm, f.
        trust: (X, Y, Z) padded, W, 0 outside the mask.
        inside: (X, Y, Z) padded, where sources may be.
        kernel: (X, Y, Z // 2 + 1), dipole kernel D.
        iterations: most iterations.
        tolerance: norm of the gradient, relative to its first value, that ends it.
        noise_ppm: standard deviation of W f; if known, a misfit of 0.4 times it ends the fit too.

    Returns:
        the map in ppm, and how the fit went.

    Source: 10.1016/j.neuroimage.2010.11.088, with the mask as the map's support.
    """
    enough = 0.0
    if noise_ppm is not None:
        enough = NOISE_SHARE * noise_ppm * math.sqrt(float(np.count_nonzero(trust)))
    return lsqr(
        lambda chi: trust * filtered(chi, kernel),
        lambda misfit: inside * filtered(trust * misfit, kernel),
        trust * field,
        iterations,
        tolerance,
        enough=enough,
    )


def filtered(values: Float, gain: Float) -> Float:
    """``values`` (X, Y, Z) with their spectrum times ``gain`` (X, Y, Z // 2 + 1)."""
    spectrum = rfftn(values)
    spectrum *= gain
    return irfftn(spectrum, (values.shape[0], values.shape[1], values.shape[2]))
