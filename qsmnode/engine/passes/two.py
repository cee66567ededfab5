"""Two passes: reliable voxels first, so that strong sources cannot streak into their surroundings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qsmnode.engine.mask.morphology import dilated_mm
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask

# local field, mask, weight -> susceptibility and numbers
Inversion = Callable[[Float, Mask, Float], tuple[Float, dict[str, float]]]


@dataclass(frozen=True)
class Parameters:
    """Which voxels the first pass leaves out."""

    reliable: float = parameter(
        0.4, "weight, as part of its median, below which a voxel waits", unit="1", low=0.0, high=1.0
    )
    margin_mm: float = parameter(
        1.0, "surroundings of such voxels that wait with them", unit="mm", low=0.0, high=10.0
    )


@method("passes", "two", doi="10.1002/mrm.29048", parameters=Parameters)
def two(
    local_field_ppm: Float, mask: Mask, grid: Grid, weight: Float, parameters: Parameters, invert: Inversion
) -> tuple[Float, dict[str, float]]:
    """Invert with the reliable voxels alone, then with all; the first wins wherever it looked.

    Strong sources (calcification, haemorrhage, large veins) have unreliable phase in and around them. Left
    out of the first map they cannot throw streaks into it; the second map fills the holes.

    Args:
        local_field_ppm: (X, Y, Z), ppm.
        mask: (X, Y, Z), where it is known.
        grid: voxel sizes.
        weight: (X, Y, Z), 0..1.
        parameters: what counts as reliable.
        invert: the recipe's inversion.

    Returns:
        Susceptibility in ppm (X, Y, Z); numbers of the second inversion and ``passes_reliable_fraction``.
    """
    known = weight[mask & (weight > 0)]
    limit = parameters.reliable * float(np.median(known)) if known.size else 0.0
    reliable = mask & ~dilated_mm(mask & (weight < limit), parameters.margin_mm, grid.voxel_mm)
    whole, numbers = invert(local_field_ppm, mask, weight)
    share = int(np.count_nonzero(reliable)) / max(1, int(np.count_nonzero(mask)))
    numbers = {**numbers, "passes_reliable_fraction": share}
    if share in (0.0, 1.0):
        return whole, numbers
    first, _ = invert(np.where(reliable, local_field_ppm, np.float32(0)), reliable, weight * reliable)
    # neither map knows its own constant: they are made to agree where both looked
    level = np.float32(np.mean((whole - first)[reliable], dtype=np.float64))
    return np.where(reliable, first + level, whole).astype(np.float32), numbers
