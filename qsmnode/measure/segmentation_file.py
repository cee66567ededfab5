"""Regions from a DICOM Segmentation (BINARY), on any grid of the map's frame of reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import UID, SegmentationStorage

from qsmnode.dicom.decoding import stored_values
from qsmnode.dicom.geometry import POSITION_TOLERANCE_MM, affine_of, slice_normal
from qsmnode.dicom.reading import (
    BROKEN,
    element_value,
    items,
    number,
    numbers,
    quiet,
    read_header,
    read_pixels,
    text,
    whole,
)
from qsmnode.errors import NotEligible
from qsmnode.measure.grids import Affine, Box, beyond, onto
from qsmnode.measure.label_image import MOST_VOXELS
from qsmnode.measure.lookup import MOST_REGIONS, cleaned, without_side
from qsmnode.measure.regions import Region
from qsmnode.measure.statistics import WHOLE_BRAIN
from qsmnode.measure.structures import REGION_OF_INTEREST, SCHEME

_SIDES = {("24028007", "SCT"): "right", ("7771000", "SCT"): "left"}
_SIDES |= {("G-A100", "SRT"): "right", ("G-A101", "SRT"): "left"}
_SLACK = 0.1  # part of a slice's distance by which a frame may lie off the regular grid
_LONGEST_CODE, _LONGEST_MEANING = 16, 64  # VR SH and LO


@dataclass(frozen=True)
class _Frame:
    segment: int
    position_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing_mm: tuple[float, ...]
    between_mm: float | None
    thickness_mm: float | None


def read(path: Path, box: Box, study: str | None, frame_of_reference: str) -> tuple[Region, ...]:
    """Every segment, on the map's grid, but for a whole brain: the map's own is measured anyway.

    Args:
        path: the object.
        box: the map's grid.
        study: StudyInstanceUID of the map's source; None: whatever it names, its coordinates are the map's.
        frame_of_reference: its FrameOfReferenceUID.

    Raises:
        NotEligible: it cannot be used; says why.
    """
    header = read_header(path).dataset
    with quiet():
        reason = _reason_against(header, study, frame_of_reference)
        if reason:
            raise NotEligible(f"{path.name}: {reason}")
        try:
            segments = _segments(header)
            frames = _frames(header)
            affine, places, depth = _grid(frames)
            pixels = _pixels(path, len(frames))
            regions = [
                _region(segment, frames, places, depth, pixels, affine, box)
                for segment in segments
                if cleaned(text(segment, "SegmentLabel")).lower() != WHOLE_BRAIN
            ]
        except NotEligible as error:
            raise NotEligible(f"{path.name}: {str(error).removeprefix(f'{path.name}: ')}") from error
    if not any(region.mask.any() for region in regions):
        raise NotEligible(f"{path.name}: no segment but a whole brain has a voxel in the map's field of view")
    return tuple(_told_apart(region, regions) for region in regions)


def _told_apart(region: Region, regions: Sequence[Region]) -> Region:
    """With its number in its name where another one is called the same."""
    if sum(other.title == region.title for other in regions) == 1:
        return region
    return replace(region, name=f"{region.name} {region.number}")


def _reason_against(header: Dataset, study: str | None, frame_of_reference: str) -> str:
    """Why an object is no segmentation of this exam, "" where it is one."""
    sop_class = text(header, "SOPClassUID")
    kind = text(header, "SegmentationType").upper()
    cells = [whole(header, name) or 0 for name in ("NumberOfFrames", "Rows", "Columns")]
    reasons = (
        (
            sop_class != SegmentationStorage,
            f"expected a DICOM Segmentation or a NIfTI label image, got {UID(sop_class).name or 'neither'}",
        ),
        (kind != "BINARY", f"expected a segmentation of type BINARY, got {kind or 'none'}"),
        (
            study is not None and text(header, "StudyInstanceUID") != study,
            "it belongs to another study; expected a segmentation of the study that is reconstructed",
        ),
        (
            study is not None
            and (not frame_of_reference or text(header, "FrameOfReferenceUID") != frame_of_reference),
            "it was drawn in another frame of reference, so that its place on the map is not known; draw it "
            "on a series of the frame of reference of the gradient-echo images",
        ),
        (
            not 0 < cells[0] * cells[1] * cells[2] <= MOST_VOXELS,
            f"expected 1 to {MOST_VOXELS} pixels in all frames, got {cells[0]} x {cells[1]} x {cells[2]}",
        ),
    )
    return next((words for bad, words in reasons if bad), "")


def _segments(header: Dataset) -> list[Dataset]:
    found = list(items(header, "SegmentSequence"))
    numbers_of = [whole(segment, "SegmentNumber") for segment in found]
    if not 0 < len(found) <= MOST_REGIONS:
        raise NotEligible(f"expected 1 to {MOST_REGIONS} segments, got {len(found)}")
    if None in numbers_of or len(set(numbers_of)) != len(found):
        raise NotEligible("expected a number of its own for each segment")
    return found


def _frames(header: Dataset) -> list[_Frame]:
    shared = next(iter(items(header, "SharedFunctionalGroupsSequence")), Dataset())
    own = items(header, "PerFrameFunctionalGroupsSequence")
    if len(own) != whole(header, "NumberOfFrames"):
        raise NotEligible(f"expected a description of each frame, got {len(own)} of them")
    return [_frame(shared, item, place) for place, item in enumerate(own, start=1)]


def _frame(shared: Dataset, own: Dataset, place: int) -> _Frame:
    def group(keyword: str) -> Dataset:
        return next(iter((*items(own, keyword), *items(shared, keyword))), Dataset())

    measures = group("PixelMeasuresSequence")
    segment = whole(group("SegmentIdentificationSequence"), "ReferencedSegmentNumber")
    position = numbers(element_value(group("PlanePositionSequence"), "ImagePositionPatient"), 3)
    orientation = numbers(element_value(group("PlaneOrientationSequence"), "ImageOrientationPatient"), 6)
    spacing = numbers(element_value(measures, "PixelSpacing"), 2)
    if segment is None or position is None or orientation is None or spacing is None or min(spacing) <= 0:
        raise NotEligible(
            f"frame {place}: expected segment, position, orientation and spacing, not all are there"
        )
    between, thickness = (number(measures, name) for name in ("SpacingBetweenSlices", "SliceThickness"))
    return _Frame(segment, position, orientation, spacing, between, thickness)


def _grid(frames: Sequence[_Frame]) -> tuple[Affine, list[int], int]:
    """The grid that all frames lie on, each frame's slice in it, and how many slices it has."""
    first = frames[0]
    for frame in frames:
        if not np.allclose(
            (*frame.orientation, *frame.spacing_mm), (*first.orientation, *first.spacing_mm), atol=1e-4
        ):
            raise NotEligible("expected all frames in one orientation with one pixel spacing")
    normal = np.asarray(slice_normal(first.orientation))
    positions = np.asarray([frame.position_mm for frame in frames])
    along = positions @ normal
    start = int(np.argmin(along))
    steps = np.diff(np.unique(np.round(along / POSITION_TOLERANCE_MM)) * POSITION_TOLERANCE_MM)
    stated = abs(first.between_mm or 0.0)
    between = float(steps.min()) if steps.size else stated or abs(first.thickness_mm or 0.0)
    if between <= 0:
        raise NotEligible("expected the thickness of its only slice, got none")
    if 0 < stated < between * (1 - _SLACK):
        between = stated  # slices without any voxel have no frame
    places = (along - along[start]) / between
    depth = int(np.rint(places.max())) + 1
    sideways = positions - positions[start] - np.outer(along - along[start], normal)
    if (
        np.abs(places - np.rint(places)).max() > _SLACK
        or np.linalg.norm(sideways, axis=1).max() > _SLACK * between
    ):
        raise NotEligible("expected frames on one regular grid of slices")
    affine = affine_of(
        first.orientation, (first.spacing_mm[0], first.spacing_mm[1]), between, positions[start]
    )
    return affine, [int(place) for place in np.rint(places)], depth


