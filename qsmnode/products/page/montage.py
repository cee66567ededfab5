"""Three planes through a map, turned as radiologists read them: patient's right and front on the left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from PIL import Image

from qsmnode.engine.mask.intensity import combined
from qsmnode.products.context import ProductContext
from qsmnode.products.page import closeup
from qsmnode.products.page.ink import Colour
from qsmnode.products.qsm_series import NAME, PPB_PER_PPM, WINDOW_CENTRE_PPB, WINDOW_WIDTH_PPB

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_DEPTHS = (0.38, 0.5, 0.62)  # of the map's extent, from feet, back and right
_AROUND_MM = 12.0
_BRIGHTEST = 99.5
_OUTLINE = (0, 190, 255)
_WHITE = 255
Picture = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Volume:
    """Values with axes to the right, front and head of the patient."""

    values: npt.NDArray[Any]
    voxel_mm: tuple[float, float, float]

    def cropped(self, part: tuple[slice, ...]) -> Volume:
        """A part of it."""
        return Volume(self.values[part], self.voxel_mm)


@dataclass(frozen=True)
class Row:
    """One plane: the magnitude with the map's outline, then the map at several depths.

    Where there are regions, the depths are theirs, and the last ones show them enlarged and outlined.
    """

    outlined: Image.Image
    maps: tuple[Image.Image, ...]


def window_of(context: ProductContext) -> tuple[float, float]:
    """Centre and width in ppb: those of the series."""
    return context.style(NAME).window or (WINDOW_CENTRE_PPB, WINDOW_WIDTH_PPB)


def rows(
    context: ProductContext, width: int, height: int, colours: Mapping[str, Colour] | None = None
) -> tuple[Row, Row, Row]:
    """Axial, coronal and sagittal pictures of this size.

    Args:
        colours: of the measured regions, by name; none: no region is shown.
    """
    centre, span = window_of(context)
    box = _box(context)
    chi = _turned(context, (context.maps.susceptibility * PPB_PER_PPM - centre) / span + 0.5, box)
    magnitude = combined(context.source.stack.magnitude)
    tissue = magnitude[context.maps.mask]
    brightest = float(np.percentile(tissue, _BRIGHTEST)) if tissue.size else float(magnitude.max(initial=0))
    bright = _turned(context, magnitude / (brightest or 1.0), box)
    mask = _turned(context, context.maps.mask, box)
    regions = _regions(context, box, colours or {})
    drawn = [one.values for one, _ in regions]
    part = closeup.around(drawn, chi.voxel_mm)
    made = []
    for axis in (2, 1, 0):
        places = _places(mask.values, axis)
        middle = places[len(places) // 2]
        shown = closeup.places(drawn, axis)
        outlined = _outlined(
            _tile(bright, axis, shown[0] if shown else middle, width, height),
            _tile(mask, axis, shown[0] if shown else middle, width, height),
        )
        maps = [_map(chi, mask, axis, place, (width, height)) for place in (shown[:1] or places)]
        maps += [_enlarged(chi, mask, regions, part, axis, place, (width, height)) for place in shown]
        maps += [_map(chi, mask, axis, middle, (width, height))] * (len(places) - len(maps))
        made.append(Row(outlined, tuple(maps)))
    return made[0], made[1], made[2]


def _regions(
    context: ProductContext, box: tuple[slice, ...], colours: Mapping[str, Colour]
) -> list[tuple[Volume, Colour]]:
    """The measured regions as the map is turned."""
    return [
        (_turned(context, one.voxels, box), colours[one.region.name])
        for one in context.regions
        if one.measurement is not None and one.region.name in colours
    ]


def _enlarged(
    chi: Volume,
    mask: Volume,
    regions: Sequence[tuple[Volume, Colour]],
    part: tuple[slice, ...],
    axis: int,
    place: int,
    size: tuple[int, int],
) -> Image.Image:
    """The map around all regions, their outlines on it."""
    inside = place - part[axis].start
    picture = np.array(_map(chi.cropped(part), mask.cropped(part), axis, inside, size))
    for region, colour in regions:
        if np.take(region.values, place, axis=axis).any():
            picture[_edge(_tile(region.cropped(part), axis, inside, *size))] = colour
    return Image.fromarray(picture)


def _box(context: ProductContext) -> tuple[slice, ...]:
    """The map with some of the head around it; everything where the map is empty."""
    mask, voxel_mm = context.maps.mask, context.source.stack.grid.voxel_mm
    box = []
    for axis, length in enumerate(mask.shape):
        found = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        more = round(_AROUND_MM / voxel_mm[axis])
        ends = (int(found[0]) - more, int(found[-1]) + 1 + more) if found.size else (0, length)
        box.append(slice(max(0, ends[0]), min(length, ends[1])))
    return tuple(box)


def _turned(context: ProductContext, values: npt.NDArray[Any], box: tuple[slice, ...]) -> Volume:
    """A part of the array with the axes that lie nearest to the patient's, without resampling."""
    affine = _LPS_TO_RAS @ context.source.affine
    turn = nibabel.io_orientation(affine)  # type: ignore[no-untyped-call]
    moved = nibabel.apply_orientation(values[box], turn)  # type: ignore[no-untyped-call]
    voxel = context.source.stack.grid.voxel_mm
    order = [int(np.flatnonzero(turn[:, 0] == axis)[0]) for axis in range(3)]
    return Volume(moved, (voxel[order[0]], voxel[order[1]], voxel[order[2]]))


