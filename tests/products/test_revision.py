"""A product made anew says so, names the one it replaces, and is another object."""

from __future__ import annotations

from collections.abc import Callable

from pydicom import Dataset
from pydicom.uid import MRImageStorage

from qsmnode.products import qsm_series, report_sr
from qsmnode.products.context import ProductContext
from qsmnode.products.revision import Replaced

Make = Callable[..., ProductContext]

SERIES = Replaced("2.25.31", MRImageStorage, "2.25.32")
REPORT = Replaced("2.25.33", report_sr.Comprehensive3DSRStorage, "2.25.34")


def test_the_first_revision_names_nothing(context: Make) -> None:
    for made in (*qsm_series.SERIES.build(context()), *report_sr.build(context())):
        assert "RelatedSeriesSequence" not in made
        assert "PredecessorDocumentsSequence" not in made
        assert "revision" not in made.SeriesDescription


def test_a_later_revision_names_what_it_replaces_and_has_new_uids(context: Make) -> None:
    first = context()
    later = context(context={"revision": 3, "replaces": {"qsm": SERIES, "report": REPORT}})
    images, (report,) = qsm_series.SERIES.build(later), report_sr.build(later)
    before = {item.SOPInstanceUID for item in (*qsm_series.SERIES.build(first), *report_sr.build(first))}
    assert before.isdisjoint({item.SOPInstanceUID for item in (*images, report)})
    for made in (images[0], images[-1], report):
        assert made.SeriesDescription.endswith(", revision 3")
        assert len(made.SeriesDescription) <= 64
    for image in (images[0], images[-1]):
        (related,) = image.RelatedSeriesSequence
        assert related.StudyInstanceUID == image.StudyInstanceUID
        assert related.SeriesInstanceUID == SERIES.series_uid
    assert "replaces series 2.25.31" in images[0].DerivationDescription
    (study,) = report.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    (document,) = series.ReferencedSOPSequence
    assert (series.SeriesInstanceUID, document.ReferencedSOPInstanceUID) == ("2.25.33", "2.25.34")
    remarks = [text for _, text in report_sr.remarks(later)]
    assert "Revision 3: replaces qsm series 2.25.31" in remarks
    assert "Revision 3: replaces report series 2.25.33" in remarks


PAGE = Replaced("2.25.35", "1.2.840.10008.5.1.4.1.1.7", "2.25.36")
REFUSED = Replaced("2.25.37", report_sr.Comprehensive3DSRStorage, "2.25.38")


def _documents(report: Dataset) -> list[str]:
    (study,) = report.PredecessorDocumentsSequence
    assert study.StudyInstanceUID == report.StudyInstanceUID
    return [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in study.ReferencedSeriesSequence]


def test_a_map_after_a_refusal_names_the_refusal(context: Make) -> None:
    refused = {"refusal-report": REFUSED, "refusal-page": PAGE}
    later = context(context={"replaces": refused})
    (image, *_), (report,) = qsm_series.SERIES.build(later), report_sr.build(later)
    assert [item.SeriesInstanceUID for item in image.RelatedSeriesSequence] == ["2.25.35"]
    assert "replaces series 2.25.35" in image.DerivationDescription
    assert _documents(report) == ["2.25.38"]
    remarks = [text for _, text in report_sr.remarks(later)]
    assert "Revision 1: replaces refusal-report series 2.25.37" in remarks
    # the same images without a refusal make objects that name none: others
    first = context()
    assert report.SOPInstanceUID != report_sr.build(first)[0].SOPInstanceUID
    assert image.SOPInstanceUID != qsm_series.SERIES.build(first)[0].SOPInstanceUID


def test_a_map_after_a_map_and_a_refusal_names_both(context: Make) -> None:
    replaced = {"qsm": SERIES, "report": REPORT, "refusal-report": REFUSED, "refusal-page": PAGE}
    later = context(context={"revision": 3, "replaces": replaced})
    (image, *_), (report,) = qsm_series.SERIES.build(later), report_sr.build(later)
    assert [item.SeriesInstanceUID for item in image.RelatedSeriesSequence] == ["2.25.31", "2.25.35"]
    assert "replaces series 2.25.31 and 2.25.35" in image.DerivationDescription
    assert _documents(report) == ["2.25.34", "2.25.38"]
