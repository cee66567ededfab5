"""The tree of a report after TID 1500: who observed, of what procedure, coded reasons, words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    LanguageOfContentItemAndDescendants,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes as dictionary
from pydicom.sr.coding import Code

from qsmnode import __version__
from qsmnode.dicom.identity import derive_uid
from qsmnode.errors import Finding
from qsmnode.products import codes
from qsmnode.products.identity import MANUFACTURER, Origin, identified, plain

_IDENTITY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)


def root(origin: Origin, groups: Sequence[Any], evaluations: Iterable[Any]) -> Dataset:
    """The document's root container.

    Args:
        origin: what it is about.
        groups: of measurements; none: the document holds words and codes only.
        evaluations: content items of the qualitative evaluations.
    """
    language = LanguageOfContentItemAndDescendants(CodedConcept.from_code(codes.ENGLISH))
    observed = ObservationContext(observer_device_context=_device(origin.node))
    if groups:
        document: Any = MeasurementReport(
            observation_context=observed,
            procedure_reported=codes.BRAIN_MRI,
            imaging_measurements=groups,
            title=codes.MEASUREMENT_REPORT,
            language_of_content_item_and_descendants=language,
        )[0]
    else:  # the library's report insists on measurements; the template does not
        document = ContainerContentItem(name=codes.MEASUREMENT_REPORT, template_id="1500")
        procedure = CodeContentItem(
            name=dictionary.DCM.ProcedureReported,
            value=codes.BRAIN_MRI,
            relationship_type=RelationshipTypeValues.HAS_CONCEPT_MOD,
        )
        document.ContentSequence = ContentSequence([*language, *observed, procedure])
    container = ContainerContentItem(
        name=codes.QUALITATIVE_EVALUATIONS, relationship_type=RelationshipTypeValues.CONTAINS
    )
    container.ContentSequence = ContentSequence(list(evaluations))
    document.ContentSequence.append(container)
    made: Dataset = document
    return made


def text(name: Code, words: str) -> TextContentItem:
    """One line of words."""
    return TextContentItem(name=name, value=plain(words), relationship_type=RelationshipTypeValues.CONTAINS)


def reason(finding: Finding) -> CodeContentItem:
    """One reason: its code, and below it what was found and what was expected."""
    return coded(codes.REASONS[finding.check], f"{finding.severity}: {finding}")


def coded(issue: Code, words: str) -> CodeContentItem:
    """A quality issue: its code, and words below it."""
    item = CodeContentItem(
        name=codes.QUALITY_ISSUE,
        value=issue,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    item.ContentSequence = ContentSequence(
        [
            TextContentItem(
                name=codes.COMMENT,
                value=plain(words),
                relationship_type=RelationshipTypeValues.HAS_PROPERTIES,
            )
        ]
    )
    return item


def evidence(origin: Origin, sop_class_uid: str, sop_instance_uid: str, series_uid: str) -> Dataset:
    """An object by its names alone; identity is copied from the source, not through the library."""
    item = Dataset()
    item.StudyInstanceUID = origin.template.StudyInstanceUID
    item.SeriesInstanceUID = series_uid
    item.SOPClassUID = sop_class_uid
    item.SOPInstanceUID = sop_instance_uid
    for keyword in _IDENTITY:
        setattr(item, keyword, "")
    return item


def settle(report: Dataset, origin: Origin) -> None:
    """Identity and times as in every product: the library fills in the present and the images' equipment."""
    for element in identified(origin):
        report[element.tag] = element


def _device(node: str) -> ObserverContext:
    return ObserverContext(
        observer_type=dictionary.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=derive_uid("device", node),
            name=plain(node),
            manufacturer_name=MANUFACTURER,
            model_name=f"{MANUFACTURER} {__version__}",
        ),
    )
