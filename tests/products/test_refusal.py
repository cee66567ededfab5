"""A refusal names its reasons by code and in words, and holds no number; withheld numbers are nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset

from qsmnode.config import SeveritySettings
from qsmnode.errors import Finding
from qsmnode.products import codes, nifti, qsm_series, refusal_page, refusal_report, report_sr
from qsmnode.products.context import ProductContext
from qsmnode.products.refusal import RefusalContext, SourceName
from qsmnode.products.storage import write

Make = Callable[..., ProductContext]
GAPS = Finding("gaps", "reject", "none", "gaps of 1.00 mm between slices of 2.00 mm")
DARK = Finding("magnitude", "reject", "", "magnitude images are empty")
TWO = Finding("echoes", "degraded", "at least 3", "two echoes")
STREAKS = Finding("streaks", "withhold", "at most 1.1", "streaks along the dipole's cone: 3")
MR = "1.2.840.10008.5.1.4.1.1.4"


def refusal(made: SimpleNamespace, *findings: Finding, **changes: Any) -> RefusalContext:
    return RefusalContext(
        template=made.source(**changes).template,
        sources=tuple(SourceName(MR, f"1.2.3.4.6.{number}", "1.2.3.4.5") for number in range(4)),
        findings=findings or (GAPS, DARK),
        description="series 7: 3D, 3 echoes, 7 slices, magnitude and phase",
        content_sha256="ef" * 32,
        created_at=datetime(2026, 3, 4, 12, 30, 15, 250000, UTC),
    )


def items(dataset: Dataset) -> Iterator[Dataset]:
    for item in dataset.get("ContentSequence", ()):
        yield item
        yield from items(item)


def coded_reasons(report: Dataset) -> list[tuple[str, str]]:
    """Value and scheme of each quality issue that has a code."""
    found = []
    for item in items(report):
        if item.ValueType == "CODE" and item.ConceptNameCodeSequence[0].CodeValue == "113010":
            code = item.ConceptCodeSequence[0]
            found.append((str(code.CodeValue), str(code.CodingSchemeDesignator)))
    return found


def test_the_report_holds_codes_what_was_found_and_expected_and_no_number(made: SimpleNamespace) -> None:
    (report,) = refusal_report.build(refusal(made))
    assert coded_reasons(report) == [("QA-104", "99QSMNODE"), ("QA-108", "99QSMNODE")]
    assert {item.ValueType for item in items(report)}.isdisjoint({"NUM", "SCOORD", "SCOORD3D"})
    words = report.to_json()
    assert "ppb" not in words
    assert "gaps of 1.00 mm between slices of 2.00 mm (expected none)" in words
    assert report.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99QSMNODE"
    assert "refused" in report.SeriesDescription
    assert (report.VerificationFlag, report.CompletionFlag) == ("UNVERIFIED", "COMPLETE")


def test_both_objects_belong_to_the_patients_study_and_say_who_made_them(made: SimpleNamespace) -> None:
    context = refusal(made)
    (report,), (page,) = refusal_report.build(context), refusal_page.build(context)
    for item in (report, page):
        assert str(item.PatientName) == "M\u00fcller^J\u00f6rg"
        assert (item.StudyInstanceUID, item.AccessionNumber) == ("1.2.3.4", "A17")
        assert item.Manufacturer == "qsmnode"
        assert item.ContentTime == "123015.250000"
    assert report.SeriesInstanceUID != page.SeriesInstanceUID
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert [str(one.ReferencedSOPInstanceUID) for one in evidence.ReferencedSOPSequence] == [
        f"1.2.3.4.6.{number}" for number in range(4)
    ]


def test_the_page_is_readable_and_names_nobody(made: SimpleNamespace) -> None:
    context = refusal(made)
    (page,) = refusal_page.build(context)
    picture = np.frombuffer(page.PixelData, np.uint8).reshape(page.Rows, page.Columns)
    assert np.array_equal(picture, refusal_page.picture(context))
    assert 0.002 < np.mean(picture > 100) < 0.2
    assert page.BurnedInAnnotation == "NO"
    words = [line for line, _ in refusal_page.lines(context, 25)]
    assert "QA-104  Gaps between slices" in words
    assert any("expected: none" in line for line in words)
    assert not any("ppb" in line or "P-1" in line or "ller" in line for line in words)
    assert all(item not in page.to_json() for item in ("ppb", "RealWorldValue"))


def test_more_reasons_than_fit_are_cut_and_said_to_be(made: SimpleNamespace) -> None:
    many = [Finding("other", "reject", "something else", f"reason {number} " * 20) for number in range(9)]
    words = [line for line, _ in refusal_page.lines(refusal(made, *many), 25)]
    assert len(words) == 25
    assert any("the report of the refusal says the rest" in line for line in words)
    assert "not for diagnosis" in words[-1]


def test_the_same_refusal_is_the_same_objects_and_another_reason_is_others(
    made: SimpleNamespace, tmp_path: Path
) -> None:
    for module in (refusal_report, refusal_page):
        first = write(module.build(refusal(made)), tmp_path / "a", module.NAME)[0]
        second = write(module.build(refusal(made)), tmp_path / "b", module.NAME)[0]
        assert first.read_bytes() == second.read_bytes()
        other = module.build(refusal(made, GAPS))[0]
        assert other.SOPInstanceUID != pydicom.dcmread(first).SOPInstanceUID


@pytest.mark.parametrize("variant", ["classic", "bare header", "many reasons"])
def test_dciodvfy_and_dcentvfy_find_no_error(
    made: SimpleNamespace, tmp_path: Path, dciodvfy: Any, dcentvfy: Any, variant: str
) -> None:
    bare = {"StudyTime": None, "StudyID": None, "AccessionNumber": None, "Manufacturer": None}
    every = (
        [Finding(check, "reject", "a", "b") for check in codes.REASONS] if variant == "many reasons" else []
    )
    context = refusal(made, *every, **(bare if variant == "bare header" else {}))
    report = write(refusal_report.build(context), tmp_path, "report")[0]
    page = write(refusal_page.build(context), tmp_path, "page")[0]
    for path, iod in ((report, "Comprehensive3DSR"), (page, "SCImage")):
        verdict = dciodvfy(path)
        assert verdict.iod == iod
        assert verdict.errors == ()
    assert dcentvfy([report, page]).errors == ()


def test_every_check_has_one_code_of_its_own() -> None:
    values = [code.value for code in codes.REASONS.values()]
    assert len(set(values)) == len(values)
    assert {code.scheme_designator for code in codes.REASONS.values()} == {"99QSMNODE"}
    assert all(len(code.value) <= 16 and len(code.meaning) <= 64 for code in codes.REASONS.values())
    assert set(SeveritySettings.model_fields) <= set(codes.REASONS)


def with_findings(context: Make, *findings: Finding, **more: Any) -> ProductContext:
    plain = context(**more)
    return replace(plain, source=replace(plain.source, findings=findings))


def test_a_warning_is_coded_in_the_report_beside_its_numbers(context: Make) -> None:
    (report,) = report_sr.build(with_findings(context, TWO))
    assert coded_reasons(report) == [("QA-202", "99QSMNODE")]
    assert "two echoes (expected at least 3)" in report.to_json()
    assert any(item.ValueType == "NUM" for item in items(report))
    assert report.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99QSMNODE"


def test_a_degraded_result_says_so_in_both_series(context: Make) -> None:
    made = with_findings(context, TWO)
    assert report_sr.build(made)[0].SeriesDescription == "QSM report DEGRADED (research use)"
    assert qsm_series.SERIES.build(made)[0].SeriesDescription == "QSM ppb DEGRADED (research use)"
    assert qsm_series.SERIES.build(context())[0].SeriesDescription == "QSM ppb (research use)"
    assert qsm_series.SERIES.series_uid(made) != qsm_series.SERIES.series_uid(context())


def test_withheld_numbers_are_nowhere(context: Make, tmp_path: Path) -> None:
    made = with_findings(
        context, STREAKS, maps={"quality": {"susceptibility_sd_ppm": 0.0421, "inversion_streak": 3.0}}
    )
    (report,) = report_sr.build(made)
    assert not [item for item in items(report) if item.ValueType == "NUM"]
    assert coded_reasons(report) == [("QA-308", "99QSMNODE")]
    assert "withheld" in report.to_json()
    assert "0.0421" not in report.to_json()
    assert "NUMBERS WITHHELD" in report.SeriesDescription
    assert nifti.describe(made)["Measurements_ppb"] == []
    assert nifti.describe(made)["Quality"] == {"inversion_streak": 3.0}
    assert nifti.write(made, tmp_path)


def test_a_withheld_report_is_valid(context: Make, tmp_path: Path, dciodvfy: Any) -> None:
    path = write(report_sr.build(with_findings(context, STREAKS, TWO)), tmp_path, "report")[0]
    assert dciodvfy(path).errors == ()


def test_what_could_not_be_measured_is_no_number(context: Make, tmp_path: Path) -> None:
    made = context(maps={"quality": {"field_residual": float("nan"), "phase_quality": float("inf")}})
    words = [text for _, text in report_sr.remarks(made)]
    assert "field_residual: could not be measured" in words
    assert not any("= nan" in text or "= inf" in text for text in words)
    assert nifti.describe(made)["Quality"] == {"field_residual": None, "phase_quality": None}
