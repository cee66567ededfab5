"""The susceptibility map as a Parametric Map: float32 in ppb, for software that computes with it.

Not every viewer shows it, so it goes beside the series of images and never in its place.
"""

from __future__ import annotations

import numpy as np
from highdicom.content import (
    PixelMeasuresSequence,
    PlaneOrientationSequence,
    PlanePositionSequence,
    VOILUTTransformation,
)
from highdicom.enum import CoordinateSystemNames
from highdicom.pm import ParametricMap, RealWorldValueMapping
from pydicom import Dataset
from pydicom.uid import ParametricMapStorage

from qsmnode import __version__
from qsmnode.errors import JobFailed
from qsmnode.measure.statistics import reference_statement
from qsmnode.products import codes, qsm_series
from qsmnode.products.context import Plan, ProductContext
from qsmnode.products.identity import MANUFACTURER, identified, plain
from qsmnode.products.qsm_series import PPB_PER_PPM
from qsmnode.products.revision import name_series, titled

NAME = "parametric_map"
NEEDS = (qsm_series.NAME,)
_OFFSET = 6
_LARGEST_PPB = 1e6
_LIMIT = 1024  # VR ST


def series_uid(context: ProductContext) -> str:
    """The series that holds it."""
    return context.uid(NAME, "series")


def plan(context: ProductContext) -> Plan:
    """What it will be called."""
    return Plan(
        series_uid=series_uid(context),
        series_number=context.series_number(_OFFSET),
        sop_class_uid=str(ParametricMapStorage),
        sop_instance_uids=(context.uid(NAME, "map"),),
    )


def build(context: ProductContext) -> list[Dataset]:
    """One object with all slices, in their order, ready to be written.

    Raises:
        JobFailed: the map holds values that are not finite; the format has no word for them.
    """
    chi = context.maps.susceptibility * np.float32(PPB_PER_PPM)
    if not np.isfinite(chi).all():
        raise JobFailed("parametric_map: expected finite values, got NaN or infinity")
    planned, source = plan(context), context.source
    window = context.style(qsm_series.NAME).window or (
        qsm_series.WINDOW_CENTRE_PPB,
        qsm_series.WINDOW_WIDTH_PPB,
    )
    made = ParametricMap(
        source_images=qsm_series.SERIES.build(context),
        pixel_array=np.ascontiguousarray(chi.transpose(2, 1, 0)),  # frames, rows, columns
        series_instance_uid=planned.series_uid,
        series_number=planned.series_number,
        sop_instance_uid=planned.sop_instance_uids[0],
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=__version__,
        device_serial_number=plain(context.node),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping()],
        voi_lut_transformations=[VOILUTTransformation(window_center=window[0], window_width=window[1])],
        content_label="QSM",
        content_description="Quantitative susceptibility map",
        content_creator_name="qsmnode^",
        image_flavor="VOLUME",
        derived_pixel_contrast="QUANTITY",
        pixel_measures=PixelMeasuresSequence(
            pixel_spacing=source.pixel_spacing_mm,
            slice_thickness=source.slice_thickness_mm,
            spacing_between_slices=source.slice_spacing_mm,
        ),
        plane_orientation=PlaneOrientationSequence(CoordinateSystemNames.PATIENT, source.orientation),
        plane_positions=[
            PlanePositionSequence(CoordinateSystemNames.PATIENT, one.position_mm) for one in source.slices
        ],
        series_description=titled(context.title("QSM ppb float"), context.revision),
    )
    for element in identified(context):
        made[element.tag] = element
    made.Modality = "MR"
    made.BodyPartExamined = source.template.get("BodyPartExamined") or "BRAIN"
    made.DerivationDescription = plain(
        f"Quantitative susceptibility map, ppb, 0 outside the mask. {reference_statement(context.maps)} "
        f"{context.algorithm}; research use, not for diagnosis"
    )[:_LIMIT]
    # the library makes this one up anew each time
    organization = context.uid(NAME, "dimensions")
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = organization
    name_series(made, context.replaces.get(NAME))
    return [made]


def _mapping() -> RealWorldValueMapping:
    return RealWorldValueMapping(
        lut_label="QSM",
        lut_explanation="Magnetic susceptibility",
        unit=codes.PPB,
        value_range=(-_LARGEST_PPB, _LARGEST_PPB),
        slope=1.0,
        intercept=0.0,
        quantity_definition=codes.SUSCEPTIBILITY,
    )
