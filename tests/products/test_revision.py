"""A product made anew says so, names the one it replaces, and is another object."""

from __future__ import annotations

from collections.abc import Callable

from qsmnode.products import qsm_series, report_sr
from qsmnode.products.context import ProductContext
from qsmnode.products.revision import Replaced

Make = Callable[..., ProductContext]

SERIES = Replaced("2.25.31", qsm_series.MRImageStorage, "2.25.32")
REPORT = Replaced("2.25.33", report_sr.Comprehensive3DSRStorage, "2.25.34")


def test_the_first_revision_names_nothing(context: Make) -> None:
    for made in (*qsm_series.build(context()), *report_sr.build(context())):
        assert "RelatedSeriesSequence" not in made
        assert "PredecessorDocumentsSequence" not in made
        assert "revision" not in made.SeriesDescription


def test_a_later_revision_names_what_it_replaces_and_has_new_uids(context: Make) -> None:
    first = context()
    later = context(context={"revision": 3, "replaces": {"qsm": SERIES, "report": REPORT}})
    images, (report,) = qsm_series.build(later), report_sr.build(later)
    before = {item.SOPInstanceUID for item in (*qsm_series.build(first), *report_sr.build(first))}
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
