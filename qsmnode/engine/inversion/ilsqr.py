"""Least squares, then the streaks that it left: whatever next to D = 0 makes flat tissue uneven."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmnode.engine.background.sphere import sphere_spectrum
from qsmnode.engine.fourier import Shape
from qsmnode.engine.inversion.fit import fit_numbers
from qsmnode.engine.inversion.krylov import Solution, lsqr, norm
from qsmnode.engine.inversion.padded import Padded
from qsmnode.engine.inversion.sources import filtered, sources_of
from qsmnode.engine.inversion.variation import Differences
from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.progress import ProgressCallback
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask

# of the fast estimate: power of |D|, percentiles of it between which the smooth one takes over, sphere in mm
POWER, LOWEST, HIGHEST, SPHERE_MM = 0.001, 1.0, 30.0, 3.0
_TINY = 1e-12


@dataclass(frozen=True)
class Parameters:
    """Parameters of iLSQR."""

    cone: float = parameter(0.1, "|D| below which streaks are looked for", unit="1", low=0.01, high=0.33)
    flat: float = parameter(
        50.0,
        "percentile of the boundaries' gradient up to which tissue is flat",
        unit="%",
        low=0.0,
        high=100.0,
    )
    boundary: float = parameter(
        70.0, "percentile of that gradient from which tissue may be uneven", unit="%", low=0.0, high=100.0
    )
    outside: float = parameter(
        0.3,
        "how readily sources outside the mask are taken, relative to inside",
        unit="1",
        low=0.0,
        high=10.0,
    )
    flat_outside: float = parameter(
        0.2, "flatness that is demanded outside the mask, relative", unit="1", low=0.0, high=1.0
    )
    first_tolerance: float = parameter(
        0.01, "gradient, relative to its first value, that ends the map's fit", unit="1", low=1e-6, high=0.5
    )
    first_iterations: int = parameter(40, "most iterations of the map's fit", unit="1", low=1, high=1000)
    tolerance: float = parameter(
        0.01,
        "gradient, relative to its first value, that ends the streaks' fit",
        unit="1",
        low=1e-6,
        high=0.5,
    )
    iterations: int = parameter(50, "most iterations of the streaks' fit", unit="1", low=1, high=1000)
    padding_mm: float = parameter(20.0, "space around the mask", unit="mm", low=5.0, high=60.0)


@method("inversion", "ilsqr", doi="10.1016/j.neuroimage.2014.12.043", parameters=Parameters)
def ilsqr(
    local_field_ppm: Float,
    mask: Mask,
    grid: Grid,
    weight: Float | None,
    parameters: Parameters,
    *,
    measured: Measured = NOTHING,
    progress: ProgressCallback | None = None,
) -> tuple[Float, dict[str, float]]:
    """Least squares (LSQR) on |W (D chi - f)|, less the streaks of frequencies next to D = 0 (iLSQR).

    A fast estimate, the field's spectrum times the sign of D, shows where tissues border on each other. The
    streaks are the part of the map at |D| < cone that best explains its gradients everywhere else: there the
    map should be flat; outside the mask, where there is nothing but background that was left, nearly so.

    Args:
        local_field_ppm: (X, Y, Z), ppm.
        mask: (X, Y, Z), where it is known.
        grid: geometry, with the direction of B0.
        weight: (X, Y, Z), 0..1, W; 1 everywhere if None.
        parameters: where streaks are, what is flat, and when to stop.
        measured: its noise ends the first map's fit before noise is fitted.
        progress: called with the finished fraction.

    Returns:
        Susceptibility in ppm (X, Y, Z), 0 outside the mask, and numbers of quality: ``inversion_change`` is
        the gradient that the streaks' fit ended with, ``inversion_streak_removed`` the norm of the streaks
        inside the mask relative to that of the first map.

    Source: 10.1016/j.neuroimage.2014.12.043; first map: 10.1016/j.neuroimage.2010.11.088. W is the noise's
    instead of one from the field's Laplacian.
    """
    given = Padded.of(local_field_ppm, mask, grid, weight, parameters.padding_mm)
    first = sources_of(given, parameters, measured.noise_ppm)
    if progress is not None:
        progress(0.7, "inversion")
    inside, kernel = given.inside, given.kernel
    # where the field is not to be trusted, the first map's takes its place
    likely = np.where(given.trust > 0, given.field, inside * filtered(first.values, kernel))
    flatness = _flatness(_fast_estimate(likely, inside, kernel, grid), inside, grid, parameters)
    found, streaks = _streaks(first.values, flatness, kernel, grid, parameters)
    streaks[~inside] = 0
    chi = np.where(inside, first.values - streaks, np.float32(0))
    if progress is not None:
        progress(1.0, "inversion")
    size = norm(inside * first.values)
    numbers = {
        "inversion_iterations": float(first.iterations + found.iterations),
        "inversion_first_iterations": float(first.iterations),
        "inversion_change": found.gradient,
        "inversion_streak_removed": norm(streaks) / size if size > 0 else 0.0,
        **fit_numbers(chi, given.field, given.trust**2, kernel),
    }
    return given.window.paste(chi), numbers


def _fast_estimate(field: Float, inside: Mask, kernel: Float, grid: Grid) -> Float:
    """A map of wrong scale whose boundaries are right: sign of D, smooth next to D = 0."""
    power = np.abs(kernel) ** np.float32(POWER)
    low, high = np.percentile(power, [LOWEST, HIGHEST])
    share = np.clip((power - low) / max(float(high - low), _TINY), 0, 1).astype(np.float32)
    shape: Shape = (field.shape[0], field.shape[1], field.shape[2])
    gain = share + (1 - share) * sphere_spectrum(shape, grid.voxel_mm, SPHERE_MM)
    rough = inside * filtered(field, gain * np.sign(kernel))
    return inside * filtered(rough, gain)


def _flatness(estimate: Float, inside: Mask, grid: Grid, parameters: Parameters) -> Float:
    """(3, X, Y, Z), 0..1: how sure it is that the map does not change to the next voxel along each axis."""
    slope = np.abs(
        Differences((inside.shape[0], inside.shape[1], inside.shape[2]), grid.voxel_mm).gradient(estimate)
    )
    next_inside = np.stack([np.roll(inside, -1, axis) for axis in range(3)])
    within = inside & next_inside
    if not within.any():
        return np.zeros_like(slope)
    limits = sorted((parameters.flat, parameters.boundary))
    low, high = (float(value) for value in np.percentile(slope[within], limits))
    flat = np.clip((high - slope) / max(high - low, _TINY), 0, 1)
    beyond = parameters.flat_outside * (~inside & ~next_inside)
    return np.where(within, flat, beyond).astype(np.float32)


def _streaks(
    chi: Float, flatness: Float, kernel: Float, grid: Grid, parameters: Parameters
) -> tuple[Solution, Float]:
    """The part of ``chi`` at |D| < cone that makes it uneven where it should be flat."""
    cone = (np.abs(kernel) < parameters.cone).astype(np.float32)
    cone[0, 0, 0] = 0
    differences = Differences((chi.shape[0], chi.shape[1], chi.shape[2]), grid.voxel_mm)
    found = lsqr(
        lambda streaks: flatness * differences.gradient(filtered(streaks, cone)),
        lambda slope: filtered(differences.adjoint(flatness * slope), cone),
        flatness * differences.gradient(chi),
        parameters.iterations,
        parameters.tolerance,
    )
    return found, filtered(found.values, cone)
