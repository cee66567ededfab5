"""Every bad argument is refused by its name, with what was expected and what came; real-looking data pass."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from qsmnode.engine import (
    EchoStack,
    EngineInputError,
    Grid,
    Recipe,
    forward_field,
    invert,
    reconstruct,
    remove_background,
    unwrap,
)

SHAPE = (20, 22, 18)
GRID = Grid(SHAPE, (3.0, 3.0, 3.0))
TIMES = (0.005, 0.012)
TURN = 2 * np.pi
FAST = Recipe.from_mapping({"preset": "fast", "mask": "signal"})


def measured(noise: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """Magnitude up to about 1 and phase in -pi to pi of a ball in air, with wraps inside and noise around."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    body = (x**2 + y**2 + z**2 < 0.8) * (1 - 0.3 * x)
    times = np.array(TIMES)[:, None, None, None]
    signal = body * np.exp(-20 * times + 1j * (0.4 + TURN * times * (150 * x - 120 * y + 60 * z**2)))
    rng = np.random.default_rng(11)
    signal = signal + noise * (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape))
    return np.abs(signal), np.angle(signal)


MAGNITUDE, PHASE = measured()
POSITIVE_PHASE = np.mod(PHASE, TURN)
BODY = MAGNITUDE[0] > 0.2


def stack(**values: Any) -> EchoStack:
    good = {
        "magnitude": MAGNITUDE,
        "phase": PHASE,
        "echo_times_s": TIMES,
        "imaging_frequency_mhz": 123.2,
        "grid": GRID,
    }
    return EchoStack(**{**good, **values})


def refused(message: str, call: Any, *arguments: Any, **more: Any) -> None:
    """The call raises with a message that says argument, expectation and what came."""
    with pytest.raises(EngineInputError, match=message) as caught:
        call(*arguments, **more)
    text = str(caught.value)
    assert re.match(r"[a-z0-9_.]+: ", text), text
    assert "expected" in text, text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shape": (4, 5)}, r"shape: expected three voxel counts of at least 1, got \(4, 5\)"),
        ({"shape": 8}, r"shape: expected numbers, got 8"),
        ({"shape": (4, -5, 6)}, r"shape: .*got \(4, -5, 6\)"),
        ({"voxel_mm": (1, 0, 1)}, r"voxel_mm: expected three positive lengths in mm, got \(1, 0, 1\)"),
        ({"voxel_mm": (1, 1)}, r"voxel_mm: expected three positive lengths"),
        ({"voxel_mm": 1.0}, r"voxel_mm: expected numbers, got 1\.0"),
        ({"b0_direction": (0, 0, 2)}, r"b0_direction: expected a unit vector .*got \(0, 0, 2\) of length 2"),
        ({"b0_direction": (0, 0.7, 0.7)}, r"b0_direction: .*of length 0\.98"),
        ({"b0_direction": (0, 0, 0)}, r"b0_direction: .*of length 0"),
        ({"b0_direction": (0, 0, np.nan)}, r"b0_direction: .*of length nan"),
        ({"b0_direction": (0, 0, np.inf)}, r"b0_direction: .*of length inf"),
        ({"b0_direction": (0, 1)}, r"b0_direction: expected a unit vector \(three numbers, length 1\)"),
        ({"b0_direction": (0, 0, 0, 1)}, r"b0_direction: expected a unit vector"),
        ({"b0_direction": "z"}, r"b0_direction: expected numbers, got 'z'"),
        ({"b0_direction": None}, r"b0_direction: expected numbers, got None"),
    ],
)
def test_grid(given: dict[str, Any], message: str) -> None:
    refused(message, Grid, **{"shape": SHAPE, "voxel_mm": (1, 1, 1), **given})


