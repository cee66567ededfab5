"""Report, segmentation and tables of one set of regions hold the same numbers, however they are read."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes as dictionary

from qsmnode.errors import Finding
from qsmnode.measure.regions import REPEATABILITY
from qsmnode.products import nifti, qsm_series, report_sr, segmentation, table
from qsmnode.products.context import ProductContext
from qsmnode.products.registry import PRODUCTS, usual
from qsmnode.products.storage import write
from tests.products.regions import MEASURED, with_regions

Make = Callable[..., ProductContext]
NAMES = {
    "373098007": "mean_ppb",
    "386136009": "sd_ppb",
    "373099004": "median_ppb",
    "371888009": "p5_ppb",
    "371889001": "p95_ppb",
}
NUMBERS = ("volume_ml", *NAMES.values())


@pytest.fixture
def regions(context: Make) -> ProductContext:
    plain = context()
    return context(context=with_regions(plain.maps, plain.measurements))


@pytest.fixture
def withheld(context: Make, made: Any) -> ProductContext:
    plain = context()
    source = replace(made.source(), findings=(Finding("streaks", "withhold", "", "streaks of 9 %"),))
    return context(context={**with_regions(plain.maps, plain.measurements), "source": source})


def objects(made: ProductContext, folder: Path) -> dict[str, list[Path]]:
    return {name: write(PRODUCTS[name].build(made), folder, name) for name in usual(made)}


def of_report(path: Path) -> dict[str, dict[str, float]]:
    """Numbers by tracking UID, as highdicom reads them."""
    content = highdicom.sr.srread(path).content
    groups = [*content.get_image_measurement_groups(), *content.get_volumetric_roi_measurement_groups()]
    found = {}
    for group in groups:
        chi = group.get_measurements(name=dictionary.DCM.MagneticSusceptibility)
        (volume,) = group.get_measurements(name=dictionary.SCT.Volume)
        numbers = {NAMES[item.derivation.value]: float(item.value) for item in chi}
        found[str(group.tracking_uid)] = {"volume_ml": float(volume.value), **numbers}
    return found


def of_rows(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    return {
        row["tracking_uid"]: {name: float(row[name]) for name in NUMBERS}
        for row in rows
        if row["mean_ppb"] not in (None, "") and row.get("kind", "region") == "region"
    }


def test_report_segmentation_and_both_tables_say_the_same(regions: ProductContext, tmp_path: Path) -> None:
    paths = objects(regions, tmp_path)
    csv_path, json_path = table.write(regions, tmp_path)
    from_report = of_report(paths["report"][0])
    assert len(from_report) == 1 + len(MEASURED)
    with csv_path.open(newline="") as stream:
        assert of_rows(list(csv.DictReader(stream))) == from_report
    assert of_rows(json.loads(json_path.read_text())["regions"]) == from_report

    segments = highdicom.seg.segread(paths["segmentation"][0])
    assert [str(one.TrackingUID) for one in segments.SegmentSequence] == list(from_report)
    uids = qsm_series.SERIES.plan(regions).sop_instance_uids
    inside = segments.get_pixels_by_source_instance(source_sop_instance_uids=uids).astype(bool)
    stored = np.stack([pydicom.dcmread(path).pixel_array for path in paths["qsm"]])
    for index, numbers in enumerate(from_report.values()):
        values = stored[inside[..., index]]
        volume = values.size * regions.maps.grid.voxel_volume_mm3 / 1000
        assert numbers["volume_ml"] == pytest.approx(volume, abs=5.1e-4)
        assert numbers["mean_ppb"] == pytest.approx(values.mean(), abs=0.51), "stored in whole ppb"


def test_a_group_names_its_region_and_points_at_its_segment(regions: ProductContext, tmp_path: Path) -> None:
    report = highdicom.sr.srread(write(report_sr.build(regions), tmp_path, "report")[0])
    groups = report.content.get_volumetric_roi_measurement_groups()
    assert [group.tracking_identifier for group in groups] == [*MEASURED[:3], "CCM-1"]
    assert [group.finding_type.value for group in groups] == ["14738005", "14738005", "ST-101", "ST-199"]
    sides = [site.laterality for group in groups for site in group.finding_sites]
    assert [side and side.meaning for side in sides] == ["Left", "Right", None, "Left"]
    planned = segmentation.plan(regions)
    for number, group in enumerate(groups, start=2):
        pointed_at = group.referenced_segment
        assert pointed_at.referenced_sop_instance_uid == planned.sop_instance_uids[0]
        assert pointed_at.referenced_segment_numbers == [number]
    assert planned.series_uid in {str(item[1]) for item in report.get_evidence()}


def test_what_speaks_against_a_region_stands_in_codes_and_words(regions: ProductContext) -> None:
    (report,) = report_sr.build(regions)
    issues = _issues(report)
    assert sorted(issues) == [
        ("RG-101", "thalamus right: no voxel was drawn"),
        ("RG-103", "putamen: it lies wholly outside the map's mask"),
        ("RG-201", "lesion left: 25 % of it lie outside the map (limit 10 %)"),
        ("RG-301", "globus pallidus right: drawn by an experimental method: a reader"),
    ]
    assert report.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99QSMNODE"
    assert any(str(REPEATABILITY) in line for line in _texts(report))
    in_groups = str(report.ContentSequence[-2])
    assert "RG-201" in in_groups
    assert "RG-301" in in_groups
    assert "RG-101" not in in_groups, "a region without numbers has no group"


def test_numbers_that_are_withheld_stay_so_everywhere(withheld: ProductContext, tmp_path: Path) -> None:
    paths = objects(withheld, tmp_path)
    report = highdicom.sr.srread(paths["report"][0])
    assert "NumericValue" not in str(report)
    assert "MeasuredValueSequence" not in report.to_json()
    assert segmentation.plan(withheld).series_uid not in {str(item[1]) for item in report.get_evidence()}
    found = table.rows(withheld)
    assert [row["status"] for row in found] == ["withheld"] * 5 + ["absent"] * 2
    assert all(row[name] is None for row in found for name in NUMBERS)


def test_the_tables_say_what_their_numbers_are(regions: ProductContext, tmp_path: Path) -> None:
    csv_path, json_path = table.write(regions, tmp_path / "a")
    told = json.loads(json_path.read_text())
    assert (told["unit"], told["repeatability_same_site_ppb"]) == ("ppb", 6.5)
    assert "mean of the whole brain" in told["reference"]
    assert (told["recipe"], told["recipe_sha256"]) == ("default/3", "ab" * 32)
    assert told["software"].startswith("qsmnode ")
    with csv_path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows, references = rows[:-2], rows[-2:]
    assert [row["kind"] for row in references] == ["reference offset"] * 2
    assert [row["status"] for row in rows] == ["measured", "measured", "flagged", "measured", "flagged"] + [
        "absent"
    ] * 2
    assert all(row["unit"] == "ppb" and row["recipe_sha256"] == "ab" * 32 for row in rows)
    assert (rows[5]["issues"], rows[5]["mean_ppb"]) == ("it lies wholly outside the map's mask", "")
    assert "ller" not in csv_path.read_text() + json_path.read_text(), "no patient"
    again = table.write(regions, tmp_path / "b")
    assert [path.read_bytes() for path in again] == [csv_path.read_bytes(), json_path.read_bytes()]


def test_the_sidecar_of_nifti_files_says_what_speaks_against_regions(
    regions: ProductContext, tmp_path: Path
) -> None:
    nifti.write(regions, tmp_path)
    told = json.loads((tmp_path / nifti.SIDECAR).read_text("utf-8"))
    assert "putamen: it lies wholly outside the map's mask" in told["Warnings"]
    assert [item["name"] for item in told["Measurements_ppb"]] == ["whole brain", *MEASURED]


def test_regions_change_the_names_of_what_holds_them_only(regions: ProductContext, context: Make) -> None:
    plain = context()
    changed = {name for name, one in PRODUCTS.items() if one.series_uid(plain) != one.series_uid(regions)}
    assert changed == {"report", "segmentation", "page"}
    first, second = report_sr.build(regions)[0], report_sr.build(regions)[0]
    assert first == second


def test_validators_have_nothing_to_say(
    regions: ProductContext, tmp_path: Path, dciodvfy: Any, dcentvfy: Any
) -> None:
    paths = objects(regions, tmp_path)
    for name in ("report", "segmentation"):
        verdict = dciodvfy(paths[name][0])
        assert (verdict.errors, verdict.warnings) == ((), ())
    study = dcentvfy([path for name in ("qsm", "report", "segmentation") for path in paths[name]])
    same = "Warning - Different information entities for attribute - "  # of equal values, see test_validators
    assert (study.errors, [line for line in study.warnings if not line.startswith(same)]) == ((), [])


@pytest.mark.peers("dcmtk")
def test_dcmtk_reads_the_same_numbers(regions: ProductContext, tmp_path: Path) -> None:
    (path,) = write(report_sr.build(regions), tmp_path, "report")
    dumped = subprocess.run(
        ["/usr/bin/dsrdump", "+Pc", path], capture_output=True, text=True, errors="replace", check=True
    )
    assert dumped.stderr == ""
    for row in table.rows(regions):
        if row["mean_ppb"] is not None:
            assert row["tracking_uid"] in dumped.stdout
            for name in NUMBERS:
                assert f'"{row[name]:g}"' in dumped.stdout or f'"{row[name]}"' in dumped.stdout, (name, row)


def _texts(item: pydicom.Dataset) -> list[str]:
    found = [str(item.TextValue)] if "TextValue" in item else []
    return found + [text for child in item.get("ContentSequence", ()) for text in _texts(child)]


def _issues(report: pydicom.Dataset) -> list[tuple[str, str]]:
    """Coded quality issues of the report as a whole, with their words."""
    return [
        (str(item.ConceptCodeSequence[0].CodeValue), str(item.ContentSequence[0].TextValue))
        for item in report.ContentSequence[-1].ContentSequence
        if item.ValueType == "CODE"
    ]
