"""The mean of a region, which becomes zero."""

from __future__ import annotations

import numpy as np

from qsmnode.engine.types import Float, Mask
from qsmnode.errors import EngineInputError


def region_mean(chi: Float, region: Mask) -> float:
    """Mean of ``chi`` (X, Y, Z) over ``region`` (X, Y, Z).

    Raises:
        EngineInputError: the region is empty: there is nothing to refer to.
    """
    if not region.any():
        raise EngineInputError("reference_mask: expected at least one voxel inside the mask, got none")
    return float(np.mean(chi[region], dtype=np.float64))