def test_a_unit_vector_written_with_few_digits_is_one() -> None:
    rounded = Grid(SHAPE, (1, 1, 1), (0.577, 0.577, 0.577))
    assert np.linalg.norm(rounded.b0_direction) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"magnitude": MAGNITUDE[0]},
            r"magnitude: expected shape .* = \(2, 20, 22, 18\), got \(20, 22, 18\)",
        ),
        ({"phase": PHASE[:, :-1]}, r"phase: expected shape \(E, X, Y, Z\)"),
        ({"phase": np.moveaxis(PHASE, 0, -1)}, r"phase: expected shape"),
        ({"phase": PHASE + 0j}, r"phase: expected an array of real numbers, got complex"),
        ({"magnitude": "bright"}, r"magnitude: expected an array of real numbers"),
        ({"magnitude": None}, r"magnitude: expected an array of real numbers, got object"),
        ({"echo_times_s": (0.012, 0.005)}, r"echo_times_s: expected strictly ascending times, got \(0\.012"),
        ({"echo_times_s": (0.005, 0.005)}, r"echo_times_s: expected strictly ascending"),
        ({"echo_times_s": (0.0, 0.005)}, r"echo_times_s: expected times in s above 0"),
        ({"echo_times_s": (-0.005, 0.005)}, r"echo_times_s: expected times in s above 0"),
        ({"echo_times_s": (0.005, np.nan)}, r"echo_times_s: expected times in s above 0"),
        ({"echo_times_s": ()}, r"echo_times_s: expected times in s above 0, got \(\)"),
        (
            {"echo_times_s": (5.0, 12.0)},
            r"echo_times_s: expected seconds, got \(5\.0, 12\.0\) \(milliseconds",
        ),
        ({"echo_times_s": "soon"}, r"echo_times_s: expected"),
        ({"echo_times_s": (0.005,)}, r"magnitude: expected shape \(E, X, Y, Z\) = \(1, 20"),
        (
            {"imaging_frequency_mhz": 123.2e6},
            r"imaging_frequency_mhz: expected 1 to 1000 MHz, got 123200000\.0",
        ),
        ({"imaging_frequency_mhz": 0}, r"imaging_frequency_mhz: expected 1 to 1000 MHz"),
        ({"imaging_frequency_mhz": None}, r"imaging_frequency_mhz: expected numbers"),
        ({"grid": SHAPE}, r"grid: expected a Grid, got tuple"),
        ({"readout_axis": 3}, r"readout_axis: expected 0, 1, 2 or None, got 3"),
        ({"bipolar": "yes"}, r"bipolar: expected True, False or None, got 'yes'"),
    ],
)
def test_echo_stack(given: dict[str, Any], message: str) -> None:
    refused(message, stack, **given)


