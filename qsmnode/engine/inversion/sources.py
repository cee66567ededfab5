"""Sources that explain a field, found by weighted least squares that ends early."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from qsmnode.engine.fourier import irfftn, rfftn
from qsmnode.engine.inversion.krylov import Solution, lsqr
from qsmnode.engine.types import Float, Mask

# there are more unknowns than noise: the fit is best long after its misfit has fallen below it
NOISE_SHARE = 0.4


def sources_of(
    field: Float,
    trust: Float,
    inside: Mask,
    kernel: Float,
    *,
    outside: float,
    iterations: int,
    tolerance: float,
    noise_ppm: float | None,
) -> Solution:
    """Minimise |W (D chi - f)| from 0: what the field tells well comes first, next to D = 0 hardly anything.

    Args:
        field: (X, Y, Z) padded, ppm, f.
        trust: (X, Y, Z) padded, W, 0 outside the mask.
        inside: (X, Y, Z) padded, the mask.
        kernel: (X, Y, Z // 2 + 1), dipole kernel D.
        outside: how readily sources outside the mask are taken, relative to inside. They are none of a true
            local field; but background that was left is theirs, and would otherwise be forced into the mask.
        iterations: most iterations.
        tolerance: norm of the gradient, relative to its first value, that ends it.
        noise_ppm: standard deviation of W f; if known, a misfit of 0.4 times it ends the fit too.

    Returns:
        the map in ppm with the sources outside, and how the fit went.

    Source: 10.1016/j.neuroimage.2010.11.088.
    """
    enough = 0.0
    if noise_ppm is not None:
        enough = NOISE_SHARE * noise_ppm * math.sqrt(float(np.count_nonzero(trust)))
    readiness = np.where(inside, np.float32(1), np.float32(outside))
    solution = lsqr(
        lambda sources: trust * filtered(readiness * sources, kernel),
        lambda misfit: readiness * filtered(trust * misfit, kernel),
        trust * field,
        iterations,
        tolerance,
        enough=enough,
    )
    return replace(solution, values=readiness * solution.values)


def filtered(values: Float, gain: Float) -> Float:
    """``values`` (X, Y, Z) with their spectrum times ``gain`` (X, Y, Z // 2 + 1)."""
    spectrum = rfftn(values)
    spectrum *= gain
    return irfftn(spectrum, (values.shape[0], values.shape[1], values.shape[2]))
