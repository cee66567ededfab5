"""The report: a Comprehensive 3D SR after TID 1500 with the whole brain's susceptibility and how it was made.

The whole-brain group is TID 1501 (Measurement Group) that refers to the images it was measured in: TID 1410
and 1411 need a segmentation or coordinates to point at, and the brain mask is sent as neither. There is no
image library: it would repeat the header of every slice, which the referenced QSM images hold already. The
QSM images are the evidence; they name the scanner's images they were made from, slice by slice.
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
    MeasurementsAndQualitativeEvaluations,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import Comprehensive3DSRStorage

from qsmnode import __version__
from qsmnode.errors import NotEligible
from qsmnode.measure import statistics
from qsmnode.products import codes, document, qsm_series
from qsmnode.products.context import Plan, ProductContext
from qsmnode.products.identity import MANUFACTURER, plain
from qsmnode.products.revision import REFUSAL_REPORT, name_document, titled

NAME = "report"
NEEDS = (qsm_series.NAME,)
_DECIMALS = 3


def series_uid(context: ProductContext) -> str:
    """The series that holds it."""
    return context.uid(NAME, "series")


def plan(context: ProductContext) -> Plan:
    """What the document will be called."""
    return Plan(
        series_uid=series_uid(context),
        series_number=context.series_number(2),
        sop_class_uid=str(Comprehensive3DSRStorage),
        sop_instance_uids=(context.uid(NAME, "document"),),
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
        evidence=images,
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
    if context.findings:
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


def _content(context: ProductContext, images: list[Dataset]) -> Dataset:
    """TID 1500; its qualitative evaluations say what a reader must know that has no coded measurement."""
    measured = () if context.withheld else context.measurements
    groups = [_group(context, item, images) for item in measured]
    words = [document.text(name, line) for name, line in remarks(context)]
    reasons = [document.reason(finding) for finding in context.findings]
    return document.root(context, groups, [*words, *reasons])


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
        tracking_identifier=TrackingIdentifier(
            uid=context.uid(NAME, measured.name), identifier=plain(measured.name)
        ),
        finding_category=codes.ANATOMICAL_STRUCTURE,
        finding_type=codes.BRAIN,
        finding_sites=[FindingSite(codes.BRAIN)],
        algorithm_id=_algorithm(context),
        measurements=[
            *(_susceptibility(value, derivation) for value, derivation in _statistics(measured)),
            Measurement(name=codes.VOLUME, value=_rounded(measured.volume_ml), unit=codes.CUBIC_CENTIMETRE),
        ],
        source_images=[
            SourceImageForMeasurementGroup(images[index].SOPClassUID, images[index].SOPInstanceUID)
            for index in inside
        ],
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