# name -> (magnitude, phase, message): what is in the arrays, the same for every function that takes them
CONTENTS = {
    "phase in degrees": (MAGNITUDE, np.rad2deg(PHASE), r"phase: expected one turn.*\(degrees\?\)"),
    "phase in degrees from 0": (MAGNITUDE, np.rad2deg(POSITIVE_PHASE), r"phase: .*\(degrees\?\)"),
    "phase as the scanner stores it": (
        MAGNITUDE,
        np.round(2048 * PHASE / np.pi),
        r"phase: expected one turn in rad .*got -2048 to 2048 \(the scanner's whole numbers\?\)",
    ),
    "unwrapped phase": (MAGNITUDE, 3 * PHASE, r"phase: expected one turn in rad .*or say phase_is_unwrapped"),
    "no signal": (0 * MAGNITUDE, PHASE, r"magnitude: expected signal, got 0"),
    "nothing finite": (np.nan * MAGNITUDE, PHASE, r"magnitude: expected signal"),
    "negative magnitude": (MAGNITUDE - 9, PHASE, r"magnitude: expected values of at least 0, got -8\.9"),
    "swapped, signed phase": (PHASE, 500 * MAGNITUDE, r"magnitude: .*changed places\?"),
    "swapped, signed phase, small magnitude": (PHASE, MAGNITUDE, r"magnitude: .*changed places\?"),
    "swapped, signed phase of less than a turn": (
        0.5 * PHASE,
        MAGNITUDE,
        r"magnitude: expected values of at least 0, .*\(is it the phase\?\)",
    ),
    "swapped, phase from 0": (POSITIVE_PHASE, 500 * MAGNITUDE, r"magnitude: .*changed places\?"),
    "swapped, phase from 0, small magnitude": (POSITIVE_PHASE, MAGNITUDE, r"magnitude: .*changed places\?"),
    "swapped, phase from 0, magnitude cut out": (
        POSITIVE_PHASE,
        MAGNITUDE * BODY,
        r"magnitude: .*changed places\?",
    ),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_contents_of_magnitude_and_phase(name: str) -> None:
    magnitude, phase, message = CONTENTS[name]
    refused(message, reconstruct, stack(magnitude=magnitude, phase=phase), FAST)
    refused(message, unwrap, phase, magnitude, TIMES)


@pytest.mark.parametrize("top", [1.0, 3.0, TURN, 4095.0])
@pytest.mark.parametrize("phase", [PHASE, POSITIVE_PHASE], ids=["signed", "from 0"])
@pytest.mark.parametrize("cut_out", [False, True])
def test_magnitude_of_any_scale_is_no_phase(top: float, phase: np.ndarray, cut_out: bool) -> None:
    """Even where the magnitude happens to end at one turn."""
    magnitude = MAGNITUDE * (top / MAGNITUDE.max())
    if cut_out:
        magnitude, phase = magnitude * BODY, phase * BODY
    assert np.isfinite(reconstruct(stack(magnitude=magnitude, phase=phase), FAST).susceptibility).all()
    assert np.isfinite(unwrap(phase, magnitude, TIMES)).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stack": None}, r"stack: expected an EchoStack, got NoneType"),
        ({"recipe": "default"}, r"recipe: expected a Recipe, got str"),
        ({"mask": np.zeros(SHAPE, bool)}, r"mask: expected at least one voxel inside, got none"),
        ({"mask": MAGNITUDE[0] < -1}, r"mask: expected at least one voxel inside, got none"),
        ({"mask": np.ones((4, 4, 4), bool)}, r"mask: expected shape \(20, 22, 18\), got \(4, 4, 4\)"),
        ({"mask": MAGNITUDE[0]}, r"mask: expected true or false \(or 0 and 1\) in each voxel, got float64"),
        ({"reference_mask": np.zeros(SHAPE, bool)}, r"reference_mask: expected at least one voxel"),
        ({"reference_mask": np.ones(3, bool)}, r"reference_mask: expected shape"),
    ],
)
def test_reconstruct(given: dict[str, Any], message: str) -> None:
    refused(message, reconstruct, **{"stack": stack(), "recipe": FAST, **given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"phase": PHASE[0]},
            r"phase: expected shape \(E, X, Y, Z\) with E = 2 echo times, got \(20, 22, 18\)",
        ),
        ({"magnitude": MAGNITUDE[0]}, r"magnitude: expected shape \(2, 20, 22, 18\), got \(20, 22, 18\)"),
        ({"echo_times_s": (0.012, 0.005)}, r"echo_times_s: expected strictly ascending times"),
        ({"echo_times_s": (0.0, 0.005)}, r"echo_times_s: expected times in s above 0"),
        ({"echo_times_s": (0.005,)}, r"phase: expected shape \(E, X, Y, Z\) with E = 1"),
        ({"mask": np.zeros(SHAPE, bool)}, r"mask: expected at least one voxel inside"),
        ({"mask": np.ones((2, 2, 2), bool)}, r"mask: expected shape"),
        ({"method": "magic"}, r"unwrap: expected one of .*romeo.*; got 'magic'"),
        ({"parameters": 3}, r"unwrap.romeo: expected a mapping of parameters, got 3"),
    ],
)
def test_unwrap(given: dict[str, Any], message: str) -> None:
    refused(message, unwrap, **{"phase": PHASE, "magnitude": MAGNITUDE, "echo_times_s": TIMES, **given})


