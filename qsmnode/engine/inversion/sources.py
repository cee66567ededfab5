"""Sources that explain a field, found by weighted least squares that ends early."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Protocol

import numpy as np

from qsmnode.engine.fourier import irfftn, rfftn
from qsmnode.engine.inversion.krylov import Solution, lsqr
from qsmnode.engine.inversion.padded import Padded
from qsmnode.engine.types import Float

# there are more unknowns than noise: the fit is best long after its misfit has fallen below it
NOISE_SHARE = 0.4


class Limits(Protocol):
    """The parameters that end the fit, and what they leave to the sources outside."""

    @property
    def outside(self) -> float:
        """How readily sources outside the mask are taken, relative to inside.

        They are none of a true local field; but background that was left is theirs, and would otherwise be
        forced into the mask.
        """

    @property
    def first_iterations(self) -> int:
        """Most iterations."""

    @property
    def first_tolerance(self) -> float:
        """Norm of the gradient, relative to its first value, that ends it."""


def sources_of(given: Padded, limits: Limits, noise_ppm: float | None) -> Solution:
    """Minimise |W (D chi - f)| from 0: what the field tells well comes first, next to D = 0 hardly anything.

    Args:
        given: field f, weight W, mask and dipole kernel D.
        limits: when to stop.
        noise_ppm: standard deviation of W f; if known, a misfit of 0.4 times it ends the fit too.

    Returns:
        the map in ppm with the sources outside, and how the fit went.

    Source: 10.1016/j.neuroimage.2010.11.088.
    """
    enough = 0.0
    if noise_ppm is not None:
        enough = NOISE_SHARE * noise_ppm * math.sqrt(float(np.count_nonzero(given.trust)))
    readiness = np.where(given.inside, np.float32(1), np.float32(limits.outside))
    solution = lsqr(
        lambda sources: given.trust * filtered(readiness * sources, given.kernel),
        lambda misfit: readiness * filtered(given.trust * misfit, given.kernel),
        given.trust * given.field,
        limits.first_iterations,
        limits.first_tolerance,
        enough=enough,
    )
    return replace(solution, values=readiness * solution.values)


def filtered(values: Float, gain: Float) -> Float:
    """``values`` (X, Y, Z) with their spectrum times ``gain`` (X, Y, Z // 2 + 1)."""
    spectrum = rfftn(values)
    spectrum *= gain
    return irfftn(spectrum, (values.shape[0], values.shape[1], values.shape[2]))
