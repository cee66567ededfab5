"""Everything that gives a usable signal: phantoms, tubes, any object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmnode.engine.mask.intensity import combined, otsu
from qsmnode.engine.mask.morphology import filled, without_specks
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask


@dataclass(frozen=True)
class Parameters:
    """What counts as signal, and what as too small."""

    share: float = parameter(0.5, "part of the best magnitude threshold that suffices", low=0.05, high=2)
    smallest_ml: float = parameter(0.2, "parts smaller than this are dropped", unit="ml", low=0, high=1000)
    use_quality: bool = parameter(True, "also ask for smooth phase")


@method("mask", "signal", doi="", parameters=Parameters)
def signal(magnitude: Float, voxel_quality: Float, grid: Grid, parameters: Parameters) -> Mask:
    """Bright voxels with smooth phase, whatever their shape; for phantoms.

    Args:
        magnitude: (E, X, Y, Z).
        voxel_quality: (X, Y, Z), 0..1.
        grid: voxel sizes.
        parameters: thresholds.

    Returns:
        (X, Y, Z), holes filled; empty where there is no signal.
    """
    image = combined(magnitude)
    bright = image > parameters.share * otsu(image[image > 0])
    if parameters.use_quality and bright.any():
        # a second class of poor phase exists only where the qualities really differ
        limit = min(otsu(voxel_quality[image > 0]), 0.8 * float(np.median(voxel_quality[bright])))
        bright &= voxel_quality > limit
    smallest = max(1, round(1000 * parameters.smallest_ml / grid.voxel_volume_mm3))
    return filled(without_specks(bright, smallest))
