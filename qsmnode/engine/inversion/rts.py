"""Rapid two-step inversion: least squares where the field tells the map, total variation elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmnode.engine.fourier import irfftn, rfftn
from qsmnode.engine.inversion.fit import fit_numbers
from qsmnode.engine.inversion.krylov import Solution
from qsmnode.engine.inversion.padded import Padded
from qsmnode.engine.inversion.sources import sources_of
from qsmnode.engine.inversion.variation import Variation, relative_change
from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.progress import ProgressCallback
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask

# the penalty grows where the gap between the gradient and its split keeps more than this share of itself
SLOW = 0.7


@dataclass(frozen=True)
class Parameters:
    """Parameters of RTS."""

    delta: float = parameter(
        0.15, "|D| above which a frequency is well-conditioned", unit="1", low=0.01, high=0.33
    )
    mu: float = parameter(
        1e5,
        "fidelity to the first step / weight of the total variation",
        unit="1/(ppm mm)",
        low=1.0,
        high=1e8,
    )
    rho: float = parameter(10.0, "penalty of the gradient split at first", unit="mm/ppm", low=0.1, high=1e4)
    rho_growth: float = parameter(
        5.0, "factor by which the penalty grows where the split lags", unit="1", low=1.0, high=10.0
    )
    rho_most: float = parameter(250.0, "penalty that it does not outgrow", unit="mm/ppm", low=0.1, high=1e5)
    outside: float = parameter(
        0.3,
        "how readily sources outside the mask are taken, relative to inside",
        unit="1",
        low=0.0,
        high=10.0,
    )
    first_tolerance: float = parameter(
        0.01, "gradient, relative to its first value, that ends the first step", unit="1", low=1e-6, high=0.5
    )
    first_iterations: int = parameter(40, "most iterations of the first step", unit="1", low=1, high=1000)
    tolerance: float = parameter(
        0.01, "change of the map, and gap of the split, that end it", unit="1", low=1e-5, high=0.1
    )
    iterations: int = parameter(100, "most iterations of the second step", unit="1", low=1, high=1000)
    padding_mm: float = parameter(20.0, "space around the mask", unit="mm", low=5.0, high=60.0)


@method("inversion", "rts", doi="10.1016/j.neuroimage.2017.11.018", parameters=Parameters)
def rts(
    local_field_ppm: Float,
    mask: Mask,
    grid: Grid,
    weight: Float | None,
    parameters: Parameters,
    *,
    measured: Measured = NOTHING,
    progress: ProgressCallback | None = None,
) -> tuple[Float, dict[str, float]]:
    """Rapid two-step inversion (RTS): LSQR on |W (D chi - f)|, then least total variation next to D = 0.

    Ended early, LSQR has found the frequencies with |D| > delta, and little of the others. The second step
    keeps those (mu / 2 times the squared distance) and chooses the others such that |grad chi|_1 is least, by
    the alternating direction method of multipliers.

    Args:
        local_field_ppm: (X, Y, Z), ppm.
        mask: (X, Y, Z), where it is known.
        grid: geometry, with the direction of B0.
        weight: (X, Y, Z), 0..1, W; 1 everywhere if None.
        parameters: what is well-conditioned, regularisation, and when to stop.
        measured: its noise ends the first step before noise is fitted.
        progress: called with the finished fraction.

    Returns:
        Susceptibility in ppm (X, Y, Z), 0 outside the mask, and numbers of quality.

    Source: 10.1016/j.neuroimage.2017.11.018, with isotropic total variation; here with weights, and with LSQR
    in place of LSMR: its residual is there to be held against the noise.
    """
    given = Padded.of(local_field_ppm, mask, grid, weight, parameters.padding_mm)
    first = sources_of(given, parameters, measured.noise_ppm)
    if progress is not None:
        progress(first.iterations / (first.iterations + parameters.iterations), "inversion")
    chi, second = _least_variation(first, given, grid, parameters, progress)
    chi[~given.inside] = 0
    numbers = {
        "inversion_first_iterations": float(first.iterations),
        **second,
        **fit_numbers(chi, given.field, given.trust**2, given.kernel),
    }
    return given.window.paste(chi), numbers


def _least_variation(
    first: Solution,
    given: Padded,
    grid: Grid,
    parameters: Parameters,
    progress: ProgressCallback | None,
) -> tuple[Float, dict[str, float]]:
    """The map whose well-conditioned frequencies are the first step's, and whose gradients are sparse."""
    shape = given.window.shape
    variation = Variation(np.ones(shape, np.float32), grid.voxel_mm, parameters.rho)
    squared = variation.differences.squared()
    fidelity = np.where(np.abs(given.kernel) > parameters.delta, np.float32(parameters.mu), np.float32(0))
    fixed = rfftn(first.values) * fidelity
    # split and multiplier start at 0, and the gap has to close too: else a first map that hardly differs from
    # the first step's would end the iteration at once
    chi, before = np.zeros(shape, np.float32), np.inf
    for iteration in range(1, parameters.iterations + 1):
        inverse = fidelity + np.float32(variation.penalty) * squared
        inverse[0, 0, 0] = np.inf  # no field tells the constant
        spectrum = rfftn(variation.pull())
        spectrum *= np.float32(variation.penalty)
        spectrum += fixed
        spectrum /= inverse
        new = irfftn(spectrum, shape)
        changed = relative_change(new, chi, given.inside)
        chi = new
        gap = variation.update(chi)
        if progress is not None:
            done = first.iterations + iteration
            progress(done / (first.iterations + parameters.iterations), "inversion")
        if max(changed, gap) < parameters.tolerance:
            break
        if gap > SLOW * before and variation.penalty < parameters.rho_most:
            variation.stiffen(min(parameters.rho_growth, parameters.rho_most / variation.penalty))
        before = gap
    return chi, {
        "inversion_iterations": float(first.iterations + iteration),
        "inversion_change": changed,
        "inversion_gap": gap,
    }
