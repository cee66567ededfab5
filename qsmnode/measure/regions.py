"""Regions of interest on a map: whose they are, and what each amounts to, or why it has no number.

An external segmenter, a site's own labels and an atlas all come down to a :class:`Region`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pydicom.sr.coding import Code

from qsmnode.engine.types import Float, Maps, Mask
from qsmnode.errors import EngineInputError
from qsmnode.measure.statistics import WHOLE_BRAIN, Measurement, measure
from qsmnode.measure.structures import category

CUT_PART = 0.10
"""Part of a region that may lie outside the map before its numbers are flagged."""

SMALLEST_CHANGE = 2.77
"""Within-subject standard deviations that two scans must differ by to differ at 95 %: 1.96 x sqrt(2)."""
WITHIN_SITE_SD_PPB, ACROSS_SITES_SD_PPB = 2.36, 4.16
"""Means of seven nuclei of 24 people, scanned twice at each of three sites at 3 T.

Naji et al., Multisite reproducibility of quantitative susceptibility mapping and effective transverse
relaxation rate in deep gray matter at 3 T using locally optimized sequences in 24 traveling heads, NMR in
Biomedicine 2022; 35: e4788.
"""


@dataclass(frozen=True)
class Limits:
    """The smallest difference between two scans of one person that is no chance, in ppb, at 3 T."""

    same_site_ppb: float = round(SMALLEST_CHANGE * WITHIN_SITE_SD_PPB, 1)
    across_sites_ppb: float = round(SMALLEST_CHANGE * ACROSS_SITES_SD_PPB, 1)

    def __str__(self) -> str:
        return (
            f"repeatability limit of a nucleus' mean at 3 T: {self.same_site_ppb} ppb at one site, "
            f"{self.across_sites_ppb} ppb across sites"
        )


REPEATABILITY = Limits()


@dataclass(frozen=True)
class Issue:
    """Why a region has no number, or what to think of the one it has.

    Attributes:
        kind: has a code of its own in reports.
        words: for people, with figures.
    """

    kind: str
    words: str


@dataclass(frozen=True, eq=False)
class Region:
    """One region on a map's grid.

    Attributes:
        name: of the structure or finding, without its side.
        side: left, right or "".
        number: its label, > 0.
        mask: (X, Y, Z) bool on the map's grid.
        structure: what it is a region of.
        drawn_by: who or what made it, in words.
        automatic: whether a program made it alone.
        experimental: whether that program is one that nobody relies on.
        tracking_id, tracking_uid: what names it in time, where who drew it said so; else "".
        drawn_voxels: of its own grid, where that is another one; None: those of ``mask``.
        beyond_voxels: how many of these lie outside the map's grid.
        refused: why it must not have a number, from whoever drew it; None: it may.
        doubts: what else whoever drew it has to say against it.
    """

    name: str
    side: str
    number: int
    mask: Mask
    structure: Code
    drawn_by: str
    automatic: bool = False
    experimental: bool = False
    tracking_id: str = ""
    tracking_uid: str = ""
    drawn_voxels: int | None = None
    beyond_voxels: int = 0
    refused: Issue | None = None
    doubts: tuple[Issue, ...] = ()

    @property
    def title(self) -> str:
        """Name and side."""
        return f"{self.name} {self.side}".rstrip()

    @property
    def category(self) -> Code:
        """Category of its structure."""
        return category(self.structure)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that its objects say of it."""
        facts = [getattr(self, name) for name in self.__dataclass_fields__ if name != "mask"]
        text = json.dumps([str(fact) for fact in facts])
        return hashlib.sha256(text.encode() + np.packbits(self.mask).tobytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class MeasuredRegion:
    """A region with its numbers.

    Attributes:
        measurement: None where it has none; the first issue says why.
        issues: what speaks against it.
        voxels: those that were measured, bool on the map's grid.
    """

    region: Region
    measurement: Measurement | None
    issues: tuple[Issue, ...]
    voxels: Mask

    @property
    def title(self) -> str:
        """Name and side."""
        return self.region.title


def in_words(measured: Iterable[MeasuredRegion]) -> tuple[str, ...]:
    """What speaks against regions, one line for each."""
    return tuple(f"{region.title}: {issue.words}" for region in measured for issue in region.issues)


def measure_regions(maps: Maps, regions: Iterable[Region]) -> tuple[MeasuredRegion, ...]:
    """Measure each region inside the map's mask, in the order of their numbers.

    Raises:
        EngineInputError: a region is no mask of the map's shape, or two have one name or one number; the
            whole brain, which is always measured, counts as one of them.
    """
    ordered = sorted(regions, key=lambda region: region.number)
    _refuse_doubles(ordered)
    values = np.where(maps.mask, maps.susceptibility, np.float32(np.nan))  # outside the mask there is none
    return tuple(_measured(maps, region, values) for region in ordered)


def _measured(maps: Maps, region: Region, values: Float) -> MeasuredRegion:
    if region.mask.shape != maps.mask.shape or region.mask.dtype != np.bool_:
        raise EngineInputError(
            f"region {region.title!r}: expected a boolean mask of shape {maps.mask.shape}, "
            f"got {region.mask.dtype} of shape {region.mask.shape}"
        )
    voxels = region.mask & np.isfinite(values)
    absent = _absence(region, maps, voxels)
    if absent is not None:
        return MeasuredRegion(region, None, (absent,), voxels)
    found = measure(region.title, values, region.mask, maps.grid.voxel_volume_mm3)
    return MeasuredRegion(region, found, _doubts(region, maps, voxels), voxels)


def _absence(region: Region, maps: Maps, voxels: Mask) -> Issue | None:
    """Why there is nothing to measure, None where there is."""
    if region.refused is not None:
        return region.refused
    if voxels.any():
        return None
    drawn = int(np.count_nonzero(region.mask)) if region.drawn_voxels is None else region.drawn_voxels
    if drawn == 0:
        return Issue("empty", "no voxel was drawn")
    if not region.mask.any():
        if region.beyond_voxels == drawn:
            return Issue("outside_view", "it lies wholly outside the field of view")
        return Issue("too_small", "no voxel of the map has its centre in it: it is smaller than they are")
    if not (region.mask & maps.mask).any():
        return Issue("outside_mask", "it lies wholly outside the map's mask")
    return Issue("no_values", "the map has no finite value in it")


def _doubts(region: Region, maps: Maps, voxels: Mask) -> tuple[Issue, ...]:
    issues = []
    on_grid = int(np.count_nonzero(region.mask))
    beyond = region.beyond_voxels / region.drawn_voxels if region.drawn_voxels else 0.0
    left_out = 1.0 - (1.0 - beyond) * int(np.count_nonzero(region.mask & maps.mask)) / on_grid
    if left_out > CUT_PART:
        issues.append(
            Issue("cut", f"{100 * left_out:.0f} % of it lie outside the map (limit {100 * CUT_PART:.0f} %)")
        )
    if _touches_an_edge(region.mask):
        issues.append(Issue("edge", "it touches the edge of the images and may go on beyond"))
    broken = int(np.count_nonzero(region.mask & maps.mask & ~voxels))
    if broken:
        issues.append(Issue("left_out", f"{broken} voxels without a finite value are left out"))
    issues += region.doubts
    if region.experimental:
        issues.append(Issue("experimental", f"drawn by an experimental method: {region.drawn_by}"))
    return tuple(issues)


def _touches_an_edge(mask: Mask) -> bool:
    return any(bool(mask.take(end, axis=axis).any()) for axis in range(3) for end in (0, -1))


def _refuse_doubles(regions: Sequence[Region]) -> None:
    for what in ("title", "number"):
        seen: set[object] = {WHOLE_BRAIN}
        for region in regions:
            value = getattr(region, what)
            if value in seen:
                raise EngineInputError(f"regions: expected each {what} once, got {value!r} twice")
            seen.add(value)
