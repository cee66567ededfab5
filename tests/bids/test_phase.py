"""What a turn of phase is, by what a file and its sidecar declare."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.bids.phase import Stored, radians, turn_of
from qsmnode.bids.sidecar import Sidecar
from qsmnode.errors import NotEligible

PI = math.pi


def side(**values: Any) -> Sidecar:
    return Sidecar("a_phase.json", values)


def stored(*values: float, kind: Any = np.int16, slope: float = 1.0, intercept: float = 0.0) -> Stored:
    return Stored(np.array(values, dtype=kind), slope, intercept)


@pytest.mark.parametrize(
    ("said", "file", "expected"),
    [
        ({"Units": "rad"}, stored(-PI, 0.5, PI, kind=np.float32), [-PI, 0.5, PI]),
        ({"Units": "rad"}, stored(0, 1.0, 6.0, kind=np.float32), [0, 1.0, 6.0 - 2 * PI]),
        ({"Units": "rad"}, stored(-3000, 3000, slope=0.001), [-3.0, 3.0]),
        (
            {"Units": "arbitrary", "Manufacturer": "Siemens"},
            stored(0, 2048, 4095, slope=2.0, intercept=-4096.0),
            [-PI, 0, PI * 4094 / 4096],
        ),
        (
            {"Units": "arbitrary", "Manufacturer": "SIEMENS"},
            stored(0, 2048, 4095, kind=np.uint16),
            [-PI, 0, PI * 2047 / 2048],
        ),
        (
            {"Units": "arbitrary", "PhaseRange": [-4096, 4096]},
            stored(-4096, 0, 4094),
            [-PI, 0, PI * 4094 / 4096],
        ),
        (
            {"Units": "arbitrary", "PhaseRange": [-500, 1500], "Manufacturer": "Siemens"},
            stored(0, 1000, 2000, kind=np.float32, intercept=-500.0),
            [-PI, 0, PI],
        ),
    ],
)
def test_what_is_declared_scales(said: dict[str, Any], file: Stored, expected: list[float]) -> None:
    found = radians("a.nii", file, turn_of(side(**said), file))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


@given(st.lists(st.integers(0, 4095), min_size=1, max_size=20))
def test_the_smallest_and_largest_value_scale_nothing(values: list[int]) -> None:
    file = stored(*values, slope=2.0, intercept=-4096.0)
    turn = turn_of(side(Units="arbitrary", Manufacturer="Siemens"), file)
    np.testing.assert_allclose(
        radians("a.nii", file, turn), [(2 * value - 4096) / 4096 * PI for value in values], atol=1e-6
    )


def test_what_is_not_finite_stays_so() -> None:
    file = stored(1.0, float("nan"), float("inf"), kind=np.float32)
    found = radians("a.nii", file, turn_of(side(Units="rad"), file))
    np.testing.assert_array_equal(found, np.array([1.0, np.nan, np.inf], np.float32))


SIEMENS = {"Units": "arbitrary", "Manufacturer": "Siemens"}


@pytest.mark.parametrize(
    ("said", "file", "words"),
    [
        (
            {},
            stored(1),
            'a_phase.json: Units: expected "rad" or "arbitrary", it is missing; write "Units": "rad"',
        ),
        ({"Units": "Hz"}, stored(1), 'Units: expected "rad" or "arbitrary", found "Hz"; write'),
        ({"Units": "arbitrary"}, stored(1), "Manufacturer is not known, found"),
        ({"Units": "arbitrary", "Manufacturer": "GE"}, stored(1), "Manufacturer is GE"),
        (SIEMENS, stored(1.0, kind=np.float32), "the file holds float32"),
        (SIEMENS, stored(1, slope=0.5), "slope 0.5 and intercept 0"),
        (
            {**SIEMENS, "PhaseRange": [4096, -4096]},
            stored(1),
            "PhaseRange: expected the values of -pi and pi",
        ),
        ({**SIEMENS, "PhaseRange": [1, 2, 3]}, stored(1), "PhaseRange: expected the values of -pi and pi"),
        ({**SIEMENS, "PhaseRange": "all"}, stored(1), 'found "all"; write'),
    ],
)
def test_a_turn_that_nobody_declares_is_refused_with_what_to_write(
    said: dict[str, Any], file: Stored, words: str
) -> None:
    with pytest.raises(NotEligible) as caught:
        turn_of(side(**said), file)
    assert words in str(caught.value)
    assert '"PhaseRange": [the value of -pi, the value of pi], such as [-4096, 4096]' in str(caught.value)


@pytest.mark.parametrize(
    ("said", "file", "words"),
    [
        ({"Units": "rad"}, stored(-4096, 4094), "expected values from -3.14159 to 3.14159"),
        ({"Units": "rad"}, stored(-1.0, 6.0, kind=np.float32), "found -1 to 6: unwrapped, or scaled"),
        (SIEMENS, stored(-4096, 4094), "expected values from 0 to 4096 (by Siemens' whole numbers"),
        (
            {**SIEMENS, "PhaseRange": [-1, 1]},
            stored(-4096, 4094),
            'expected values from -1 to 1 (by "PhaseRange")',
        ),
    ],
)
def test_values_beyond_what_is_declared_are_refused(said: dict[str, Any], file: Stored, words: str) -> None:
    with pytest.raises(NotEligible) as caught:
        radians("a.nii", file, turn_of(side(**said), file))
    assert str(caught.value).startswith("a.nii: ")
    assert words in str(caught.value)
