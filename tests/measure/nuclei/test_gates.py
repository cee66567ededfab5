"""Which nuclei may have numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qsmnode.measure.nuclei.atlas import PARTS
from qsmnode.measure.nuclei.gates import Evidence, judged

GOOD = Evidence(
    inside=1.0,
    voxels=500,
    voxel_ml=0.001,
    atlas_ml=1.0,
    volume_ml=0.5,
    overlap=0.8,
    before_ppb=100.0,
    last_ppb=104.0,
    contrast_ppb=80.0,
)


def _kinds(changes: dict[int, dict[str, float]]) -> dict[int, str]:
    found = [replace(GOOD, **changes.get(number, {})) for number in range(len(PARTS))]
    issues = judged(found)
    return {number: issue.kind for number, issue in enumerate(issues) if issue is not None}


def test_a_good_head_has_all_its_numbers() -> None:
    assert _kinds({}) == {}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"inside": 0.0}, "outside_view"),
        ({"inside": 0.89}, "cut"),
        ({"voxels": 7}, "not_found"),
        ({"contrast_ppb": 9.0}, "not_found"),
        ({"atlas_ml": 0.07}, "too_small"),
        ({"last_ppb": 116.0}, "estimates"),
        ({"overlap": 0.44}, "estimates"),
    ],
)
def test_what_speaks_against_one_does_not_speak_against_others(changes: dict[str, float], kind: str) -> None:
    assert _kinds({4: changes}) == {4: kind}


def test_size_is_judged_against_the_others_of_the_head() -> None:
    assert _kinds({4: {"volume_ml": 1.1}, 5: {"volume_ml": 1.1}}) == {4: "size", 5: "size"}
    assert _kinds({4: {"volume_ml": 0.24}, 5: {"volume_ml": 0.24}}) == {4: "size", 5: "size"}
    smaller = {number: {"volume_ml": 0.3} for number in range(len(PARTS))}
    assert _kinds(smaller) == {}
    assert set(_kinds({n: {"volume_ml": 0.1} for n in range(len(PARTS))}).values()) == {"not_found"}


def test_unequal_sides_have_both_no_number() -> None:
    assert _kinds({4: {"volume_ml": 0.8}, 5: {"volume_ml": 0.45}}) == {4: "sides", 5: "sides"}
    assert _kinds({4: {"volume_ml": 0.9}, 5: {"inside": 0.5}}) == {5: "cut"}, "one side alone is judged alone"
    assert _kinds({4: {"volume_ml": 1.1}}) == {4: "size"}, "here it can be told"


def test_a_head_of_which_most_is_refused_has_no_number_at_all() -> None:
    bad = {number: {"last_ppb": 150.0} for number in range(7)}
    found = _kinds(bad)
    assert len(found) == len(PARTS)
    assert found[11] == "not_found"
    # what lies outside the field of view is no sign of a bad registration
    away = {number: {"inside": 0.0} for number in range(7)}
    assert set(_kinds(away)) == set(range(7))
