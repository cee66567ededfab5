"""What a region of a susceptibility map amounts to, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmnode.engine.types import Float, Maps, Mask
from qsmnode.errors import EngineInputError

WHOLE_BRAIN = "whole brain"
_DECIMALS = 3  # a decimal string of DICOM holds them exactly


@dataclass(frozen=True)
class Measurement:
    """One region. Susceptibilities in ppb, relative to what the map's reference says.

    Attributes:
        name: of the region.
        voxels: how many finite voxels were measured.
        volume_ml: their volume.
        mean_ppb, sd_ppb, median_ppb, p5_ppb, p95_ppb: of their susceptibility; the standard deviation is that
            of the voxels themselves (divisor n), percentiles are interpolated linearly.
        excluded_voxels: voxels of the region without a finite value; they count nowhere else.
    """

    name: str
    voxels: int
    volume_ml: float
    mean_ppb: float
    sd_ppb: float
    median_ppb: float
    p5_ppb: float
    p95_ppb: float
    excluded_voxels: int = 0


def measure(
    name: str, susceptibility_ppm: Float, region: Mask, voxel_volume_mm3: float
) -> Measurement | None:
    """Measure one region.

    Args:
        name: of the region.
        susceptibility_ppm: (X, Y, Z), ppm; NaN and infinities are left out and counted.
        region: (X, Y, Z) bool.
        voxel_volume_mm3: volume of a voxel, > 0.

    Returns:
        The measurement; None where the region holds no finite voxel: absent, not zero.

    Raises:
        EngineInputError: the region is no mask of the map's shape, or the voxel volume is not positive.
    """
    if region.shape != susceptibility_ppm.shape or region.dtype != np.bool_:
        raise EngineInputError(
            f"region {name!r}: expected a boolean mask of shape {susceptibility_ppm.shape}, "
            f"got {region.dtype} of shape {region.shape}"
        )
    if not (np.isfinite(voxel_volume_mm3) and voxel_volume_mm3 > 0):
        raise EngineInputError(f"voxel_volume_mm3: expected a volume above 0, got {voxel_volume_mm3}")
    inside = susceptibility_ppm[region].astype(np.float64)
    values = inside[np.isfinite(inside)] * 1000.0
    if values.size == 0:
        return None
    p5, median, p95 = np.percentile(values, [5, 50, 95])
    return Measurement(
        name=name,
        voxels=int(values.size),
        volume_ml=float(values.size * voxel_volume_mm3 / 1000.0),
        mean_ppb=float(values.mean()),
        sd_ppb=float(values.std()),
        median_ppb=float(median),
        p5_ppb=float(p5),
        p95_ppb=float(p95),
        excluded_voxels=int(inside.size - values.size),
    )


def stated(value: float) -> float:
    """A number as every document states it, so that all say the same; -0.0 would read as a sign."""
    return round(value, _DECIMALS) + 0.0


def whole_brain(maps: Maps) -> Measurement | None:
    """The whole mask of a map; None where the mask is empty."""
    return measure(WHOLE_BRAIN, maps.susceptibility, maps.mask, maps.grid.voxel_volume_mm3)


def reference_statement(maps: Maps) -> str:
    """What zero means in this map, as one sentence for reports."""
    if not maps.reference:
        return "The zero of the susceptibility scale was not stated; values are relative."
    return f"Zero of the susceptibility scale: {maps.reference}."
