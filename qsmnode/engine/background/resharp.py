"""RESHARP: one radius of spherical means, deconvolved with Tikhonov's regularisation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmnode.engine.background.conjugate import solved
from qsmnode.engine.background.sphere import fitting, sphere_spectrum
from qsmnode.engine.fourier import irfftn, rfftn
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.window import Window


@dataclass(frozen=True)
class Parameters:
    """Parameters of RESHARP."""

    radius_mm: float = parameter(
        5.0, "radius of the sphere: what is lost at the rim", unit="mm", low=1.0, high=20.0
    )
    strength: float = parameter(
        1e-4, "weight of the local field's own square (lambda)", unit="1", low=1e-7, high=1.0
    )
    iterations: int = parameter(100, "most iterations", unit="1", low=1, high=2000)
    tolerance: float = parameter(1e-3, "relative gradient that ends it", unit="1", low=1e-6, high=0.5)


@method("background", "resharp", doi="10.1002/mrm.24765", parameters=Parameters)
def resharp(
    field: Float, mask: Mask, grid: Grid, weight: Float | None, parameters: Parameters
) -> tuple[Float, Mask, dict[str, float]]:
    """Regularisation-enabled sophisticated harmonic artefact reduction (RESHARP).

    A harmonic background equals its own mean S over any sphere that lies in the mask. With C = 1 - S and M
    the mask in which the sphere fits, the local field x minimises |M C (f - x)|^2 + lambda |x|^2, by
    conjugate gradients on the normal equations.

    Args:
        field: (X, Y, Z), any unit.
        mask: (X, Y, Z), where ``field`` is known.
        grid: geometry.
        weight: not used: a mean over a sphere has no weights.
        parameters: radius (never below the longest voxel edge), lambda, and when to stop.

    Returns:
        Local field in the unit of ``field``, 0 outside, the mask in which the sphere fits, and numbers of
        quality.

    Source: 10.1002/mrm.24765.
    """
    radius = max(parameters.radius_mm, *grid.voxel_mm)
    window = Window.around(mask, grid.voxel_mm, radius)
    inside = window.cut(mask)
    fits = fitting(inside, grid.voxel_mm, radius)
    high_pass = 1.0 - sphere_spectrum(window.shape, grid.voxel_mm, radius)
    strength = np.float32(parameters.strength)

    def filtered(values: Float) -> Float:
        spectrum = rfftn(values)
        spectrum *= high_pass
        return irfftn(spectrum, window.shape)

    def normal(values: Float) -> Float:
        made = filtered(filtered(values) * fits)
        made += strength * values
        return made

    known = window.cut(np.where(mask, field, np.float32(0)).astype(np.float32))
    right = filtered(filtered(known) * fits)
    found = solved(normal, right, parameters.iterations, parameters.tolerance)
    local = np.where(fits, found.values, np.float32(0))
    numbers = {"background_iterations": float(found.iterations), "background_residual": found.residual}
    return window.paste(local), window.paste(fits), numbers
