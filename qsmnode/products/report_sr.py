"""The report: a Comprehensive 3D SR after TID 1500: susceptibility of brain and regions, how it was made.

Each region is a TID 1411 group (Volumetric ROI) that points at its segment. The whole-brain group is TID 1501
(Measurement Group) that refers to the images it was measured in, so that a report without regions needs no
segmentation beside it. There is no image library: it would repeat the header of every slice, which the
referenced QSM images hold already. The QSM images are the evidence; they name the scanner's images they were
made from, slice by slice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    Comprehensive3DSR,
    FindingSite,
    Measurement,
    MeasurementProperties,
    MeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegment,
    SourceImageForMeasurementGroup,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import Comprehensive3DSRStorage, SegmentationStorage

from qsmnode import __version__
from qsmnode.errors import NotEligible
from qsmnode.measure import statistics
from qsmnode.measure.regions import REPEATABILITY, MeasuredRegion
from qsmnode.products import codes, document, numbers, qsm_series, segmentation
from qsmnode.products.context import Plan, ProductContext
from qsmnode.products.identity import MANUFACTURER, plain
from qsmnode.products.revision import REFUSAL_REPORT, name_document, titled

NAME = "report"
NEEDS = (qsm_series.NAME,)


def series_uid(context: ProductContext) -> str:
    """The series that holds it."""
    return context.uid(NAME, "series", *context.told)


def plan(context: ProductContext) -> Plan:
    """What the document will be called."""
    return Plan(
        series_uid=series_uid(context),
        series_number=context.series_number(2),
        sop_class_uid=str(Comprehensive3DSRStorage),
        sop_instance_uids=(context.uid(NAME, "document", *context.told),),
    )


def build(context: ProductContext) -> list[Dataset]:
    """The report, ready to be written.

    Raises:
        NotEligible: there is nothing to report a number of.
    """
    if not context.measurements and not context.withheld:
        raise NotEligible("report: nothing could be measured; the map's mask is empty")
    images = _evidence(context)
    planned = plan(context)
    report = Comprehensive3DSR(
        evidence=[*images, *_segmentations(context)],
        content=_content(context, images),
        series_instance_uid=planned.series_uid,
        series_number=planned.series_number,
        sop_instance_uid=planned.sop_instance_uids[0],
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description=titled(context.title("QSM report"), context.revision),
    )
    report.CodingSchemeIdentificationSequence = codes.scheme_identification()
    document.settle(report, context)
    name_document(report, context.replaces.get(NAME), context.replaces.get(REFUSAL_REPORT))
    return [report]


def _evidence(context: ProductContext) -> list[Dataset]:
    planned = qsm_series.SERIES.plan(context)
    return [
        document.evidence(context, planned.sop_class_uid, sop_instance_uid, planned.series_uid)
        for sop_instance_uid in planned.sop_instance_uids
    ]


def _segmentations(context: ProductContext) -> list[Dataset]:
    """The object that the regions' groups point at, where there are any."""
    planned = segmentation.plan(context)
    pointed_at = planned.sop_instance_uids if _reported(context) else ()
    return [document.evidence(context, planned.sop_class_uid, one, planned.series_uid) for one in pointed_at]


def _reported(context: ProductContext) -> list[MeasuredRegion]:
    """The regions that numbers are given of."""
    return [] if context.withheld else [one for one in context.regions if one.measurement is not None]


def _content(context: ProductContext, images: list[Dataset]) -> Dataset:
    """TID 1500; its qualitative evaluations say what a reader must know that has no coded measurement."""
    regions = {one.title for one in context.regions}
    measured = () if context.withheld else context.measurements
    groups: list[Any] = [_group(context, item, images) for item in measured if item.name not in regions]
    groups += [_region_group(context, region) for region in _reported(context)]
    words = [document.text(name, line) for name, line in remarks(context)]
    reasons = [document.reason(finding) for finding in context.findings]
    failed = context.region_failure
    issues = [] if failed is None else [document.coded(codes.REGION_ISSUES[failed.kind], failed.words)]
    issues += [
        document.coded(codes.REGION_ISSUES[issue.kind], f"{region.title}: {issue.words}")
        for region in context.regions
        for issue in region.issues
    ]
    return document.root(context, groups, [*words, *reasons, *issues])


