"""Geometry and stacks refuse what they cannot mean, and convert what they can."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qsmnode.engine import EchoStack, EngineInputError, Grid, Maps, types

GRID = Grid((4, 5, 6), (1.0, 1.0, 2.0))


def stack(**values):
    good = {
        "magnitude": np.ones((2, 4, 5, 6)),
        "phase": np.zeros((2, 4, 5, 6)),
        "echo_times_s": (0.004, 0.010),
        "imaging_frequency_mhz": 123.2,
        "grid": GRID,
    }
    return EchoStack(**{**good, **values})


def test_rounded_direction_is_normalised_and_volume_known():
    grid = Grid((4.0, 5, 6), [1, 1, 2], (0, 0.6003, 0.8004))
    assert grid.shape == (4, 5, 6)
    assert grid.b0_direction == pytest.approx((0, 0.6, 0.8))
    assert grid.voxel_volume_mm3 == 2.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((4, 5), (1, 1, 1)), "shape: expected three voxel counts"),
        (((4, 5, 0), (1, 1, 1)), "shape: expected three voxel counts"),
        (((4, 5, 6.5), (1, 1, 1)), "shape: expected three voxel counts"),
        (("abc", (1, 1, 1)), "shape: expected numbers"),
        (((4, 5, 6), (1, 1, -1)), "voxel_mm: expected three positive lengths"),
        (((4, 5, 6), (1, 1, math.nan)), "voxel_mm: expected three positive lengths"),
        (((4, 5, 6), None), "voxel_mm: expected numbers"),
        (((4, 5, 6), (1, 1, 1), (0, 0, 0)), "b0_direction: expected a unit vector"),
        (((4, 5, 6), (1, 1, 1), (0, 1)), "b0_direction: expected a unit vector"),
    ],
)
def test_grid_refuses(arguments, message):
    with pytest.raises(EngineInputError, match=message):
        Grid(*arguments)


def test_whole_numbers_and_float64_are_converted():
    made = stack(magnitude=np.ones((2, 4, 5, 6), np.uint16), phase=np.zeros((2, 4, 5, 6), np.int16))
    assert made.magnitude.dtype == made.phase.dtype == np.float32
    assert made.echo_times_s == (0.004, 0.010)


def test_one_echo_time_may_be_a_number():
    one = np.ones((1, 4, 5, 6))
    assert stack(magnitude=one, phase=0 * one, echo_times_s=0.02).echo_times_s == (0.02,)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"magnitude": np.ones((4, 5, 6))}, r"magnitude: expected shape \(E, X, Y, Z\) = \(2, 4, 5, 6\)"),
        ({"phase": np.zeros((3, 4, 5, 6))}, "phase: expected shape"),
        (
            {"phase": np.zeros((2, 4, 5, 6), complex)},
            "phase: expected an array of real numbers, got complex128",
        ),
        ({"phase": "phase"}, "phase: expected an array of real numbers"),
        ({"echo_times_s": (4.0, 10.0)}, "echo_times_s: expected seconds.*milliseconds"),
        ({"echo_times_s": (0.01, 0.01)}, "echo_times_s: expected strictly ascending"),
        ({"echo_times_s": (0.0, 0.01)}, "echo_times_s: expected times in s above 0"),
        ({"echo_times_s": ()}, "echo_times_s: expected times in s above 0"),
        ({"echo_times_s": ("a", "b")}, "echo_times_s: expected numbers"),
        ({"imaging_frequency_mhz": 123.2e6}, "imaging_frequency_mhz: expected 1 to 1000 MHz"),
        ({"imaging_frequency_mhz": None}, "imaging_frequency_mhz: expected numbers"),
        ({"grid": (4, 5, 6)}, "grid: expected a Grid, got tuple"),
        ({"readout_axis": 3}, "readout_axis: expected 0, 1, 2 or None, got 3"),
        ({"bipolar": "yes"}, "bipolar: expected True, False or None"),
    ],
)
def test_stack_refuses(values, message):
    with pytest.raises(EngineInputError, match=message):
        stack(**values)


def test_what_float32_cannot_hold_becomes_infinite():
    assert np.isinf(types.real_array("values", np.array([1e60]))).all()


def test_quality_cannot_be_changed_afterwards():
    empty = np.zeros((4, 5, 6), np.float32)
    maps = Maps(empty, empty > 0, empty, empty, empty, GRID, {"mask_parts": 1.0})
    with pytest.raises(TypeError):
        maps.quality["mask_parts"] = 2.0
