"""What a product says when a late image made it anew: which revision it is, and which one it replaces.

Nothing that was sent is called back: the earlier product stays where it is, and the new one names it. So does
a map that became possible after its acquisition had been refused: its images name the page, its report the
report of the refusal.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom import Dataset, Sequence

REFUSAL_REPORT, REFUSAL_PAGE = "refusal-report", "refusal-page"
"""The products of a refusal."""


@dataclass(frozen=True)
class Replaced:
    """A product of the revision before, or of a refusal: its series and the first of its objects."""

    series_uid: str
    sop_class_uid: str
    sop_instance_uid: str


def titled(description: str, revision: int) -> str:
    """A SeriesDescription that tells revisions apart in a list of series."""
    return f"{description}, revision {revision}" if revision > 1 else description


def name_series(made: Dataset, *replaced: Replaced | None) -> None:
    """Related Series Sequence (PS3.3 C.7.3.1): the series of images that this one replaces."""
    items = []
    for one in filter(None, replaced):
        item = Dataset()
        item.StudyInstanceUID = made.StudyInstanceUID
        item.SeriesInstanceUID = one.series_uid
        item.PurposeOfReferenceCodeSequence = Sequence([])
        items.append(item)
    if items:
        made.RelatedSeriesSequence = Sequence(items)


def name_document(made: Dataset, *replaced: Replaced | None) -> None:
    """Predecessor Documents Sequence (PS3.3 C.17.2): the reports that this one replaces, all of one study."""
    items = [_series(one) for one in filter(None, replaced)]
    if items:
        study = Dataset()
        study.StudyInstanceUID = made.StudyInstanceUID
        study.ReferencedSeriesSequence = Sequence(items)
        made.PredecessorDocumentsSequence = Sequence([study])


def _series(replaced: Replaced) -> Dataset:
    document, series = Dataset(), Dataset()
    document.ReferencedSOPClassUID = replaced.sop_class_uid
    document.ReferencedSOPInstanceUID = replaced.sop_instance_uid
    series.SeriesInstanceUID = replaced.series_uid
    series.ReferencedSOPSequence = Sequence([document])
    return series
