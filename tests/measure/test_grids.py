from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmnode.measure.grids import Box, beyond, onto


def affine(spacing: tuple[float, float, float], origin: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    made = np.diag([*spacing, 1.0])
    made[:3, 3] = origin
    return made


def turned(degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    made = np.eye(4)
    made[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return made


LABELS = np.random.default_rng(4).integers(0, 5, (7, 6, 5)).astype(np.uint16)
GRID = affine((1.0, 2.0, 3.0), (-10.0, 4.0, 7.0))


@settings(deadline=None, max_examples=30)  # the machine may be busy
@given(st.floats(-180, 180), st.tuples(*[st.floats(-50, 50)] * 3))
def test_a_grid_lies_on_itself_however_it_is_turned(
    degrees: float, origin: tuple[float, float, float]
) -> None:
    placed = turned(degrees) @ affine((0.7, 1.1, 2.0), origin)
    np.testing.assert_array_equal(onto(LABELS, placed, Box(LABELS.shape, placed)), LABELS)
    assert beyond(LABELS > 0, placed, Box(LABELS.shape, placed)) == 0


def test_axes_may_be_swapped_and_turned_over() -> None:
    other = np.ascontiguousarray(LABELS.transpose(2, 0, 1)[::-1])
    swap = np.zeros((4, 4))
    swap[2, 0], swap[0, 1], swap[1, 2], swap[3, 3] = -1, 1, 1, 1
    swap[2, 3] = LABELS.shape[2] - 1
    np.testing.assert_array_equal(onto(other, GRID @ swap, Box(LABELS.shape, GRID)), LABELS)


def test_finer_labels_are_looked_up_where_the_voxels_centres_lie() -> None:
    fine = np.repeat(np.repeat(np.repeat(LABELS, 3, 0), 3, 1), 3, 2)
    third = GRID @ affine((1 / 3, 1 / 3, 1 / 3), (-1 / 3, -1 / 3, -1 / 3))
    np.testing.assert_array_equal(onto(fine, third, Box(LABELS.shape, GRID)), LABELS)
    np.testing.assert_array_equal(onto(LABELS, GRID, Box(fine.shape, third)), fine)


def test_a_centre_between_two_labels_goes_one_way_whatever_rounding_made_of_it() -> None:
    for noise in (-1e-6, 0.0, 1e-6):
        shifted = GRID @ affine((1, 1, 1), (0.5 + noise, 0, 0))
        found = onto(LABELS, GRID, Box((6, 6, 5), shifted))
        np.testing.assert_array_equal(found, LABELS[1:])


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("steps", [-2, 3])
def test_what_does_not_overlap_is_none_and_counted(axis: int, steps: int) -> None:
    shift = np.zeros(3)
    shift[axis] = steps
    moved = Box(LABELS.shape, GRID @ affine((1, 1, 1), tuple(shift)))
    inside = [slice(None)] * 3
    inside[axis] = slice(max(0, steps), LABELS.shape[axis] + min(0, steps))
    found = onto(LABELS, GRID, moved)
    assert np.count_nonzero(found) == np.count_nonzero(LABELS[tuple(inside)])
    outside = np.count_nonzero(LABELS) - np.count_nonzero(found)
    assert beyond(LABELS > 0, GRID, moved) == outside > 0
