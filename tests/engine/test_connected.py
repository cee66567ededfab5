"""Parts, holes, shrinking and reach of masks, against scipy's slower ways of finding the same."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qsmnode.engine.fourier import set_threads, threads
from qsmnode.engine.mask.connected import Connected
from qsmnode.engine.mask.morphology import dilated_mm, eroded_mm, filled, largest_part
from qsmnode.engine.mask.neighbours import shrunk, spread_by

MASKS = hnp.arrays(np.bool_, st.tuples(st.integers(1, 20), st.integers(1, 7), st.integers(1, 7)))
EDGES = st.tuples(*[st.sampled_from((0.5, 0.9, 1.0, 2.5))] * 3)


@settings(max_examples=60, deadline=None)
@given(MASKS, st.data())
def test_parts_are_those_that_touch_by_a_face(mask: np.ndarray, data: st.DataObject) -> None:
    labels, count = scipy.ndimage.label(mask)
    found = Connected(mask)
    np.testing.assert_array_equal(found.sizes, np.bincount(labels.reshape(-1), minlength=count + 1)[1:])
    keep = data.draw(hnp.arrays(np.bool_, count))
    np.testing.assert_array_equal(found.of(keep), np.append(False, keep)[labels])
    for axis in range(3):
        ends = np.unique(np.take(labels, (0, -1), axis=axis))
        np.testing.assert_array_equal(found.at_ends([axis]), np.isin(np.arange(1, count + 1), ends))


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_neighbours_by_face_shrink_and_spread(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(shrunk(mask), scipy.ndimage.binary_erosion(mask, border_value=1))
    np.testing.assert_array_equal(spread_by(mask), scipy.ndimage.binary_dilation(mask))


@settings(max_examples=60, deadline=None)
@given(MASKS, EDGES, st.sampled_from((0.4, 1.0, 2.0, 5.0)))
def test_reach_is_the_distance_between_centres(
    mask: np.ndarray, voxel_mm: tuple[float, float, float], radius_mm: float
) -> None:
    away = scipy.ndimage.distance_transform_edt
    near = away(~mask, sampling=voxel_mm) <= radius_mm if mask.any() else mask
    deep = away(mask, sampling=voxel_mm) > radius_mm if not mask.all() else mask
    np.testing.assert_array_equal(dilated_mm(mask, radius_mm, voxel_mm), near)
    np.testing.assert_array_equal(eroded_mm(mask, radius_mm, voxel_mm), deep)


def test_more_parts_than_a_table_holds_at_first() -> None:
    mask = np.indices((20, 20, 20)).sum(axis=0) % 2 == 0
    assert Connected(mask).sizes.tolist() == [1] * 4000


@pytest.mark.parametrize("count", [1, 2])
def test_a_large_mask_is_the_same_on_any_number_of_threads(count: int) -> None:
    mask = scipy.ndimage.gaussian_filter(np.random.default_rng(3).normal(size=(50, 40, 44)), 1.2) > 0
    labels, _ = scipy.ndimage.label(mask)
    before = threads()
    set_threads(count)
    try:
        largest, full = largest_part(mask), filled(mask)
    finally:
        set_threads(before)
    np.testing.assert_array_equal(largest, labels == 1 + np.argmax(np.bincount(labels[mask])[1:]))
    np.testing.assert_array_equal(full, scipy.ndimage.binary_fill_holes(mask))
