"""Zero is the mean of the brain."""

from __future__ import annotations

import numpy as np

from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.reference.region import region_mean
from qsmnode.engine.registry import NoParameters, method
from qsmnode.engine.types import Float, Grid, Mask


@method("reference", "whole_brain", doi="10.1002/mrm.30006")
def whole_brain(
    chi: Float,
    mask: Mask,
    grid: Grid,
    parameters: NoParameters,
    *,
    reference_mask: Mask | None = None,
    measured: Measured = NOTHING,
) -> tuple[float, Mask, str]:
    """Reference to the mean over the whole mask, or over the part of it that is given.

    Args:
        chi: (X, Y, Z), ppm.
        mask: (X, Y, Z), where ``chi`` is meant.
        grid: not used.
        parameters: none.
        reference_mask: (X, Y, Z), a region to use in place of the whole mask.
        measured: not looked at.

    Returns:
        The offset in ppm that has to be subtracted, the region it was taken over, and what zero then means.
    """
    region = mask if reference_mask is None else mask & reference_mask
    words = "mean of the whole brain mask" if reference_mask is None else "mean of the given region"
    return region_mean(chi, region), np.asarray(region, dtype=np.bool_), words
