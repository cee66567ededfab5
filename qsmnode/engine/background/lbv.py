"""Laplacian boundary value: the background is the harmonic function that equals the field on the rim."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmnode.engine.background.laplace import harmonic, rim_of
from qsmnode.engine.box import Box
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask


@dataclass(frozen=True)
class Parameters:
    """Parameters of LBV."""

    tolerance: float = parameter(1e-5, "relative residual that ends it", unit="1", low=1e-8, high=1e-2)
    sweeps: int = parameter(500, "most sweeps", unit="1", low=10, high=10000)


@method("background", "lbv", doi="10.1002/nbm.3064", parameters=Parameters)
def lbv(
    field: Float, mask: Mask, grid: Grid, weight: Float | None, parameters: Parameters
) -> tuple[Float, Mask, dict[str, float]]:
    """Laplacian boundary value (LBV).

    On the rim of the mask the local field is taken for nothing next to the background; the harmonic function
    with the rim's values is subtracted, and the rim is given up.

    Args:
        field: (X, Y, Z), any unit.
        mask: (X, Y, Z), where ``field`` is known.
        grid: geometry.
        weight: not used: only the rim's values count, so leave voxels of poor phase there out of the mask.
        parameters: when to stop.

    Returns:
        Local field in the unit of ``field``, 0 outside, the mask without its rim, and numbers of quality.

    Source: 10.1002/nbm.3064.
    """
    box = Box.around(mask, grid.voxel_mm[0], grid.voxel_mm)
    inside = box.crop(mask)
    values = box.crop(np.where(mask, field, np.float32(0)).astype(np.float32))
    rim = rim_of(inside)
    background, reached = harmonic(
        values, inside, rim, grid.voxel_mm, parameters.tolerance, parameters.sweeps
    )
    inner = inside & ~rim
    local = np.where(inner, values - background, np.float32(0))
    return box.paste(local), box.paste(inner), {"background_residual": reached}
