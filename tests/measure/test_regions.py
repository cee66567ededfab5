from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmnode.engine.types import Grid, Maps
from qsmnode.errors import EngineInputError
from qsmnode.measure.regions import REPEATABILITY, Issue, MeasuredRegion, Region, measure_regions
from qsmnode.measure.statistics import stated
from qsmnode.measure.structures import REGION_OF_INTEREST, named

SHAPE = (12, 10, 8)


def maps(chi_ppm: np.ndarray | None = None, mask: np.ndarray | None = None) -> Maps:
    """One whose susceptibility in ppb is the voxel's place along X."""
    if mask is None:
        mask = np.zeros(SHAPE, dtype=bool)
        mask[1:-1, 1:-1, 1:-1] = True
    x = np.broadcast_to(np.arange(SHAPE[0])[:, None, None] / 1000, SHAPE).astype(np.float32)
    chi = np.where(mask, x if chi_ppm is None else chi_ppm, 0).astype(np.float32)
    return Maps(
        chi, mask, chi, chi, chi, Grid(SHAPE, (0.5, 1.0, 2.0)), reference="the mean of the whole brain"
    )


def box(*ranges: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[tuple(slice(*one) for one in ranges)] = True
    return mask


def region(mask: np.ndarray, number: int = 1, **changes: Any) -> Region:
    facts = {"name": "putamen", "side": "left", "structure": named("putamen"), "drawn_by": "a reader"}
    return Region(number=number, mask=mask, **{**facts, **changes})


def measured(mask: np.ndarray, result: Maps | None = None, **changes: Any) -> MeasuredRegion:
    (found,) = measure_regions(result or maps(), [region(mask, **changes)])
    return found


def kinds(found: MeasuredRegion) -> list[str]:
    return [issue.kind for issue in found.issues]


def test_a_box_has_the_statistics_of_its_closed_form() -> None:
    found = measured(box((2, 7), (3, 5), (2, 4)))
    assert found.measurement is not None
    assert found.measurement.mean_ppb == pytest.approx(4)
    assert found.measurement.sd_ppb == pytest.approx(np.sqrt(2))
    assert found.measurement.median_ppb == pytest.approx(4)
    assert (found.measurement.voxels, found.measurement.volume_ml) == (20, pytest.approx(0.02))
    assert found.measurement.name == found.title == "putamen left"
    assert found.issues == ()
    assert found.voxels.sum() == 20


def test_the_limits_are_2_77_standard_deviations() -> None:
    assert (REPEATABILITY.same_site_ppb, REPEATABILITY.across_sites_ppb) == (6.5, 11.5)


@pytest.mark.parametrize(
    ("mask", "changes", "kind", "words"),
    [
        (box((0, 0)), {}, "empty", "no voxel was drawn"),
        (box((0, 0)), {"drawn_voxels": 5, "beyond_voxels": 5}, "outside_view", "outside the field of view"),
        (box((0, 0)), {"drawn_voxels": 5, "beyond_voxels": 2}, "too_small", "smaller"),
        (box((0, 1), (3, 5), (3, 5)), {}, "outside_mask", "outside the map's mask"),
    ],
)
def test_a_region_without_a_number_says_why(
    mask: np.ndarray, changes: dict[str, Any], kind: str, words: str
) -> None:
    found = measured(mask, **changes)
    assert found.measurement is None
    assert kinds(found) == [kind]
    assert words in found.issues[0].words


def test_values_that_are_not_finite_are_left_out_and_flagged_or_leave_nothing() -> None:
    inside = box((2, 4), (3, 5), (3, 5))
    broken = maps()
    broken.susceptibility[2, 3, 3] = np.nan
    found = measured(inside, broken)
    assert found.measurement is not None
    assert (found.measurement.voxels, found.measurement.excluded_voxels) == (7, 1)
    assert kinds(found) == ["left_out"]
    assert not found.voxels[2, 3, 3]
    broken.susceptibility[inside] = np.nan
    nothing = measured(inside, broken)
    assert nothing.measurement is None
    assert kinds(nothing) == ["no_values"]


def test_a_region_cut_by_mask_slab_or_field_of_view_is_flagged_and_keeps_its_numbers() -> None:
    by_mask = measured(box((0, 4), (3, 5), (3, 5)))
    assert kinds(by_mask) == ["cut", "edge"]
    assert "25 %" in by_mask.issues[0].words
    assert by_mask.measurement is not None
    assert by_mask.measurement.mean_ppb == pytest.approx(2)
    assert by_mask.measurement.excluded_voxels == 4
    whole = maps(mask=np.ones(SHAPE, dtype=bool))
    assert kinds(measured(box((3, 5), (3, 5), (6, 8)), whole)) == ["edge"]
    inside = box((3, 5), (3, 5), (3, 5))
    assert kinds(measured(inside, drawn_voxels=10, beyond_voxels=1)) == []
    assert kinds(measured(inside, drawn_voxels=10, beyond_voxels=2)) == ["cut"]
    assert kinds(measured(inside, experimental=True)) == ["experimental"]


@pytest.mark.parametrize(
    ("regions", "words"),
    [
        ([region(np.ones((2, 2, 2), dtype=bool))], "'putamen left': expected a boolean mask of shape"),
        ([region(np.ones(SHAPE, dtype=np.uint8))], "uint8"),
        ([region(box((2, 3)), 1), region(box((3, 4)), 2)], "each title once, got 'putamen left'"),
        ([region(box((2, 3)), 1), region(box((3, 4)), 1, side="right")], "each number once, got 1"),
    ],
)
def test_regions_that_cannot_be_measured_are_refused(regions: list[Region], words: str) -> None:
    with pytest.raises(EngineInputError, match=words):
        measure_regions(maps(), regions)


@settings(deadline=None, max_examples=40)  # the machine may be busy
@given(st.permutations(range(1, 7)), st.integers(0, 2**32 - 1))
def test_numbers_and_order_of_labels_do_not_change_what_is_measured(order: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    drawn = random.integers(0, 7, SHAPE)
    result = maps(random.normal(0, 0.05, SHAPE))
    plain = [region(drawn == label, label, name=f"r{label}") for label in range(1, 7)]
    renamed = [replace(plain[old - 1], number=new) for new, old in enumerate(order, start=1)]
    expected = {item.title: (item.measurement, item.issues) for item in measure_regions(result, plain)}
    found = measure_regions(result, renamed[::-1])
    assert [item.region.number for item in found] == [1, 2, 3, 4, 5, 6]
    assert {item.title: (item.measurement, item.issues) for item in found} == expected


def test_who_drew_a_region_may_refuse_its_numbers_or_doubt_them() -> None:
    inside = box((3, 5), (3, 5), (3, 5))
    refused = measured(inside, refused=Issue("size", "9 times the atlas"), experimental=True)
    assert refused.measurement is None
    assert [issue.words for issue in refused.issues] == ["9 times the atlas"]
    doubted = measured(inside, doubts=(Issue("sides", "left is twice the right"),))
    assert doubted.measurement is not None
    assert kinds(doubted) == ["sides"]


def test_a_digest_follows_every_fact_and_every_voxel() -> None:
    mask = box((2, 4), (3, 5), (3, 5))
    same = region(mask).digest
    assert region(mask.copy()).digest == same
    others = [
        region(box((2, 4), (3, 5), (3, 6))),
        region(mask, 2),
        region(mask, side="right"),
        region(mask, structure=REGION_OF_INTEREST),
        region(mask, tracking_uid="1.2"),
    ]
    assert len({same, *(other.digest for other in others)}) == 6


def test_stated_numbers_have_three_decimals_and_no_negative_zero() -> None:
    assert (stated(1.23456), str(stated(-0.0001))) == (1.235, "0.0")