def _pixels(path: Path, frames: int) -> npt.NDArray[np.generic]:
    """(frames, rows, columns)."""
    try:
        values = stored_values(read_pixels(path))
    except (*BROKEN, MemoryError) as error:
        raise NotEligible(f"its pixels cannot be read ({type(error).__name__})") from error
    values = values if values.ndim == 3 else values[None]
    if values.ndim != 3 or len(values) != frames or not np.isin(values, (0, 1)).all():
        raise NotEligible(f"expected {frames} frames of 0 and 1, got others")
    return values


def _region(
    segment: Dataset,
    frames: Sequence[_Frame],
    places: Sequence[int],
    depth: int,
    pixels: npt.NDArray[np.generic],
    affine: Affine,
    box: Box,
) -> Region:
    label = whole(segment, "SegmentNumber") or 0
    mine = [index for index, frame in enumerate(frames) if frame.segment == label]
    if depth * pixels.shape[1] * pixels.shape[2] > MOST_VOXELS:
        raise NotEligible("expected frames close to each other, got some that lie far away")
    drawn = np.zeros((pixels.shape[2], pixels.shape[1], depth), dtype=np.bool_)
    for index in mine:
        drawn[:, :, places[index]] |= pixels[index].T.astype(np.bool_)
    kind = next(iter(items(segment, "SegmentedPropertyTypeCodeSequence")), Dataset())
    side = _side(segment, kind)
    name = without_side(cleaned(text(segment, "SegmentLabel")) or f"segment {label}", side)
    automatic = text(segment, "SegmentAlgorithmType").upper() == "AUTOMATIC"
    tracking = cleaned(text(segment, "TrackingID")), text(segment, "TrackingUID")
    known = bool(tracking[0]) and UID(tracking[1]).is_valid
    program = cleaned(text(segment, "SegmentAlgorithmName"))
    return Region(
        name=name,
        side=side,
        number=label,
        mask=onto(drawn, affine, box),
        structure=_code(kind),
        drawn_by=f"a segmentation of the study{f' by {program}' if program else ''}",
        automatic=automatic,
        tracking_id=tracking[0] if known else "",
        tracking_uid=tracking[1] if known else "",
        drawn_voxels=int(np.count_nonzero(drawn)),
        beyond_voxels=beyond(drawn, affine, box),
    )


def _code(item: Dataset) -> Code:
    """What a segment is of; others' private codes would need their scheme beside them, and are not taken."""
    value, scheme, meaning = (
        text(item, name) for name in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
    )
    foreign = scheme.startswith("99") and scheme != SCHEME
    if not value or not scheme or not meaning or foreign or len(value) > _LONGEST_CODE:
        return REGION_OF_INTEREST
    return Code(value, scheme[:_LONGEST_CODE], cleaned(meaning)[:_LONGEST_MEANING] or "not stated")


def _side(segment: Dataset, kind: Dataset) -> str:
    modifiers = [*items(kind, "SegmentedPropertyTypeModifierCodeSequence")]
    for region in items(segment, "AnatomicRegionSequence"):
        modifiers += items(region, "AnatomicRegionModifierSequence")
    found = {
        _SIDES.get((text(item, "CodeValue"), text(item, "CodingSchemeDesignator")), "") for item in modifiers
    }
    sides = found - {""}
    return sides.pop() if len(sides) == 1 else ""
