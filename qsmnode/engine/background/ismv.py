"""iSMV: the background is what spherical means, taken again and again, no longer change."""

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
    """Parameters of iSMV."""

    radius_mm: float = parameter(
        5.0, "radius of the sphere: what is lost at the rim", unit="mm", low=1.0, high=20.0
    )
    iterations: int = parameter(200, "most iterations", unit="1", low=1, high=5000)
    tolerance: float = parameter(
        1e-3, "relative change under another mean that ends it", unit="1", low=1e-6, high=0.5
    )


@method("background", "ismv", doi="10.1002/mrm.24998", parameters=Parameters)
def ismv(
    field: Float, mask: Mask, grid: Grid, weight: Float | None, parameters: Parameters
) -> tuple[Float, Mask, dict[str, float]]:
    """Iterated spherical mean value method (iSMV).

    Where the sphere fits into the mask the field is replaced by its mean over the sphere, again and again,
    while the rim keeps its values. What no mean changes any more is the background. That fixed point solves
    (1 - M S M) b = M S (rim), with S the mean and M the mask in which the sphere fits: symmetric and
    positive, so conjugate gradients reach it in tens of means instead of hundreds.

    Args:
        field: (X, Y, Z), any unit.
        mask: (X, Y, Z), where ``field`` is known.
        grid: geometry.
        weight: not used: a mean over a sphere has no weights.
        parameters: radius (never below the longest voxel edge), and when to stop.

    Returns:
        Local field in the unit of ``field``, 0 outside, the mask in which the sphere fits, and numbers of
        quality.

    Source: 10.1002/mrm.24998.
    """
    radius = max(parameters.radius_mm, *grid.voxel_mm)
    window = Window.around(mask, grid.voxel_mm, radius)
    inside = window.cut(mask)
    fits = fitting(inside, grid.voxel_mm, radius)
    sphere = sphere_spectrum(window.shape, grid.voxel_mm, radius)

    def mean(values: Float) -> Float:
        spectrum = rfftn(values)
        spectrum *= sphere
        averaged = irfftn(spectrum, window.shape)
        averaged *= fits
        return averaged

    known = window.cut(np.where(mask, field, np.float32(0)).astype(np.float32))
    # from the field itself: what one mean takes away is the right side, and the solution is the local field
    right = known * fits - mean(known)
    found = solved(lambda values: values - mean(values), right, parameters.iterations, parameters.tolerance)
    local = np.where(fits, found.values, np.float32(0))
    numbers = {"background_iterations": float(found.iterations), "background_residual": found.residual}
    return window.paste(local), window.paste(fits), numbers
