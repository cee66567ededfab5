"""Unwrapping: exact where the phase is smooth, in every connected part, on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmnode.engine import EngineInputError, fourier, unwrap

TIMES = (0.004, 0.010, 0.016)
TURN = 2 * np.pi


def coordinates(shape):
    return np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")


def wrap(phase):
    return np.angle(np.exp(1j * phase)).astype(np.float32)


def turns_apart(a, b):
    """Whole turns between two phases, 0 where they agree up to one common number of turns."""
    turns = np.round((a - b) / TURN)
    assert np.allclose(a - b, turns * TURN, atol=2e-3)
    return turns - np.median(turns)


@pytest.mark.parametrize("method", ["romeo", "laplacian"])
def test_linear_ramp_is_exact(method):
    x, y, z = coordinates((40, 30, 20))
    field = 150 * x - 90 * y + 40 * z
    phase = np.stack([TURN * field * t for t in TIMES])
    got = unwrap(wrap(phase), np.ones_like(phase), TIMES, method=method)
    for echo in range(3):
        assert not turns_apart(got[echo], phase[echo]).any()


@pytest.mark.parametrize("method", ["romeo", "laplacian"])
def test_quadratic_field_is_exact_with_an_offset_at_echo_time_zero(method):
    x, y, z = coordinates((36, 32, 28))
    field = 120 * x**2 - 80 * y * z + 60 * y
    offset = 2.5 * x - y + 1.0
    phase = np.stack([TURN * field * t + offset for t in TIMES])
    got = unwrap(wrap(phase), np.ones_like(phase), TIMES, method=method)
    for echo in range(3):
        assert not turns_apart(got[echo], phase[echo]).any()


@settings(max_examples=15, deadline=None)
@given(
    slopes=st.tuples(*[st.floats(-2.5, 2.5) for _ in range(3)]),
    shape=st.tuples(*[st.integers(1, 12) for _ in range(3)]),
)
def test_any_ramp_below_half_a_turn_per_voxel_is_exact(slopes, shape):
    phase = sum(s * i for s, i in zip(slopes, np.indices(shape), strict=True))
    got = unwrap(wrap(phase)[None], np.ones((1, *shape)), [0.005])
    assert not turns_apart(got[0], phase).any()


def test_first_echo_is_centred_within_half_a_turn():
    phase = np.full((1, 8, 8, 8), 1.0) + np.linspace(0, 20, 8)[:, None, None]
    got = unwrap(wrap(phase), np.ones_like(phase), [0.005])
    assert abs(np.median(got)) <= np.pi


def test_each_disconnected_part_is_unwrapped():
    x, y, _ = coordinates((48, 24, 24))
    phase = 14 * x + 9 * y**2
    mask = np.abs(x) > 0.2
    got = unwrap(wrap(phase)[None], np.ones((1, *phase.shape)), [0.005], mask=mask)[0]
    for part in (x > 0.2, x < -0.2):
        assert not turns_apart(got[part], phase[part]).any()
        assert abs(np.median(got[part])) <= np.pi + 1e-3
    assert np.array_equal(got[~mask], wrap(phase)[~mask])


def test_noise_between_two_objects_does_not_break_them():
    x, y, z = coordinates((48, 40, 32))
    phase = np.stack([TURN * t * (130 * x + 70 * z**2) for t in TIMES])
    inside = (x**2 + y**2 + z**2 < 0.8) & (np.abs(x) > 0.05)
    rng = np.random.default_rng(3)
    magnitude = np.where(inside, 1.0, 0.01) * np.ones((3, 1, 1, 1))
    signal = magnitude * np.exp(1j * phase)
    signal = signal + 0.02 * (rng.normal(size=phase.shape) + 1j * rng.normal(size=phase.shape))
    got = unwrap(np.angle(signal), np.abs(signal), TIMES)
    half = inside & (x > 0)
    for echo in range(3):
        turns = np.round((got[echo] - phase[echo])[half] / TURN)
        assert not (turns - np.median(turns)).any()


def test_not_finite_voxels_stay_alone():
    x, y, _ = coordinates((32, 24, 16))
    phase = np.stack([TURN * t * (120 * x + 60 * y) for t in TIMES])
    holed = wrap(phase)
    holed[1, 5:8, 3, 4] = np.nan
    magnitude = np.ones_like(phase)
    magnitude[0, 20, 20, 10] = np.inf
    got = unwrap(holed, magnitude, TIMES)
    assert np.isfinite(got).all()
    bad = np.zeros(x.shape, dtype=bool)
    bad[5:8, 3, 4] = bad[20, 20, 10] = True
    assert not got[:, bad].any()
    for echo in range(3):
        assert not turns_apart(got[echo][~bad], phase[echo][~bad]).any()


@pytest.mark.parametrize("method", ["romeo", "laplacian"])
def test_same_bytes_on_any_number_of_threads(method):
    rng = np.random.default_rng(1)
    phase = rng.uniform(-np.pi, np.pi, (2, 20, 21, 22)).astype(np.float32)
    magnitude = rng.uniform(0, 1, phase.shape).astype(np.float32)
    before = fourier.threads()
    results = []
    try:
        for count in (1, 2):
            fourier.set_threads(count)
            results.append(unwrap(phase, magnitude, (0.004, 0.01), method=method).tobytes())
    finally:
        fourier.set_threads(before)
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phase": np.full((2, 4, 4, 4), 4000.0)}, "phase: expected one turn"),
        ({"phase": np.linspace(-1.03, 1.03, 128).reshape(2, 4, 4, 4) * np.pi}, "phase: expected one turn"),
        ({"phase": np.zeros((4, 4, 4))}, "phase: expected shape"),
        ({"phase": np.zeros((2, 4, 4, 4), complex)}, "phase: expected an array of real numbers"),
        ({"magnitude": np.ones((2, 4, 4, 5))}, "magnitude: expected shape"),
        ({"magnitude": -np.ones((2, 4, 4, 4))}, "magnitude: expected values of at least 0"),
        ({"magnitude": np.zeros((2, 4, 4, 4))}, "magnitude: expected signal"),
        ({"echo_times_s": (4.0, 10.0)}, "echo_times_s: expected seconds"),
        ({"echo_times_s": (0.01, 0.004)}, "echo_times_s: expected strictly ascending"),
        ({"mask": np.zeros((4, 4, 4), bool)}, "mask: expected at least one voxel"),
        ({"mask": np.full((4, 4, 4), 0.5)}, "mask: expected true or false"),
        ({"method": "best"}, "unwrap: expected one of laplacian, romeo"),
        ({"parameters": {"echoes": "none"}}, "unwrap.romeo.echoes: expected one of"),
    ],
)
def test_refusals_name_the_argument(change, message):
    good = {
        "phase": np.zeros((2, 4, 4, 4)),
        "magnitude": np.ones((2, 4, 4, 4)),
        "echo_times_s": (0.004, 0.01),
    }
    with pytest.raises(EngineInputError, match=message):
        unwrap(**{**good, **change})


def test_phase_from_zero_to_one_turn_is_taken():
    x, _, _ = coordinates((32, 8, 8))
    phase = 8 * x[None]
    got = unwrap(np.mod(phase, TURN), np.ones_like(phase), [0.005])
    assert not turns_apart(got[0], phase[0]).any()
