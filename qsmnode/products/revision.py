"""What a product says when a late image made it anew: which revision it is, and which one it replaces.

Nothing that was sent is called back: the earlier product stays where it is, and the new one names it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset, Sequence


@dataclass(frozen=True)
class Replaced:
    """A product of the revision before: its series and the first of its objects."""

    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str


def titled(description: str, revision: int) -> str:
    """A SeriesDescription that tells revisions apart in a list of series."""
    return f"{description}, revision {revision}" if revision > 1 else description


def name_series(made: Dataset, replaced: Replaced | None) -> None:
    """Related Series Sequence (PS3.3 C.7.3.1): the series of images that this one replaces."""
    if replaced is None:
        return
    item = Dataset()
    item.StudyInstanceUID = made.StudyInstanceUID
    item.SeriesInstanceUID = replaced.series_uid
    item.PurposeOfReferenceCodeSequence = Sequence([])
    made.RelatedSeriesSequence = Sequence([item])


def name_document(made: Dataset, replaced: Replaced | None) -> None:
    """Predecessor Documents Sequence (PS3.3 C.17.2): the report that this one replaces."""
    if replaced is None:
        return
    document, series, study = Dataset(), Dataset(), Dataset()
    document.ReferencedSOPClassUID = replaced.sop_class_uid
    document.ReferencedSOPInstanceUID = replaced.sop_instance_uid
    series.SeriesInstanceUID = replaced.series_uid
    series.ReferencedSOPSequence = Sequence([document])
    study.StudyInstanceUID = made.StudyInstanceUID
    study.ReferencedSeriesSequence = Sequence([series])
    made.PredecessorDocumentsSequence = Sequence([study])
