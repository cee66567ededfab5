"""The refusal as a Comprehensive 3D SR: coded reasons, what was expected and found, and no measurement."""

from __future__ import annotations

from highdicom.sr import Comprehensive3DSR
from pydicom import Dataset

from qsmnode.products import codes, document
from qsmnode.products.identity import MANUFACTURER
from qsmnode.products.refusal import STATEMENT, RefusalContext
from qsmnode.products.revision import REFUSAL_REPORT

NAME = REFUSAL_REPORT


def series_uid(context: RefusalContext) -> str:
    """The series that holds it."""
    return context.uid(NAME, "series")


def build(context: RefusalContext) -> list[Dataset]:
    """The document, ready to be written."""
    evidence = [
        document.evidence(context, source.sop_class_uid, source.sop_instance_uid, source.series_uid)
        for source in context.sources
    ]
    lines = [
        document.text(codes.COMMENT, "Research use, not for diagnosis."),
        document.text(codes.COMMENT, STATEMENT),
        document.text(codes.COMMENT, f"Acquisition: {context.description}"),
    ]
    reasons = [document.reason(finding) for finding in context.findings]
    report = Comprehensive3DSR(
        evidence=evidence,
        content=document.root(context, [], [*lines, *reasons]),
        series_instance_uid=series_uid(context),
        series_number=context.series_number(3),
        sop_instance_uid=context.uid(NAME, "document"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description="QSM refused: reasons (research use)",
    )
    report.CodingSchemeIdentificationSequence = codes.scheme_identification()
    document.settle(report, context)
    return [report]
