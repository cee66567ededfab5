"""The segmentation behind the numbers: BINARY, one segment for each region that was measured.

A segment is exactly the voxels that its numbers came from: what was drawn, without what lies outside the
map's mask or has no finite value. So its volume by counting is the one in the report. The first segment is
the whole brain. It refers to the QSM series, whose grid it shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import highdicom
import numpy as np
from highdicom.color import CIELabColor
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import SegmentationStorage

from qsmnode import __version__
from qsmnode.engine.types import Mask
from qsmnode.errors import NotEligible
from qsmnode.measure.regions import MeasuredRegion
from qsmnode.measure.statistics import WHOLE_BRAIN
from qsmnode.products import codes, document, qsm_series
from qsmnode.products.context import Plan, ProductContext
from qsmnode.products.identity import MANUFACTURER, plain
from qsmnode.products.revision import name_series, titled

NAME = "segmentation"
NEEDS = (qsm_series.NAME,)
_OFFSET = 7
_BRAIN_COLOUR = (55.0, 0.0, 0.0)
# L*, a*, b*: far apart, and bright enough on a grey map; sides of one structure share one
_COLOURS = (
    (65.0, 60.0, 45.0),
    (75.0, -60.0, 45.0),
    (60.0, 10.0, -60.0),
    (85.0, 0.0, 75.0),
    (60.0, 75.0, -40.0),
    (80.0, -45.0, -15.0),
    (70.0, 30.0, 70.0),
    (55.0, 45.0, -75.0),
    (75.0, 35.0, -5.0),
    (60.0, -35.0, 55.0),
)


class Named(Protocol):
    """What gives the objects of one job their names."""

    def uid(self, *parts: str) -> str: ...


@dataclass(frozen=True)
class Tracking:
    """What names one region in every object of a job."""

    identifier: str
    uid: str


@dataclass(frozen=True)
class _Segment:
    label: str
    structure: Code
    category: Code
    side: str
    voxels: Mask
    tracking: Tracking
    automatic: bool
    family: Code
    parameters: dict[str, str]
    colour: tuple[float, float, float]


def series_uid(context: ProductContext) -> str:
    """The series that holds it."""
    return context.uid(NAME, "series", *context.drawn)


def plan(context: ProductContext) -> Plan:
    """What it will be called."""
    return Plan(
        series_uid=series_uid(context),
        series_number=context.series_number(_OFFSET),
        sop_class_uid=str(SegmentationStorage),
        sop_instance_uids=(context.uid(NAME, "object", *context.drawn),),
    )


def tracking(context: Named, region: MeasuredRegion | None) -> Tracking:
    """Of a region; of the whole brain where None. Who drew it may have named it already."""
    if region is None:
        return Tracking(plain(WHOLE_BRAIN), context.uid("report", WHOLE_BRAIN))
    drawn = region.region
    if drawn.tracking_id and drawn.tracking_uid:
        return Tracking(plain(drawn.tracking_id), drawn.tracking_uid)
    return Tracking(plain(region.title), context.uid("region", drawn.digest))


def segment_number(context: ProductContext, region: MeasuredRegion) -> int:
    """Of a region that was measured: 1 is the whole brain."""
    return 2 + _measured(context).index(region)


def build(context: ProductContext) -> list[Dataset]:
    """The segmentation, ready to be written.

    Raises:
        NotEligible: there is nothing to segment.
    """
    segments = _segments(context)
    if not segments[0].voxels.any():
        raise NotEligible("segmentation: nothing could be measured; the map's mask is empty")
    planned = plan(context)
    made = Segmentation(
        source_images=_images(context),
        pixel_array=_frames(segments),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(number, one) for number, one in enumerate(segments, start=1)],
        series_instance_uid=planned.series_uid,
        series_number=planned.series_number,
        sop_instance_uid=planned.sop_instance_uids[0],
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=__version__,
        device_serial_number=plain(context.node),
        content_label="QSM_REGIONS",
        content_description="Regions measured in the QSM series",
        content_creator_name="qsmnode^",
        series_description=titled(context.title("QSM regions"), context.revision),
    )
    document.settle(made, context)
    _name_dimensions(made, context.uid(NAME, "dimensions", *context.drawn))
    made.CodingSchemeIdentificationSequence = codes.scheme_identification()
    name_series(made, context.replaces.get(NAME))
    return [made]


def _segments(context: ProductContext) -> list[_Segment]:
    inside = context.maps.mask & np.isfinite(context.maps.susceptibility)
    brain = _Segment(
        label=WHOLE_BRAIN,
        structure=codes.BRAIN,
        category=codes.ANATOMICAL_STRUCTURE,
        side="",
        voxels=inside,
        tracking=tracking(context, None),
        automatic=True,
        family=codes.MORPHOLOGICAL,
        parameters={"mask": "of the map, as the recipe makes it"},
        colour=_BRAIN_COLOUR,
    )
    colour_of = colours(context)
    measured = _measured(context)
    return [brain, *(_of_region(context, one, colour_of[one.region.name]) for one in measured)]


def colours(context: ProductContext) -> Mapping[str, tuple[float, float, float]]:
    """L*, a* and b* of the measured regions, by name: sides of one structure share one."""
    names = dict.fromkeys(one.region.name for one in _measured(context))
    return {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names)}


def _measured(context: ProductContext) -> list[MeasuredRegion]:
    return [one for one in context.regions if one.measurement is not None]


def _of_region(
    context: ProductContext, measured: MeasuredRegion, colour: tuple[float, float, float]
) -> _Segment:
    region = measured.region
    how = "experimental method" if region.experimental else "as drawn"
    return _Segment(
        label=region.title,
        structure=region.structure,
        category=region.category,
        side=region.side,
        voxels=measured.voxels,
        tracking=tracking(context, measured),
        automatic=region.automatic,
        family=codes.NEIGHBOURHOOD,
        parameters={
            "drawn by": plain(region.drawn_by),
            "label": str(region.number),
            "voxels": f"{how}, inside the map's mask",
        },
        colour=colour,
    )


def _description(number: int, segment: _Segment) -> SegmentDescription:
    kind = (
        SegmentAlgorithmTypeValues.AUTOMATIC
        if segment.automatic
        else SegmentAlgorithmTypeValues.SEMIAUTOMATIC
    )
    described = SegmentDescription(
        segment_number=number,
        segment_label=plain(segment.label),
        segmented_property_category=segment.category,
        segmented_property_type=segment.structure,
        algorithm_type=kind,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=MANUFACTURER, family=segment.family, version=__version__, parameters=segment.parameters
        ),
        tracking_uid=segment.tracking.uid,
        tracking_id=segment.tracking.identifier,
        display_color=CIELabColor(*segment.colour),
    )
    if segment.side:
        kind_of = described.SegmentedPropertyTypeCodeSequence[0]
        kind_of.SegmentedPropertyTypeModifierCodeSequence = codes.sequence_of(codes.SIDES[segment.side])
    return described


def _frames(segments: Sequence[_Segment]) -> np.ndarray:
    """(slices, rows, columns, segments) of 0 and 1."""
    x, y, z = segments[0].voxels.shape
    frames = np.zeros((z, y, x, len(segments)), np.uint8)
    for index, segment in enumerate(segments):
        frames[..., index] = segment.voxels.transpose(2, 1, 0)
    return frames


def _images(context: ProductContext) -> list[Dataset]:
    """The QSM images by their headers, with the few attributes more that the library asks for."""
    images = qsm_series.SERIES.headers(context, qsm_series.SERIES.pixels(context))
    columns, rows, _ = context.source.stack.grid.shape
    for image in images:
        image.Rows, image.Columns = rows, columns
    return images


def _name_dimensions(made: Dataset, uid: str) -> None:
    """The library draws this name by lot; equal input has to give equal bytes."""
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
