"""Further images of the same measurement, where a recipe asks for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType

from qsmnode.engine.measured import Measured
from qsmnode.engine.r2star.noise import magnitude_noise
from qsmnode.engine.recipe import Recipe
from qsmnode.engine.types import Float, Grid, Mask

# of protons
MHZ_PER_TESLA = 42.577478

# of every image that a recipe can ask for
UNITS = MappingProxyType(
    {
        "r2star": "1/s",
        "swi": "arbitrary, as the magnitude",
        "swi_mip": "arbitrary, as the magnitude",
        "chi_positive": "ppm",
        "chi_negative": "ppm",
    }
)


@dataclass(frozen=True)
class Contrasts:
    """Images by name, with numbers of quality."""

    images: dict[str, Float] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)


def contrasts(
    recipe: Recipe, chi: Float, mask: Mask, tissue: Mask, grid: Grid, measured: Measured, noise: float
) -> Contrasts:
    """Make the images of the recipe's optional steps.

    Args:
        recipe: its steps ``r2star``, ``swi`` and ``separation``, as far as it has them.
        chi: (X, Y, Z), ppm, referenced.
        mask: (X, Y, Z), where ``chi`` is meant.
        tissue: (X, Y, Z), the mask before background removal.
        grid: voxel sizes.
        measured: magnitude, phase and echo times.
        noise: standard deviation of the signal's real and imaginary parts, in the magnitude's unit.
    """
    made = Contrasts()
    r2star = None
    if "r2star" in recipe.steps:
        step = recipe.steps["r2star"]
        r2star, found = step.method.function(
            measured.magnitude,
            measured.echo_times_s,
            tissue,
            _noise(measured, tissue, noise),
            step.parameters,
        )
        made.images["r2star"] = r2star
        made.numbers.update(found)
    if "swi" in recipe.steps:
        step = recipe.steps["swi"]
        made.images["swi"], made.images["swi_mip"], found = step.method.function(
            measured.magnitude, measured.phase, measured.echo_times_s, grid, tissue, step.parameters
        )
        made.numbers.update(found)
    if "separation" in recipe.steps:
        step = recipe.steps["separation"]
        field_t = (measured.imaging_frequency_mhz or 0.0) / MHZ_PER_TESLA
        made.images["chi_positive"], made.images["chi_negative"], found = step.method.function(
            chi, r2star, mask, field_t, step.parameters
        )
        made.numbers.update(found)
    return made


def _noise(measured: Measured, tissue: Mask, of_phase: float) -> float:
    """The lesser of what phase and magnitude tell: an offset left in the phase looks like noise in it."""
    if measured.magnitude is None:
        return of_phase
    of_magnitude = magnitude_noise(measured.magnitude, measured.echo_times_s, tissue)
    return of_phase if of_magnitude is None else min(of_phase, of_magnitude)
