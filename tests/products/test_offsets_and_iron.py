"""Reference offsets and estimates of iron: equal in every product, words where there is no number."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from pydicom.sr.coding import Code

from qsmnode.errors import Finding
from qsmnode.measure.regions import Region, measure_regions
from qsmnode.measure.structures import named
from qsmnode.products import codes, nifti, report_sr, table
from qsmnode.products.context import ProductContext
from qsmnode.products.registry import PRODUCTS
from qsmnode.products.storage import write
from tests.products.regions import box, with_regions

Make = Callable[..., ProductContext]
FLUID = {"reference_csf_offset_ppm": 0.0123456}
HELD = Finding("streaks", "withhold", "", "streaks of 9 %")


@pytest.fixture
def regions(context: Make) -> Callable[..., ProductContext]:
    """regions(quality, iron=False) -> with the usual regions; a caudate nucleus below zero among them."""

    def make(quality: dict[str, float], iron: bool = False) -> ProductContext:
        plain = context(maps={"quality": quality})
        chi = plain.maps.susceptibility.copy()
        below = box(chi.shape, (7, 9), (1, 3), (1, 3))
        chi[below] = -0.030
        maps = replace(plain.maps, susceptibility=chi)
        changed = with_regions(maps, plain.measurements)
        (caudate,) = measure_regions(
            maps, [Region("caudate nucleus", "right", 20, below, named("caudate nucleus"), "a reader")]
        )
        changed["regions"] = (*changed["regions"], caudate)
        changed["measurements"] = (*changed["measurements"], caudate.measurement)
        return replace(plain, maps=maps, iron=iron, **changed)

    return make


def held(made: ProductContext) -> ProductContext:
    return replace(made, source=replace(made.source, findings=(HELD,)))


def groups_of(made: ProductContext, folder: Path) -> dict[str, Any]:
    content = highdicom.sr.srread(write(report_sr.build(made), folder, "report")[0]).content
    found = [*content.get_image_measurement_groups(), *content.get_volumetric_roi_measurement_groups()]
    return {str(group.tracking_uid): group for group in found}


def tables(made: ProductContext, folder: Path) -> tuple[list[dict[str, str]], dict[str, Any]]:
    csv_path, json_path = table.write(made, folder)
    with csv_path.open(newline="") as stream:
        return list(csv.DictReader(stream)), json.loads(json_path.read_text())


def words_of(made: ProductContext) -> str:
    (report,) = report_sr.build(made)
    return "\n".join(str(item.get("TextValue", "")) for item in report.ContentSequence[-1].ContentSequence)


def measured(group: Any, name: Code) -> list[Any]:
    return [item for item in group.get_measurements() if item.name.value == name.value]


def test_offsets_are_equal_in_report_and_tables(regions: Any, tmp_path: Path) -> None:
    made = regions(FLUID)
    rows, told = tables(made, tmp_path)
    brain = next(iter(groups_of(made, tmp_path).values()))
    listed = {
        row["region"].removeprefix("reference offset: "): row
        for row in rows
        if row["kind"] == "reference offset"
    }
    assert list(listed) == list(codes.OFFSETS) == ["whole brain", "cerebrospinal fluid"]
    for one in told["reference_offsets"]:
        (stated,) = measured(brain, codes.OFFSETS[one["reference"]])
        assert stated.value == one["offset_ppb"] == float(listed[one["reference"]]["mean_ppb"])
        assert (stated.unit.value, told["unit"], listed[one["reference"]]["unit"]) == ("[ppb]", "ppb", "ppb")
        assert [site.value.value for site in stated.finding_sites] == [one["code"]]
        assert one["status"] == listed[one["reference"]]["status"] == "measured"
        assert one["reference"] in one["meaning"] == listed[one["reference"]]["meaning"]
        assert f"{one['reference']} relative to the zero of the scale: {one['offset_ppb']:g} ppb" in words_of(
            made
        )
    assert told["reference_offsets"][1]["offset_ppb"] == 12.346
    assert told["reference_offsets"][0]["offset_ppb"] == told["regions"][0]["mean_ppb"]
    assert nifti.result_of(made).echo_times_s == made.echo_times_s
    assert tables(nifti.result_of(made), tmp_path / "n")[1]["reference_offsets"] == told["reference_offsets"]


def test_fluid_that_was_not_found_is_words_and_no_number(regions: Any, tmp_path: Path) -> None:
    made = regions({})
    rows, told = tables(made, tmp_path)
    brain = next(iter(groups_of(made, tmp_path).values()))
    assert measured(brain, codes.OFFSETS["cerebrospinal fluid"]) == []
    assert (rows[-1]["mean_ppb"], rows[-1]["status"]) == ("", "absent")
    assert "no fluid" in rows[-1]["issues"]
    assert told["reference_offsets"][1]["offset_ppb"] is None
    assert "cerebrospinal fluid relative to the zero of the scale: not known: no fluid" in words_of(made)


def test_iron_stands_nowhere_unless_asked_for(regions: Any, tmp_path: Path) -> None:
    made = regions(FLUID)
    assert "iron" not in report_sr.build(made)[0].to_json().lower()
    rows, told = tables(made, tmp_path)
    assert not [name for row in (*rows, *told["regions"]) for name in row if "iron" in name]
    asked = regions(FLUID, iron=True)
    changed = {name for name, one in PRODUCTS.items() if one.series_uid(made) != one.series_uid(asked)}
    assert changed == {"report", "page"}


def test_iron_is_equal_in_report_and_tables_and_only_in_nuclei(regions: Any, tmp_path: Path) -> None:
    made = regions(FLUID, iron=True)
    rows, told = tables(made, tmp_path)
    groups = groups_of(made, tmp_path)
    by_uid = {row["tracking_uid"]: row for row in rows if row["kind"] == "region"}
    found = []
    for row in told["regions"]:
        group = groups.get(row["tracking_uid"])
        stated = [] if group is None else measured(group, codes.IRON)
        if row["iron_ug_g"] is None:
            assert not stated
            assert by_uid[row["tracking_uid"]]["iron_ug_g"] == ""
            continue
        found.append(row["region"])
        (item,) = stated
        assert item.value == row["iron_ug_g"] == float(by_uid[row["tracking_uid"]]["iron_ug_g"])
        assert item.value == pytest.approx(row["mean_ppb"] / 1.10, abs=6e-4)
        assert item.unit.value == "ug/g"
        sds = {
            (float(one.value), one.unit.value) for one in item[0].ContentSequence if one.ValueType == "NUM"
        }
        assert sds == {(row["iron_sd_ug_g"], "ug/g")}
        assert "mean of the whole brain" in item[0].to_json()
        assert "mean of the whole brain" in row["iron_note"]
    above = [row["region"] for row in told["regions"] if (row["mean_ppb"] or -1) >= 0]
    assert found == [name for name in above if name not in ("whole brain", "lesion left")] != []


def test_below_zero_there_is_a_reason_and_no_estimate(regions: Any, tmp_path: Path) -> None:
    made = regions(FLUID, iron=True)
    _, told = tables(made, tmp_path)
    row = next(row for row in told["regions"] if row["region"] == "caudate nucleus right")
    assert row["mean_ppb"] < 0
    assert (row["iron_ug_g"], row["iron_note"]) == (None, "no estimate: susceptibility below zero")
    group = groups_of(made, tmp_path)[row["tracking_uid"]]
    assert codes.NO_IRON.value in [item.value.value for item in group.get_qualitative_evaluations()]


def test_withheld_numbers_take_offsets_and_iron_with_them(regions: Any, tmp_path: Path) -> None:
    made = held(regions(FLUID, iron=True))
    rows, told = tables(made, tmp_path)
    assert not [name for row in (*rows, *told["regions"]) for name in row if "iron" in name]
    assert {one["offset_ppb"] for one in told["reference_offsets"]} == {None}
    assert {one["status"] for one in told["reference_offsets"]} == {"withheld"}
    said = report_sr.build(made)[0].to_json()
    assert "Iron" not in said
    assert "12.346" not in said
    assert groups_of(made, tmp_path) == {}


def test_validators_have_nothing_to_say(regions: Any, tmp_path: Path, dciodvfy: Any) -> None:
    made = regions(FLUID, iron=True)
    verdict = dciodvfy(write(report_sr.build(made), tmp_path, "report")[0])
    assert (verdict.errors, verdict.warnings) == ((), ())
    assert np.isfinite(made.maps.susceptibility).all()