def remarks(context: ProductContext) -> list[tuple[Code, str]]:
    """What the report says in words: purpose, reference, quality figures and warnings."""
    clipped = qsm_series.clipped_voxels(context.maps.susceptibility)
    lines = [
        (codes.COMMENT, "Research use, not for diagnosis."),
        (codes.COMMENT, statistics.reference_statement(context.maps)),
    ]
    if context.withheld:
        lines.append((codes.COMMENT, "Numbers of susceptibility are withheld: the reasons stand below."))
    lines += [
        (
            codes.QUALITY_ASSESSMENT,
            f"{item.name}: {item.voxels} voxels measured, {item.excluded_voxels} left out",
        )
        for item in context.measurements
    ]
    lines += [(codes.COMMENT, f"{offset}.") for offset in numbers.offsets(context)]
    if _reported(context):
        lines.append((codes.COMMENT, f"For comparison in time: {REPEATABILITY}."))
    lines.append((codes.QUALITY_ASSESSMENT, f"voxels clipped in the QSM series = {clipped}"))
    lines += [(codes.QUALITY_ASSESSMENT, line) for line in _figures(context)]
    lines += [(codes.QUALITY_ISSUE, warning) for warning in context.source.warnings]
    if clipped:
        lines.append((codes.QUALITY_ISSUE, f"{clipped} voxels exceed the stored range of the QSM series"))
    lines += [
        (codes.COMMENT, f"Revision {context.revision}: replaces {name} series {replaced.series_uid}")
        for name, replaced in sorted(context.replaces.items())
    ]
    return lines


def _figures(context: ProductContext) -> Iterator[str]:
    """Each number of quality that may be given."""
    for name, value in context.quality.items():
        yield f"{name} = {value:.6g}" if math.isfinite(value) else f"{name}: could not be measured"


def _group(
    context: ProductContext, measured: statistics.Measurement, images: list[Dataset]
) -> MeasurementsAndQualitativeEvaluations:
    inside = np.flatnonzero(context.maps.mask.any(axis=(0, 1)))
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(context, None),
        finding_category=codes.ANATOMICAL_STRUCTURE,
        finding_type=codes.BRAIN,
        finding_sites=[FindingSite(codes.BRAIN)],
        algorithm_id=_algorithm(context),
        measurements=[*_numbers(measured), *_offsets(context)],
        source_images=[
            SourceImageForMeasurementGroup(images[index].SOPClassUID, images[index].SOPInstanceUID)
            for index in inside
        ],
    )


def _region_group(
    context: ProductContext, measured: MeasuredRegion
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    region = measured.region
    assert measured.measurement is not None
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(context, measured),
        referenced_segment=ReferencedSegment(
            sop_class_uid=SegmentationStorage,
            sop_instance_uid=segmentation.plan(context).sop_instance_uids[0],
            segment_number=segmentation.segment_number(context, measured),
            source_series=SourceSeriesForSegmentation(qsm_series.SERIES.series_uid(context)),
        ),
        finding_category=region.category,
        finding_type=region.structure,
        finding_sites=[FindingSite(region.structure, laterality=codes.SIDES.get(region.side))],
        algorithm_id=_algorithm(context),
        measurements=[*_numbers(measured.measurement), *_iron(context, measured)],
        qualitative_evaluations=[
            QualitativeEvaluation(codes.QUALITY_ISSUE, code) for code in _against(context, measured)
        ],
    )


