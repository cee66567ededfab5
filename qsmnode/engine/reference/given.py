"""Zero is the mean of a region that comes with the data."""

from __future__ import annotations

import numpy as np

from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.reference.region import region_mean
from qsmnode.engine.registry import NoParameters, method
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.errors import EngineInputError


@method("reference", "given", doi="10.1002/mrm.30006")
def given(
    chi: Float,
    mask: Mask,
    grid: Grid,
    parameters: NoParameters,
    *,
    reference_mask: Mask | None = None,
    measured: Measured = NOTHING,
) -> tuple[float, Mask, str]:
    """Reference to the mean of a region that has to be handed in.

    Args:
        chi: (X, Y, Z), ppm.
        mask: (X, Y, Z), where ``chi`` is meant.
        grid: not used.
        parameters: none.
        reference_mask: (X, Y, Z), the region.
        measured: not looked at.

    Returns:
        The offset in ppm that has to be subtracted, the region inside the mask, and what zero then means.

    Raises:
        EngineInputError: no region is given, or none of it is inside the mask.
    """
    if reference_mask is None:
        raise EngineInputError("reference_mask: the reference given needs a region, got none")
    region = np.asarray(mask & reference_mask, dtype=np.bool_)
    return region_mean(chi, region), region, "mean of the given region"
