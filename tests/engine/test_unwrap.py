"""Unwrapping: exact where the phase is smooth, in every connected part, on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmnode.engine import EngineInputError, fourier, registry, unwrap

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


def ball(shape):
    return sum(c**2 for c in coordinates(shape)) < 0.9


def noisy(phase, inside, snr, seed=0):
    """Magnitude and wrapped phase of a signal of size 1 inside, and of noise."""
    rng = np.random.default_rng(seed)
    noise = (rng.normal(size=phase.shape) + 1j * rng.normal(size=phase.shape)) / snr
    signal = np.exp(1j * phase) * inside + noise
    return np.abs(signal).astype(np.float32), np.angle(signal).astype(np.float32)


def method(**parameters):
    chosen = registry.get("unwrap", "romeo")
    made = registry.make_parameters(chosen, parameters)
    return lambda *arguments: chosen.function(*arguments, made)


@pytest.mark.parametrize("rule", ["template", "individual"])
def test_echo_rules_agree_with_the_truth_where_the_signal_is_good(rule):
    x, y, z = coordinates((36, 32, 28))
    inside = ball((36, 32, 28))
    field = 150 * x**2 - 110 * y * z + 60 * y
    phase = np.stack([TURN * field * t for t in TIMES])
    magnitude, wrapped = noisy(phase, inside, snr=25)
    got, quality, numbers = method(echoes=rule)(wrapped, magnitude, TIMES, inside)
    for echo in range(3):
        assert not np.round((got[echo] - phase[echo])[inside] / TURN).any()
    assert np.array_equal(got[:, ~inside], wrapped[:, ~inside])
    assert numbers == {"unwrap_fallback_fraction": 0.0}
    assert 0 <= quality.min() <= quality.max() <= 1


def test_individual_echoes_of_separate_parts_are_consistent():
    x, y, _ = coordinates((40, 20, 20))
    field = 300 * x + 40 * y
    mask = np.abs(x) > 0.3
    phase = np.stack([TURN * field * t for t in TIMES])
    got, _, _ = method(echoes="individual")(wrap(phase), np.ones_like(phase), TIMES, mask)
    for part in (x > 0.3, x < -0.3):
        turns = [np.round((got[echo] - phase[echo])[part] / TURN) for echo in range(3)]
        for echo in range(3):
            assert not (turns[echo] - turns[echo].flat[0]).any()
        # the first echo's own turn is free; the others follow it in proportion to their times
        for echo in (1, 2):
            ratio = TIMES[echo] / TIMES[echo - 1]
            wanted = np.round(np.median(ratio * got[echo - 1][part] - got[echo][part]) / TURN)
            assert wanted == 0


def winding(shape=(36, 34, 30), place=(16.3, 14.4)):
    i, j, _ = np.indices(shape)
    return np.arctan2(j - place[1], i - place[0])


@pytest.mark.parametrize("rule", ["template", "differences", "individual"])
def test_around_an_open_fringe_line_the_phase_is_continuous(rule):
    shape = (36, 34, 30)
    inside = ball(shape)
    x, y, _ = coordinates(shape)
    phase = np.stack([TURN * (30 * x - 20 * y**2) * t + winding() for t in TIMES])
    magnitude, wrapped = noisy(phase, inside, snr=30)
    torn, _, none = method(echoes=rule, fallback=False)(wrapped, magnitude, TIMES, inside)
    got, _, numbers = method(echoes=rule)(wrapped, magnitude, TIMES, inside)
    assert none["unwrap_fallback_fraction"] == 0.0
    assert 0 < numbers["unwrap_fallback_fraction"] <= 1
    assert largest_step(torn[0], inside) > np.pi
    # template scales phases and so does not go with this one, whose offset winds, beyond the first echo
    for echo in range(1 if rule == "template" else 3):
        assert largest_step(got[echo], inside) < 1.5


def largest_step(values, inside):
    steps = []
    for axis in range(3):
        there, here = range(1, inside.shape[axis]), range(inside.shape[axis] - 1)
        both = np.take(inside, there, axis) & np.take(inside, here, axis)
        steps.append(np.abs(np.diff(values, axis=axis))[both].max())
    return max(steps)


def test_the_fallback_stays_near_the_fringe_line_and_leaves_other_parts_exact():
    shape = (60, 24, 24)
    x, _, z = coordinates(shape)
    i, j, _ = np.indices(shape)
    # two ends of one fringe line, six voxels apart: far from them the phase does not wind
    pair = np.arctan2(j - 8.5, i - 10.5) - np.arctan2(j - 14.5, i - 10.5)
    smooth = TURN * 0.004 * (200 * x + 60 * z**2)
    phase = wrap(smooth + pair)[None]
    got, _, numbers = method()(phase, np.ones_like(phase), [0.004], np.ones(shape, bool))
    assert 0 < numbers["unwrap_fallback_fraction"] < 0.6
    assert largest_step(got[0], np.ones(shape, bool)) < np.pi
    far = i > 40
    assert not turns_apart(got[0][far], (smooth + pair)[far]).any()


def test_noise_is_no_open_fringe_line():
    rng = np.random.default_rng(8)
    phase = rng.uniform(-np.pi, np.pi, (2, 24, 24, 24)).astype(np.float32)
    magnitude = rng.uniform(0, 1, phase.shape).astype(np.float32)
    _, _, numbers = method()(phase, magnitude, (0.004, 0.01), np.ones((24, 24, 24), bool))
    assert numbers == {"unwrap_fallback_fraction": 0.0}


@pytest.mark.parametrize("rule", ["template", "individual"])
def test_as_few_wrong_turns_as_a_path_of_best_edges_finds_and_none_in_good_voxels(rule):
    """A strong narrow source in noise: voxels of SNR > 10 are all right, as is nearly every other one."""
    shape = (40, 40, 40)
    x, y, z = coordinates(shape)
    radius = np.sqrt((x - 0.1) ** 2 + y**2 + z**2)
    inside = ball(shape)
    dipole = 26 * (3 * (z / np.maximum(radius, 0.12)) ** 2 - 1) * (0.12 / np.maximum(radius, 0.12)) ** 3
    field = 90 * x - 70 * y * z + dipole
    phase = np.stack([TURN * field * t for t in TIMES])
    decay = np.exp(-np.asarray(TIMES)[:, None, None, None] * np.where(radius < 0.16, 120.0, 25.0))
    rng = np.random.default_rng(9)
    noise = (rng.normal(size=phase.shape) + 1j * rng.normal(size=phase.shape)) / 20
    signal = decay * np.exp(1j * phase) * inside + noise
    got, _, _ = method(echoes=rule)(
        np.angle(signal).astype(np.float32), np.abs(signal).astype(np.float32), TIMES, inside
    )
    for echo in range(3):
        wrong = np.round((got[echo] - phase[echo]) / TURN).astype(bool) & inside
        assert not (wrong & (np.abs(signal[echo]) > 0.5)).any()
        assert wrong.sum() <= 1e-3 * inside.sum()


def test_all_echoes_before_tell_the_next_ones_turns_better_than_the_last_alone():
    times = np.array([0.004, 0.010, 0.016, 0.022, 0.028])
    shape = (40, 40, 40)
    x, y, _ = coordinates(shape)
    field = 40 * x - 30 * y
    phase = np.stack([TURN * field * t for t in times])
    inside = np.ones(shape, bool)
    decay = np.exp(-50 * times).reshape(-1, 1, 1, 1)
    magnitude, measured = noisy(phase, decay, snr=9)
    got, _, _ = method()(measured, magnitude, tuple(times), inside)
    by_ratio = got[:1].astype(float)
    for echo in range(1, 5):
        target = by_ratio[-1] * times[echo] / times[echo - 1]
        nearest = measured[echo] + TURN * np.round((target - measured[echo]) / TURN)
        by_ratio = np.concatenate([by_ratio, nearest[None]])
    wrong = [np.count_nonzero(np.round((found[4] - phase[4]) / TURN)) for found in (got, by_ratio)]
    assert wrong[1] > 50, "too little noise to tell them apart"
    assert wrong[0] < 0.7 * wrong[1]


@pytest.mark.parametrize("rule", ["template", "differences", "individual"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (5, 1, 7)])
def test_any_shape_and_an_empty_mask(rule, shape):
    rng = np.random.default_rng(10)
    phase = rng.uniform(-3, 3, (3, *shape)).astype(np.float32)
    for mask in (np.ones(shape, bool), np.zeros(shape, bool)):
        for magnitude in (np.ones_like(phase), np.zeros_like(phase)):
            got, quality, _ = method(echoes=rule)(phase, magnitude, TIMES, mask)
            assert got.shape == phase.shape
            assert np.isfinite(got).all()
            assert np.isfinite(quality).all()
            assert mask.any() or np.array_equal(got, phase)


def test_the_fallback_gives_the_same_bytes_on_any_number_of_threads():
    inside = ball((36, 34, 30))
    magnitude, wrapped = noisy(winding()[None], inside, snr=20)
    before = fourier.threads()
    results = []
    try:
        for count in (1, 2):
            fourier.set_threads(count)
            results.append(method()(wrapped, magnitude, [0.004], inside)[0].tobytes())
    finally:
        fourier.set_threads(before)
    assert results[0] == results[1]
