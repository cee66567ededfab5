"""Thresholded k-space division: two transforms, for previews and as a comparison."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmnode.engine.dipole import dipole_kernel
from qsmnode.engine.fourier import irfftn, rfftn
from qsmnode.engine.inversion.fit import fit_numbers
from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.progress import ProgressCallback
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.window import Window

PADDING_MM = 20.0


@dataclass(frozen=True)
class Parameters:
    """Parameters of TKD."""

    threshold: float = parameter(0.15, "|D| below which D is replaced by it", unit="1", low=0.01, high=0.33)


@method("inversion", "tkd", doi="10.1002/mrm.22135", parameters=Parameters)
def tkd(
    local_field_ppm: Float,
    mask: Mask,
    grid: Grid,
    weight: Float | None,
    parameters: Parameters,
    *,
    measured: Measured = NOTHING,
    progress: ProgressCallback | None = None,
) -> tuple[Float, dict[str, float]]:
    """Thresholded k-space division (TKD), corrected for its point response.

    The field's spectrum is divided by D where |D| is above the threshold and by the threshold, with D's sign,
    elsewhere. What a point then loses is the mean of D x that inverse, and the map is divided by it.

    Args:
        local_field_ppm: (X, Y, Z), ppm.
        mask: (X, Y, Z), where it is known.
        grid: geometry, with the direction of B0.
        weight: not used.
        parameters: the threshold.
        measured: not used.
        progress: called with the finished fraction.

    Returns:
        Susceptibility in ppm (X, Y, Z), 0 outside the mask, and numbers of quality.

    Source: 10.1002/mrm.22135; point response: 10.1002/mrm.24135.
    """
    window = Window.around(mask, grid.voxel_mm, PADDING_MM)
    field = window.cut(np.where(mask, local_field_ppm, np.float32(0)))
    inside = window.cut(mask)
    kernel = dipole_kernel(window.shape, grid.voxel_mm, grid.b0_direction)
    limit = np.float32(parameters.threshold)
    inverse = np.where(np.abs(kernel) > limit, kernel, np.where(kernel < 0, -limit, limit))
    np.reciprocal(inverse, out=inverse)
    response = _mean_over_spectrum(kernel * inverse, window.shape[2])
    chi = irfftn(rfftn(field) * inverse, window.shape) / np.float32(response)
    chi[~inside] = 0
    numbers = fit_numbers(chi, field, inside.astype(np.float32), kernel)
    if progress is not None:
        progress(1.0, "inversion")
    return window.paste(chi), {"inversion_iterations": 1.0, **numbers}


def _mean_over_spectrum(half: Float, length: int) -> float:
    """Mean over the whole spectrum of an even function given on the half-space."""
    twice = np.full(half.shape[2], 2.0)
    twice[0] = 1.0
    if length % 2 == 0:
        twice[-1] = 1.0
    planes = half.mean(axis=(0, 1), dtype=np.float64)
    return float(np.sum(planes * twice) / length)