def _tracking(context: ProductContext, measured: MeasuredRegion | None) -> TrackingIdentifier:
    named = segmentation.tracking(context, measured)
    return TrackingIdentifier(uid=named.uid, identifier=named.identifier)


def _numbers(measured: statistics.Measurement) -> list[Measurement]:
    volume = statistics.stated(measured.volume_ml)
    return [
        *(_susceptibility(value, derivation) for value, derivation in _statistics(measured)),
        Measurement(name=codes.VOLUME, value=volume, unit=codes.CUBIC_CENTIMETRE),
    ]


def _offsets(context: ProductContext) -> list[Measurement]:
    """Where other references lie on the map's scale."""
    return [
        Measurement(
            name=codes.OFFSETS[offset.name],
            value=offset.ppb,
            unit=codes.PPB,
            derivation=codes.MEAN,
            finding_sites=[FindingSite(offset.structure)],
        )
        for offset in numbers.offsets(context)
        if offset.ppb is not None
    ]


def _iron(context: ProductContext, measured: MeasuredRegion) -> list[Measurement]:
    """The estimate of iron with its uncertainty and what it rests on, where there is one."""
    found = numbers.iron_in(context, measured)
    if found is None or found.ug_per_g is None or found.sd_ug_per_g is None:
        return []
    uncertainty = MeasurementProperties(
        upper_measurement_uncertainty=found.sd_ug_per_g, lower_measurement_uncertainty=found.sd_ug_per_g
    )
    for item in uncertainty:  # TID 310 wants the unit of the number itself
        item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence = codes.sequence_of(
            codes.MICROGRAM_PER_GRAM
        )
    return [
        Measurement(
            name=codes.IRON,
            value=found.ug_per_g,
            unit=codes.MICROGRAM_PER_GRAM,
            algorithm_id=AlgorithmIdentification(
                name=f"{MANUFACTURER} iron",
                version=__version__,
                parameters=[plain(numbers.iron_in_words(context, found))],
            ),
            properties=uncertainty,
        )
    ]


def _against(context: ProductContext, measured: MeasuredRegion) -> list[Code]:
    """What speaks against a region, and why an estimate of it is missing."""
    found = numbers.iron_in(context, measured)
    missing = [codes.NO_IRON] if found is not None and found.ug_per_g is None else []
    return [*(codes.REGION_ISSUES[issue.kind] for issue in measured.issues), *missing]


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
        name=codes.SUSCEPTIBILITY, value=statistics.stated(value), unit=codes.PPB, derivation=derivation
    )


def _algorithm(context: ProductContext) -> AlgorithmIdentification:
    return AlgorithmIdentification(
        name=f"qsmnode {context.recipe.version}", version=__version__, parameters=parameters(context)
    )


def parameters(context: ProductContext) -> list[str]:
    """Everything that decided about the numbers, one text each."""
    stack = context.source.stack
    lines = [
        f"reference: {statistics.reference_statement(context.maps)}",
        "unit: ppb; stored values of the QSM series are whole ppb",
        f"echo times: {', '.join(f'{1000 * time:.6g}' for time in stack.echo_times_s)} ms",
        f"imaging frequency: {stack.imaging_frequency_mhz:.9g} MHz",
        f"source series: {context.source.template.get('SeriesInstanceUID', 'not stated')}",
        f"source content sha256: {context.source.content_sha256}",
        f"recipe: {context.recipe.version}, sha256 {context.recipe.hash}",
        *(f"{step}: {_in_words(chosen)}" for step, chosen in context.recipe.as_mapping().items()),
    ]
    if context.transforms:
        lines.append(f"Fourier transforms: {context.transforms}")
    return [plain(line) for line in lines]


def _in_words(chosen: Any) -> str:
    if not isinstance(chosen, Mapping):
        return str(chosen)
    others = ", ".join(f"{name}={value}" for name, value in chosen.items() if name != "method")
    return f"{chosen.get('method', '')} {others}".strip()