FIELD = np.zeros(SHAPE)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"field": FIELD[:3]}, r"field: expected shape \(20, 22, 18\), got \(3, 22, 18\)"),
        ({"field": FIELD + 1j}, r"field: expected an array of real numbers, got complex128"),
        ({"field": np.full(SHAPE, np.nan)}, r"field: expected finite numbers inside the mask, got none"),
        ({"mask": np.zeros(SHAPE, bool)}, r"mask: expected at least one voxel inside, got none"),
        ({"mask": np.ones((2, 2, 2), bool)}, r"mask: expected shape"),
        ({"grid": None}, r"grid: expected a Grid, got NoneType"),
        ({"grid": Grid((4, 4, 4), (1, 1, 1))}, r"field: expected shape \(4, 4, 4\)"),
        ({"weight": FIELD - 1}, r"weight: expected 0 to 1, got -1 to -1"),
        ({"weight": FIELD[0]}, r"weight: expected shape"),
        ({"method": 7}, r"background: expected one of .*; got 7"),
    ],
)
def test_remove_background(given: dict[str, Any], message: str) -> None:
    refused(message, remove_background, **{"field": FIELD, "mask": BODY, "grid": GRID, **given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"local_field_ppm": FIELD[:3]},
            r"local_field_ppm: expected shape \(20, 22, 18\), got \(3, 22, 18\)",
        ),
        ({"local_field_ppm": np.full(SHAPE, np.inf)}, r"local_field_ppm: expected finite numbers inside"),
        ({"mask": np.zeros(SHAPE, bool)}, r"mask: expected at least one voxel inside, got none"),
        ({"grid": GRID.shape}, r"grid: expected a Grid, got tuple"),
        ({"weight": FIELD + 2}, r"weight: expected 0 to 1, got 2 to 2"),
        ({"reference_mask": ~BODY}, r"reference_mask: expected at least one voxel inside mask, got none"),
        ({"magnitude": PHASE}, r"magnitude: expected values of at least 0, .*\(is it the phase\?\)"),
        ({"magnitude": MAGNITUDE[0, 0]}, r"magnitude: expected shape"),
        ({"rad_per_ppm": 0.0}, r"rad_per_ppm: expected a number above 0, got 0"),
        ({"rad_per_ppm": "ten"}, r"rad_per_ppm: expected a number above 0, got 'ten'"),
        ({"noise_ppm": np.nan}, r"noise_ppm: expected a number above 0, got nan"),
        ({"noise_ppm": -0.1}, r"noise_ppm: expected a number above 0, got -0\.1"),
        ({"parameters": [("alpha", 1)]}, r"inversion.tv: expected a mapping of parameters"),
    ],
)
def test_invert(given: dict[str, Any], message: str) -> None:
    refused(message, invert, **{"local_field_ppm": FIELD, "mask": BODY, "grid": GRID, **given})


@pytest.mark.parametrize(
    ("chi", "grid", "message"),
    [
        (FIELD[:3], GRID, r"susceptibility_ppm: expected shape \(20, 22, 18\), got \(3, 22, 18\)"),
        (FIELD + 1j, GRID, r"susceptibility_ppm: expected an array of real numbers"),
        (FIELD * np.nan, GRID, r"susceptibility_ppm: expected finite numbers, got 7920 NaN or infinite ones"),
        ("iron", GRID, r"susceptibility_ppm: expected an array of real numbers"),
        (FIELD, SHAPE, r"grid: expected a Grid, got tuple"),
    ],
)
def test_forward_field(chi: Any, grid: Any, message: str) -> None:
    refused(message, forward_field, chi, grid)
