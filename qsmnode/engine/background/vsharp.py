"""V-SHARP: spherical means of many radii take the background out, one deconvolution restores the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from qsmnode.engine.background.sphere import sphere_spectrum
from qsmnode.engine.fourier import irfftn, rfftn
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.window import Window


@dataclass(frozen=True)
class Parameters:
    """Parameters of V-SHARP."""

    largest_mm: float = parameter(12.0, "largest radius", unit="mm", low=2.0, high=40.0)
    smallest_mm: float = parameter(
        1.0, "smallest radius: what is lost at the rim", unit="mm", low=0.3, high=10.0
    )
    step_mm: float = parameter(1.0, "step between radii", unit="mm", low=0.25, high=10.0)
    threshold: float = parameter(
        0.05, "|1 - S| below which nothing is restored", unit="1", low=1e-4, high=0.5
    )


@method("background", "vsharp", doi="10.1002/mrm.23000", parameters=Parameters)
def vsharp(
    field: Float, mask: Mask, grid: Grid, weight: Float | None, parameters: Parameters
) -> tuple[Float, Mask, dict[str, float]]:
    """Variable-radius sophisticated harmonic artefact reduction (V-SHARP).

    A harmonic background equals its own mean over any sphere that lies in the mask. Each voxel takes the
    largest of the radii whose sphere fits; the field minus its mean is deconvolved with the largest kernel.

    Args:
        field: (X, Y, Z), any unit.
        mask: (X, Y, Z), where ``field`` is known.
        grid: geometry.
        weight: not used: a mean over a sphere has no weights.
        parameters: radii and threshold.

    Returns:
        Local field in the unit of ``field``, 0 outside, the mask without the rim in which not even the
        smallest sphere fits, and numbers of quality (none).

    Source: 10.1016/j.neuroimage.2010.10.070 (SHARP), 10.1002/mrm.23000 (V-SHARP).
    """
    radii = _radii(parameters, grid)
    window = Window.around(mask, grid.voxel_mm, radii[0])
    inside = window.cut(mask)
    # the window's own border counts as outside: it is padded by more than a voxel
    depth = ndimage.distance_transform_edt(inside, sampling=grid.voxel_mm)
    spectrum = rfftn(window.cut(np.where(mask, field, np.float32(0))))
    difference = np.zeros(window.shape, dtype=np.float32)
    taken = np.zeros(window.shape, dtype=np.bool_)
    for radius in radii:
        fits = (depth > radius) & ~taken
        if not fits.any():
            continue
        high_pass = 1.0 - sphere_spectrum(window.shape, grid.voxel_mm, radius)
        np.copyto(difference, irfftn(spectrum * high_pass, window.shape), where=fits)
        taken |= fits
    restored = _deconvolved(difference, grid, radii[0], parameters.threshold)
    restored[~taken] = 0
    return window.paste(restored), window.paste(taken), {}


def _radii(parameters: Parameters, grid: Grid) -> list[float]:
    """Radii from the largest down; none below the longest voxel edge, whose sphere would be flat."""
    smallest = max(parameters.smallest_mm, *grid.voxel_mm)
    largest = max(parameters.largest_mm, smallest)
    count = int((largest - smallest) / parameters.step_mm + 1e-6)
    return [largest - n * parameters.step_mm for n in range(count)] + [smallest]


def _deconvolved(difference: Float, grid: Grid, radius: float, threshold: float) -> Float:
    shape = (difference.shape[0], difference.shape[1], difference.shape[2])
    high_pass = 1.0 - sphere_spectrum(shape, grid.voxel_mm, radius)
    kept = np.abs(high_pass) > threshold
    inverse = np.where(kept, 1.0 / np.where(kept, high_pass, 1.0), 0.0).astype(np.float32)
    return irfftn(rfftn(difference) * inverse, shape)
