"""Total susceptibility of a small source: what a microbleed holds, however large the echo time makes it look.

A source smaller than a few voxels is blurred by the voxels, by the dephasing around it and by the
reconstruction: its mean depends on all of these, its extent in a magnitude image on the echo time. What it
adds to the field far away does not: the sum of its susceptibility times volume. Source: Liu et al., Cerebral
microbleeds: burden assessment by using quantitative susceptibility mapping, Radiology 2012; 262: 269-278,
10.1148/radiol.11110251.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmnode.engine.types import Float, Mask
from qsmnode.errors import EngineInputError

Doubles = npt.NDArray[np.float64]

_HALF = 0.5
_EVERY_NEIGHBOUR = np.ones((3, 3, 3), dtype=bool)
_FEWEST_AROUND = 8  # voxels that the surroundings are the median of


@dataclass(frozen=True)
class Reach:
    """How far a source and its surroundings reach, in mm.

    Attributes:
        growth: how far beyond what was drawn its half-maximum region may grow.
        margin: beyond that region, what still belongs to the source: its blurred skirt.
        shell: beyond the margin, thickness of the surroundings.
    """

    growth: float = 4.0
    margin: float = 3.0
    shell: float = 3.0

    def __post_init__(self) -> None:
        if not (self.growth >= 0 and self.margin >= 0 and self.shell > 0):
            raise EngineInputError(f"reach: expected growth and margin >= 0 and a shell > 0, got {self}")


@dataclass(frozen=True)
class TotalSusceptibility:
    """Sum of susceptibility times volume of one source, relative to what surrounds it.

    Attributes:
        ppm_mm3: the sum, in ppm mm3 (1 ppm mm3 = 1 ppb ml); negative for a diamagnetic source.
        surrounding_ppb: median around it, in ppb of the map; the sum does not depend on the map's zero.
        peak_ppb: of the source, relative to the surroundings.
        half_maximum_mm3: volume of its half-maximum region.
        voxels: summed over.
        missing_voxels: of them without a value in the map; each adds nothing, so the sum is too small.
    """

    ppm_mm3: float
    surrounding_ppb: float
    peak_ppb: float
    half_maximum_mm3: float
    voxels: int
    missing_voxels: int


def total_susceptibility(
    susceptibility_ppm: Float,
    region: Mask,
    voxel_mm: Sequence[float],
    known: Mask,
    reach: Reach | None = None,
) -> TotalSusceptibility | None:
    """Measure one small source.

    From the voxel in ``region`` that differs most from its surroundings a region grows, as long as voxels
    touch and differ by half as much. That region and a margin around it are summed, less the surroundings:
    the median in a shell beyond the margin.

    Args:
        susceptibility_ppm: (X, Y, Z), ppm.
        region: (X, Y, Z) bool, where the source is: roughly drawn, or one voxel.
        voxel_mm: three voxel edges.
        known: (X, Y, Z) bool, where the map has values: its mask.
        reach: how far all this reaches; None: as usual.

    Returns:
        The measurement; None where the region holds no known voxel, or too few surround it.

    Raises:
        EngineInputError: arrays of different shapes, masks that are none, or edges that are not positive.
    """
    reach = reach or Reach()
    _check(susceptibility_ppm, region, voxel_mm, known)
    window = _window(region, voxel_mm, reach)
    if window is None:
        return None
    chi = susceptibility_ppm[window].astype(np.float64)
    usable = known[window] & np.isfinite(chi)
    chi = np.where(usable, chi, 0.0)
    drawn = region[window]
    if not (drawn & usable).any():
        return None
    first = _surroundings(chi, usable, _distance(drawn, voxel_mm), reach)
    if first is None:
        return None
    source = _half_maximum(chi - first, drawn & usable, usable & (_distance(drawn, voxel_mm) <= reach.growth))
    away = _distance(source, voxel_mm)
    level = _surroundings(chi, usable, away, reach)
    if level is None:
        return None
    summed = away <= reach.margin
    volume = float(np.prod(np.asarray(voxel_mm, dtype=np.float64)))
    apart = chi - level
    return TotalSusceptibility(
        ppm_mm3=float(apart[summed & usable].sum()) * volume,
        surrounding_ppb=1000.0 * level,
        peak_ppb=1000.0 * float(apart[source][np.argmax(np.abs(apart[source]))]),
        half_maximum_mm3=float(np.count_nonzero(source)) * volume,
        voxels=int(np.count_nonzero(summed)),
        missing_voxels=int(np.count_nonzero(summed & ~usable)),
    )


def _check(susceptibility_ppm: Float, region: Mask, voxel_mm: Sequence[float], known: Mask) -> None:
    for name, mask in (("region", region), ("known", known)):
        if mask.shape != susceptibility_ppm.shape or mask.dtype != np.bool_:
            raise EngineInputError(
                f"{name}: expected a boolean mask of shape {susceptibility_ppm.shape}, "
                f"got {mask.dtype} of shape {mask.shape}"
            )
    if len(voxel_mm) != 3 or not all(np.isfinite(edge) and edge > 0 for edge in voxel_mm):
        raise EngineInputError(f"voxel_mm: expected three edges above 0, got {tuple(voxel_mm)}")


def _window(region: Mask, voxel_mm: Sequence[float], reach: Reach) -> tuple[slice, slice, slice] | None:
    """The part of the image that everything happens in; None where nothing is drawn."""
    if not region.any():
        return None
    far = reach.growth + reach.margin + reach.shell
    found = []
    for axis, edge in enumerate(voxel_mm):
        inside = np.flatnonzero(region.any(axis=tuple(other for other in range(3) if other != axis)))
        around = int(np.ceil(far / edge)) + 1
        found.append(slice(max(0, int(inside[0]) - around), int(inside[-1]) + around + 1))
    return found[0], found[1], found[2]


def _distance(region: Mask, voxel_mm: Sequence[float]) -> Doubles:
    """Distance to a region, mm; 0 within."""
    return np.asarray(ndimage.distance_transform_edt(~region, sampling=voxel_mm))


def _surroundings(chi: Doubles, usable: Mask, away: Doubles, reach: Reach) -> float | None:
    """Median of the shell; None where too little of it is known."""
    shell = usable & (away > reach.margin) & (away <= reach.margin + reach.shell)
    if np.count_nonzero(shell) < _FEWEST_AROUND:
        return None
    return float(np.median(chi[shell]))


def _half_maximum(apart: Doubles, drawn: Mask, allowed: Mask) -> Mask:
    """What touches the most different voxel and differs by half as much, in the same way."""
    place = np.unravel_index(np.argmax(np.where(drawn, np.abs(apart), -1.0)), apart.shape)
    peak = float(apart[place])
    alike = allowed & (apart * np.sign(peak) >= _HALF * abs(peak))
    alike[place] = True
    pieces, _ = ndimage.label(alike, _EVERY_NEIGHBOUR)
    return np.asarray(pieces == pieces[place])
