"""Zero is the fluid in the ventricles."""

from __future__ import annotations

import numpy as np

from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.r2star.best import best
from qsmnode.engine.reference.region import region_mean
from qsmnode.engine.reference.ventricles import Parameters, central_part, csf_mask
from qsmnode.engine.registry import method
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.errors import EngineInputError

# of the median: darker voxels are calcified, or flow made them so, and their decay cannot be told from noise
DARKEST = 0.3
MEANING = "mean of the cerebrospinal fluid in the ventricles"
# beyond the radius, so that smoothing and erosion see the surroundings
MARGIN_MM = 20.0


@method("reference", "csf", doi="10.1002/mrm.26946", parameters=Parameters)
def csf(
    chi: Float,
    mask: Mask,
    grid: Grid,
    parameters: Parameters,
    *,
    reference_mask: Mask | None = None,
    measured: Measured = NOTHING,
) -> tuple[float, Mask, str]:
    """Reference to the mean of the ventricles' fluid, found by its slow decay, or of a given region.

    Args:
        chi: (X, Y, Z), ppm.
        mask: (X, Y, Z), where ``chi`` is meant.
        grid: voxel sizes.
        parameters: what counts as fluid.
        reference_mask: (X, Y, Z), a region to use in its place.
        measured: magnitude and echo times of two echoes or more.

    Returns:
        The offset in ppm that has to be subtracted, the region it was taken over, and what zero then means.

    Raises:
        EngineInputError: R2* cannot be known (one echo, no magnitude), or no plausible region is found.
    """
    if reference_mask is not None:
        region = np.asarray(mask & reference_mask, dtype=np.bool_)
        return region_mean(chi, region), region, "mean of the given region"
    if measured.magnitude is None or len(measured.echo_times_s) < 2:
        count = 0 if measured.magnitude is None else len(measured.echo_times_s)
        raise EngineInputError(
            f"reference: csf needs the magnitude of at least 2 echoes to find the ventricles, got {count}"
        )
    region = fluid(mask, grid, parameters, measured.magnitude, measured.echo_times_s)
    if not region.any():
        raise EngineInputError(
            f"reference: csf found no fluid (R2* below {parameters.r2star_limit:g} 1/s) of "
            f"{parameters.smallest_ml:g} to {parameters.largest_ml:g} ml in the middle of the mask"
        )
    return region_mean(chi, region), region, MEANING


def fluid(
    mask: Mask, grid: Grid, parameters: Parameters, magnitude: Float, echo_times_s: tuple[float, ...]
) -> Mask:
    """The ventricles in ``mask`` (X, Y, Z), from the magnitude (E, X, Y, Z); empty where not found."""
    if not mask.any():
        return mask.copy()
    first = magnitude[0]
    bright = mask & (first > DARKEST * np.median(first[mask]))
    near = central_part(bright, grid, parameters.radius_mm + MARGIN_MM)
    return csf_mask(best(magnitude, echo_times_s, near), bright, grid, parameters)
