"""Where the map's zero lies by the references that were not chosen, so that maps can be compared."""

from __future__ import annotations

from qsmnode.engine.measured import Measured
from qsmnode.engine.r2star.decay import is_equidistant
from qsmnode.engine.reference.csf import fluid
from qsmnode.engine.reference.region import region_mean
from qsmnode.engine.reference.ventricles import Parameters
from qsmnode.engine.types import Float, Grid, Mask


def other_offsets(chosen: str, chi: Float, mask: Mask, grid: Grid, measured: Measured) -> dict[str, float]:
    """What would have to be subtracted from the map to change its reference.

    Args:
        chosen: name of the reference that the map has; its own offset is left out.
        chi: (X, Y, Z), ppm, referenced.
        mask: (X, Y, Z), where ``chi`` is meant; not empty.
        grid: voxel sizes.
        measured: magnitude and echo times.

    Returns:
        ``reference_whole_brain_offset_ppm``, and ``reference_csf_offset_ppm`` where the ventricles are found
        and the echoes are three or more and equally far apart, so that looking for them costs little.
    """
    offsets: dict[str, float] = {}
    if chosen != "whole_brain":
        offsets["reference_whole_brain_offset_ppm"] = region_mean(chi, mask)
    if chosen != "csf" and measured.magnitude is not None and is_equidistant(measured.echo_times_s):
        region = fluid(mask, grid, Parameters(), measured.magnitude, measured.echo_times_s)
        if region.any():
            offsets["reference_csf_offset_ppm"] = region_mean(chi, region)
    return offsets