def _places(mask: npt.NDArray[np.bool_], axis: int) -> list[int]:
    """Slices through the map along an axis; through the middle of the volume where it is empty."""
    others = tuple(other for other in range(3) if other != axis)
    found = np.flatnonzero(mask.any(axis=others))
    first, last = (int(found[0]), int(found[-1])) if found.size else (0, mask.shape[axis] - 1)
    return [round(first + depth * (last - first)) for depth in _DEPTHS]


def _tile(volume: Volume, axis: int, place: int, width: int, height: int) -> Picture:
    """A slice in the middle of a tile: as large as fits, its proportions those of the patient."""
    across, down = [other for other in range(3) if other != axis]
    plane = np.take(volume.values, place, axis=axis)[::-1, ::-1].T.astype(np.float32)
    size_mm = plane.shape[1] * volume.voxel_mm[across], plane.shape[0] * volume.voxel_mm[down]
    scale = min(width / size_mm[0], height / size_mm[1])
    wide, high = max(1, round(size_mm[0] * scale)), max(1, round(size_mm[1] * scale))
    small = Image.fromarray(np.ascontiguousarray(plane)).resize((wide, high), Image.Resampling.BICUBIC)
    tile = np.full((height, width), -1.0, np.float32)
    top, left = (height - high) // 2, (width - wide) // 2
    tile[top : top + high, left : left + wide] = np.asarray(small)
    return tile


def _map(chi: Volume, mask: Volume, axis: int, place: int, size: tuple[int, int]) -> Image.Image:
    """A slice of the map; black where there is no value, which no value of 0 is."""
    inside = _tile(mask, axis, place, *size) > 0.5
    return _grey(np.where(inside, _tile(chi, axis, place, *size), 0.0))


def _grey(tile: Picture) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(tile, 0, 1) * _WHITE).astype(np.uint8)).convert("RGB")


def _outlined(tile: Picture, mask: Picture) -> Image.Image:
    picture = np.array(_grey(tile))
    picture[_edge(mask)] = _OUTLINE
    return Image.fromarray(picture)


def _edge(mask: Picture) -> npt.NDArray[np.bool_]:
    """The outermost pixels of what is inside."""
    inside = mask > 0.5
    core = inside.copy()
    for axis, by in ((0, 1), (0, -1), (1, 1), (1, -1)):
        core &= np.roll(inside, by, axis)
    edge: npt.NDArray[np.bool_] = inside & ~core
    return edge
