"""R2* of known decays, with and without noise, on odd shapes and any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import EngineInputError, fourier, registry
from qsmnode.engine.r2star.best import best
from qsmnode.engine.r2star.decay import HIGHEST, is_equidistant
from qsmnode.engine.r2star.noise import magnitude_noise

EVEN = (0.004, 0.010, 0.016, 0.022, 0.028)
UNEVEN = (0.005, 0.008, 0.017, 0.030)
WAYS = [("arlo", EVEN), ("nlls", EVEN), ("nlls", UNEVEN), ("nlls", (0.004, 0.021))]


def fit(name, magnitude, times, mask=None, noise=0.0, **parameters):
    chosen = registry.get("r2star", name)
    inside = np.ones(magnitude.shape[1:], np.bool_) if mask is None else mask
    made = registry.make_parameters(chosen, parameters)
    return chosen.function(magnitude.astype(np.float32), times, inside, noise, made)


def decay(rate, times, size=1.0):
    return size * np.exp(-np.asarray(rate) * np.asarray(times)[:, None, None, None])


def noisy(signal, noise, seed=0):
    rng = np.random.default_rng(seed)
    return np.abs(
        signal + noise * (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape))
    ).astype(np.float32)


@pytest.mark.parametrize(("name", "times"), WAYS)
@pytest.mark.parametrize("size", [1e-3, 1.0, 4095.0, 1e30])
def test_decays_without_noise_are_exact_over_the_whole_range(name, times, size):
    rates = np.geomspace(0.5, 450, 60).reshape(3, 4, 5)
    found, numbers = fit(name, decay(rates, times, size), times)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, rates, rtol=2e-3)
    assert numbers["r2star_median"] == pytest.approx(np.median(rates), rel=2e-3)
    assert numbers["r2star_limited_fraction"] == 0


@pytest.mark.parametrize(("name", "times"), WAYS[:3])
@pytest.mark.parametrize("rate", [1.5, 5, 20, 40, 80, 130])
@pytest.mark.parametrize("snr", [20, 60])
def test_noise_moves_the_typical_rate_by_less_than_five_percent(name, times, rate, snr):
    magnitude = noisy(decay(np.full((24, 24, 20), rate), times), 1 / snr)
    found, _ = fit(name, magnitude, times, noise=1 / snr)
    assert np.median(found) == pytest.approx(rate, rel=0.05, abs=0.15)


@pytest.mark.parametrize("name", ["arlo", "nlls"])
def test_the_noise_floor_is_taken_out(name):
    rate, noise = 120.0, 1 / 12
    magnitude = noisy(decay(np.full((24, 24, 20), rate), EVEN), noise)
    with_floor, _ = fit(name, magnitude, EVEN, noise=noise)
    without, _ = fit(name, magnitude, EVEN, noise=noise, noise_floor=0.0)
    assert np.median(without) < 0.9 * rate
    assert abs(np.median(with_floor) - rate) < 0.7 * abs(np.median(without) - rate)


@pytest.mark.parametrize("name", ["arlo", "nlls"])
def test_values_stay_in_the_range_and_in_the_mask(name):
    rng = np.random.default_rng(3)
    magnitude = (rng.random((5, 9, 8, 7)) ** 8).astype(np.float32) * np.float32(1e20)
    magnitude[:, 0] = 0
    magnitude[1:, 1] = 0
    magnitude[:, 2] = np.array([1, 2, 4, 8, 16], np.float32)[:, None, None]
    magnitude[:, 3] = np.finfo(np.float32).tiny
    magnitude[:, 4] = np.finfo(np.float32).max
    mask = rng.random((9, 8, 7)) < 0.7
    found, numbers = fit(name, magnitude, EVEN, mask, noise=0.1)
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= HIGHEST
    assert not found[~mask].any()
    assert not found[0].any()
    assert not found[2].any()
    assert (found[1][mask[1]] == HIGHEST).all()
    assert 0 < numbers["r2star_limited_fraction"] < 1


@pytest.mark.parametrize("name", ["arlo", "nlls"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (5, 1, 7)])
def test_tiny_shapes_and_empty_masks(name, shape):
    magnitude = decay(np.full(shape, 30.0), EVEN)
    found, _ = fit(name, magnitude, EVEN)
    np.testing.assert_allclose(found, 30, rtol=1e-3)
    found, numbers = fit(name, magnitude, EVEN, np.zeros(shape, np.bool_))
    assert not found.any()
    assert numbers == {}


@pytest.mark.parametrize("name", ["arlo", "nlls"])
def test_same_bytes_on_any_number_of_threads(name):
    magnitude = noisy(decay(np.full((13, 9, 11), 40.0), EVEN), 0.05)
    before = fourier.threads()
    results = []
    try:
        for count in (1, 2):
            fourier.set_threads(count)
            results.append(fit(name, magnitude, EVEN, noise=0.05)[0].tobytes())
    finally:
        fourier.set_threads(before)
    assert results[0] == results[1]


@pytest.mark.parametrize("times", [UNEVEN, (0.004, 0.021), (0.02,), (0.004, 0.010, 0.0163)])
def test_arlo_refuses_echoes_that_are_not_equally_far_apart(times):
    with pytest.raises(EngineInputError, match=r"arlo needs at least 3 echoes equally far apart.*nlls"):
        fit("arlo", decay(np.full((2, 2, 2), 20.0), times), times)


def test_one_echo_has_no_decay():
    with pytest.raises(EngineInputError, match="at least 2 echoes"):
        fit("nlls", np.ones((1, 2, 2, 2)), (0.02,))


def test_echo_times_rounded_as_headers_do_are_equidistant():
    assert is_equidistant((0.00492, 0.00984, 0.01476, 0.01969))
    assert not is_equidistant((0.005, 0.010))


@pytest.mark.parametrize("times", [EVEN, UNEVEN, (0.004, 0.021)])
def test_the_best_way_is_chosen_by_the_echo_times(times):
    rates = np.geomspace(2, 200, 27).reshape(3, 3, 3)
    magnitude = decay(rates, times).astype(np.float32)
    np.testing.assert_allclose(best(magnitude, times, np.ones((3, 3, 3), np.bool_)), rates, rtol=2e-3)


def test_more_steps_fit_better_from_a_noisy_start():
    magnitude = noisy(decay(np.full((16, 16, 16), 60.0), UNEVEN), 0.1)
    start, numbers = fit("nlls", magnitude, UNEVEN, noise=0.1, steps=0)
    assert numbers["r2star_iterations"] == 0
    found, numbers = fit("nlls", magnitude, UNEVEN, noise=0.1)
    assert 1 < numbers["r2star_iterations"] < 20
    assert abs(np.median(found) - 60) <= abs(np.median(start) - 60) + 0.5
    assert (found != start).mean() > 0.5


@pytest.mark.parametrize("times", [EVEN, UNEVEN])
@pytest.mark.parametrize("noise", [0.005, 0.04])
def test_the_noise_of_the_magnitude_is_known_from_three_echoes(times, noise):
    rates = np.geomspace(2, 60, 20).reshape(1, 20, 1) * np.ones((20, 20, 20))
    mask = np.ones(rates.shape, np.bool_)
    magnitude = noisy(decay(rates, times), noise)
    assert magnitude_noise(magnitude, times, mask) == pytest.approx(noise, rel=0.05)


def test_noise_of_what_is_no_decay():
    mask = np.ones((3, 3, 3), np.bool_)
    rng = np.random.default_rng(0)
    wild = (rng.random((3, 3, 3, 3)) ** 40 * 3e38).astype(np.float32)
    assert np.isfinite(magnitude_noise(wild, (0.001, 0.0011, 0.5), mask))
    assert magnitude_noise(0 * wild, EVEN[:3], mask) is None
    assert magnitude_noise(wild, EVEN[:3], ~mask) is None
    assert magnitude_noise(wild[:2], EVEN[:2], mask) is None
    assert magnitude_noise(np.ones((3, 3, 3, 3), np.float32), EVEN[:3], mask) == 0
