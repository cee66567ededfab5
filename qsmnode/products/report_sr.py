"""The report: a Comprehensive 3D SR after TID 1500 with the whole brain's susceptibility and how it was made.

The whole-brain group is TID 1501 (Measurement Group) that refers to the images it was measured in: TID 1410
and 1411 need a segmentation or coordinates to point at, and the brain mask is sent as neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes as dictionary
from pydicom.sr.coding import Code

from qsmnode import __version__
from qsmnode.dicom.identity import derive_uid
from qsmnode.errors import NotEligible
from qsmnode.measure import statistics
from qsmnode.products import codes, qsm_series
from qsmnode.products.context import ProductContext
from qsmnode.products.identity import identified

NAME = "report"
_DECIMALS = 3


def series_uid(context: ProductContext) -> str:
    """The series that holds it."""
    return context.uid(NAME, "series")


def build(context: ProductContext) -> list[Dataset]:
    """The report, ready to be written.

    Raises:
        NotEligible: there is nothing to report a number of.
    """
    if not context.measurements:
        raise NotEligible("report: nothing could be measured; the map's mask is empty")
    images = [qsm_series.header(context, index) for index in range(len(context.source.slices))]
    for image in images:
        # what highdicom looks at beyond identity; the pixels themselves are not needed
        image.Rows, image.Columns = context.source.stack.grid.shape[1], context.source.stack.grid.shape[0]
    report = Comprehensive3DSR(
        evidence=images,
        content=_content(context, images)[0],
        series_instance_uid=series_uid(context),
        series_number=context.series_number(2),
        sop_instance_uid=context.uid(NAME, "document"),
        instance_number=1,
        manufacturer="qsmnode",
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description="QSM report (research use)",
    )
    _settle(report, context)
    return [report]


def _settle(report: Dataset, context: ProductContext) -> None:
    """Identity and times as in every product: the library fills in the present and the images' equipment."""
    for element in identified(context):
        report[element.tag] = element
    report.CodingSchemeIdentificationSequence = codes.private_scheme()
    report.PreliminaryFlag = "PRELIMINARY"


def _content(context: ProductContext, images: list[Dataset]) -> MeasurementReport:
    device = ObserverContext(
        observer_type=dictionary.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=derive_uid("device", "qsmnode"),
            name="qsmnode",
            manufacturer_name="qsmnode",
            model_name=f"qsmnode {__version__}",
        ),
    )
    return MeasurementReport(
        observation_context=ObservationContext(observer_device_context=device),
        procedure_reported=codes.BRAIN_MRI,
        imaging_measurements=[_group(context, item, images) for item in context.measurements],
        title=codes.MEASUREMENT_REPORT,
    )


def _group(
    context: ProductContext, measured: statistics.Measurement, images: list[Dataset]
) -> MeasurementsAndQualitativeEvaluations:
    inside = np.flatnonzero(context.maps.mask.any(axis=(0, 1)))
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=context.uid(NAME, measured.name), identifier=measured.name
        ),
        finding_category=codes.ANATOMICAL_STRUCTURE,
        finding_type=codes.BRAIN,
        finding_sites=[FindingSite(codes.BRAIN)],
        algorithm_id=_algorithm(context),
        measurements=[
            *(_susceptibility(value, derivation) for value, derivation in _statistics(measured)),
            Measurement(name=codes.VOLUME, value=_rounded(measured.volume_ml), unit=codes.CUBIC_CENTIMETRE),
        ],
        source_images=[SourceImageForMeasurementGroup.from_source_image(images[index]) for index in inside],
    )


def _statistics(measured: statistics.Measurement) -> list[tuple[float, Code]]:
    return [
        (measured.mean_ppb, codes.MEAN),
        (measured.sd_ppb, codes.STANDARD_DEVIATION),
        (measured.median_ppb, codes.MEDIAN),
        (measured.p5_ppb, codes.P5),
        (measured.p95_ppb, codes.P95),
    ]


def _susceptibility(value: float, derivation: Code) -> Measurement:
    return Measurement(
        name=codes.SUSCEPTIBILITY, value=_rounded(value), unit=codes.PPB, derivation=derivation
    )


def _rounded(value: float) -> float:
    """A short decimal string holds it exactly; -0.0 would read as a sign."""
    return round(value, _DECIMALS) + 0.0


def _algorithm(context: ProductContext) -> AlgorithmIdentification:
    return AlgorithmIdentification(
        name=f"qsmnode {context.recipe.version}", version=__version__, parameters=parameters(context)
    )


def parameters(context: ProductContext) -> list[str]:
    """Everything that decided about the numbers, one text each."""
    lines = [
        f"reference: {context.maps.reference}",
        "unit: ppb; stored values of the QSM series are whole ppb",
        f"recipe: {context.recipe.version}, sha256 {context.recipe.hash}",
        *(f"{step}: {_in_words(chosen)}" for step, chosen in context.recipe.as_mapping().items()),
        f"voxels beyond the stored range: {qsm_series.clipped_voxels(context.maps.susceptibility)}",
        *(f"quality {name}: {value:.6g}" for name, value in sorted(context.maps.quality.items())),
        *(f"warning: {warning}" for warning in context.source.warnings),
    ]
    if context.revision_of:
        lines.append(f"replaces series: {context.revision_of}")
    return [*lines, "research use, not for diagnosis"]


def _in_words(chosen: Any) -> str:
    if not isinstance(chosen, Mapping):
        return str(chosen)
    others = ", ".join(f"{name}={value}" for name, value in chosen.items() if name != "method")
    return f"{chosen.get('method', '')} {others}".strip()
