"""Nuclei of a head whose nuclei are known, and of heads that must have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from qsmnode.engine.types import Grid, Maps
from qsmnode.measure.nuclei import available, find_nuclei
from qsmnode.measure.regions import Region, measure_regions
from qsmnode.measure.structures import REGION_OF_INTEREST
from tests.measure.nuclei.painted import TIMES_S, Painted, painted

# at 1.5 mm these are a few voxels thick
LEAST = {"subthalamic nucleus": 0.65, "substantia nigra": 0.72, "red nucleus": 0.75}


@pytest.fixture(scope="module")
def head() -> Painted:
    return painted()


@pytest.fixture(scope="module")
def found(head: Painted) -> tuple[Region, ...]:
    return find_nuclei(head.maps, head.affine, head.magnitude, TIMES_S)


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


def _why(regions: tuple[Region, ...]) -> set[str]:
    return {region.refused.kind if region.refused else "" for region in regions}


def test_every_nucleus_is_there_once_with_a_code_and_what_it_is_worth(found: tuple[Region, ...]) -> None:
    assert available() == ""
    assert [region.number for region in found] == list(range(1, 17))
    assert [region.title for region in found[:10]] == [
        f"{name} {side}"
        for name in (
            "caudate",
            "putamen",
            "globus pallidus",
            "external globus pallidus",
            "internal globus pallidus",
        )
        for side in ("left", "right")
    ]
    assert all(region.experimental and region.automatic for region in found)
    assert all(region.structure != REGION_OF_INTEREST for region in found)


def test_nuclei_are_where_they_were_painted(head: Painted, found: tuple[Region, ...]) -> None:
    given = [region for region in found if region.refused is None]
    assert len(given) >= 12
    for region in given:
        if "ternal" in region.name:
            continue
        truth = head.label(region.name, region.side)
        assert _overlap(region.mask, truth) > LEAST.get(region.name, 0.8), region.title
        mean = 1000 * float(head.maps.susceptibility[region.mask].mean())
        assert mean == pytest.approx(1000 * float(head.maps.susceptibility[truth].mean()), abs=8), (
            region.title
        )


def test_both_parts_of_the_pallidus_make_up_the_whole(found: tuple[Region, ...]) -> None:
    for side in ("left", "right"):
        whole, outer, inner = (
            next(region for region in found if region.title == f"{name} {side}")
            for name in ("globus pallidus", "external globus pallidus", "internal globus pallidus")
        )
        np.testing.assert_array_equal(whole.mask, outer.mask | inner.mask)
        assert not (outer.mask & inner.mask).any()


def test_the_same_again_is_the_same_to_the_last_voxel(head: Painted, found: tuple[Region, ...]) -> None:
    """On any number of threads."""
    usual = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1 if usual > 1 else 2)
    try:
        again = find_nuclei(head.maps, head.affine, head.magnitude, TIMES_S)
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(usual)
    assert [region.digest for region in again] == [region.digest for region in found]


def test_what_lies_outside_the_field_of_view_is_absent(head: Painted) -> None:
    """The slab ends in the midbrain: what is below has a reason, what is above its numbers."""
    labels = head.label("red nucleus", "left") | head.label("red nucleus", "right")
    middle = round(float(np.argwhere(labels)[:, 2].mean()))
    mask = head.maps.mask.copy()
    mask[:, :, : middle + 2] = False
    regions = find_nuclei(replace(head.maps, mask=mask), head.affine, head.magnitude, TIMES_S)
    by_title = {region.title: region for region in regions}
    for side in ("left", "right"):
        low, high = by_title[f"substantia nigra {side}"], by_title[f"putamen {side}"]
        assert low.refused is not None
        assert low.refused.kind in ("outside_view", "cut")
        assert high.refused is None
    measured = measure_regions(replace(head.maps, mask=mask), regions)
    assert all(one.measurement is None for one in measured if one.region.refused)


def _opposite(head: Painted) -> Maps:
    return head.with_values(-head.maps.susceptibility)


def _noise(head: Painted) -> Maps:
    random = np.random.default_rng(0).normal(0, 0.02, head.maps.mask.shape)
    return head.with_values(random.astype(np.float32))


def _broken(head: Painted) -> Maps:
    return head.with_values(np.full(head.maps.mask.shape, np.nan, np.float32))


@pytest.mark.parametrize("other", [_opposite, _noise, _broken])
def test_a_map_without_nuclei_has_reasons_and_no_number(head: Painted, other: object) -> None:
    regions = find_nuclei(other(head), head.affine, head.magnitude, TIMES_S)  # type: ignore[operator]
    assert "" not in _why(regions)
    assert all(region.refused and region.refused.words for region in regions)


def test_voxels_too_large_and_brains_too_small_are_not_looked_at(head: Painted) -> None:
    grid = Grid(head.maps.grid.shape, (1.0, 1.0, 3.0))
    coarse = find_nuclei(replace(head.maps, grid=grid), head.affine)
    assert {region.refused.words for region in coarse if region.refused} == {
        "voxels of 3.0 mm are too large for nuclei (limit 2.5 mm)"
    }
    empty = find_nuclei(replace(head.maps, mask=np.zeros_like(head.maps.mask)), head.affine)
    assert _why(empty) == {"not_found"}
    assert len(empty) == 16


def test_a_mask_of_single_voxels_and_a_registration_that_breaks_off_are_reasons(
    head: Painted, monkeypatch: pytest.MonkeyPatch
) -> None:
    scattered = head.maps.mask & (np.indices(head.maps.mask.shape).sum(axis=0) % 4 == 0)
    assert _why(find_nuclei(replace(head.maps, mask=scattered), head.affine)) == {"not_found"}

    def broken(*_: object) -> None:
        raise RuntimeError("All samples map outside moving image buffer")

    monkeypatch.setattr(sitk.ImageRegistrationMethod, "Execute", broken)
    regions = find_nuclei(head.maps, head.affine, head.magnitude, TIMES_S)
    assert {region.refused.words for region in regions if region.refused} == {
        "the nuclei's pattern was found nowhere in this map"
    }
