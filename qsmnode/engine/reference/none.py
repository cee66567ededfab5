"""No reference: the values as the inversion leaves them."""

from __future__ import annotations

from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.reference.region import region_mean
from qsmnode.engine.registry import NoParameters, method
from qsmnode.engine.types import Float, Grid, Mask


@method("reference", "none", doi="10.1002/mrm.30006")
def none(
    chi: Float,
    mask: Mask,
    grid: Grid,
    parameters: NoParameters,
    *,
    reference_mask: Mask | None = None,
    measured: Measured = NOTHING,
) -> tuple[float, Mask, str]:
    """Leave the values as the inversion gives them, unless a region is given.

    Args:
        chi: (X, Y, Z), ppm.
        mask: (X, Y, Z), where ``chi`` is meant.
        grid: not used.
        parameters: none.
        reference_mask: (X, Y, Z), a region whose mean becomes zero all the same.
        measured: not looked at.

    Returns:
        The offset in ppm (0 without a region), the region, and what zero means.
    """
    if reference_mask is None:
        return 0.0, mask, "none: zero has no anatomical meaning"
    region = mask & reference_mask
    return region_mean(chi, region), region, "mean of the given region"
