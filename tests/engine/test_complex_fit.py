"""Complex fit: field and offset of signals whose field is known, from unwrapped and from wrapped phase."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import EngineInputError, fourier, registry

TIMES = (0.004, 0.010, 0.016, 0.022, 0.028)
SHAPE = (24, 22, 20)
INSIDE = sum(c**2 for c in np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")) < 0.9
TURN = 2 * np.pi


def smooth_field():
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    return (35 * x - 25 * y**2 + 20 * z * x).astype(np.float32)


def signal(field, times=TIMES, offset=0.0, snr=0.0, rate=25.0, seed=0):
    """Magnitude, unwrapped phase."""
    t = np.asarray(times)[:, None, None, None]
    ideal = TURN * field * t + offset
    clean = np.exp(-rate * t) * np.exp(1j * ideal)
    if snr:
        rng = np.random.default_rng(seed)
        clean = clean + (rng.normal(size=clean.shape) + 1j * rng.normal(size=clean.shape)) / snr
    return np.abs(clean).astype(np.float32), (ideal + np.angle(clean * np.exp(-1j * ideal))).astype(
        np.float32
    )


def fitted(phase, magnitude, times=TIMES, mask=INSIDE, method="complex_fit", **parameters):
    chosen = registry.get("field", method)
    made = registry.make_parameters(chosen, parameters)
    return chosen.function(phase.astype(np.float32), magnitude.astype(np.float32), times, mask, made)


@pytest.mark.parametrize("offset", [0.0, 0.7, -2.5])
def test_field_comes_back_whatever_the_offset(offset):
    field = smooth_field()
    magnitude, phase = signal(field, offset=offset)
    found = fitted(phase, magnitude)
    assert np.allclose(found.total_field_hz[INSIDE], field[INSIDE], atol=2e-3)
    assert not found.total_field_hz[~INSIDE].any()
    assert found.residual[INSIDE].max() < 1e-3
    assert found.numbers["field_unconverged_fraction"] == 0.0
    assert 1 <= found.numbers["field_iterations"] <= 5


def test_wrapped_phase_is_enough_for_fields_within_half_a_turn_per_step():
    field = smooth_field()
    magnitude, phase = signal(field, offset=1.0, snr=50)
    wrapped = np.angle(np.exp(1j * phase))
    found = fitted(wrapped, magnitude, start="difference")
    same = fitted(phase, magnitude)
    assert np.abs(field).max() < 0.5 / (TIMES[1] - TIMES[0])
    assert np.allclose(found.total_field_hz[INSIDE], same.total_field_hz[INSIDE], atol=0.01)


def test_noise_is_told_and_predicted_by_sigma_where_echoes_are_more_than_two():
    field = smooth_field()
    errors, sigmas = [], []
    for seed in range(4):
        magnitude, phase = signal(field, snr=40, offset=0.5, seed=seed)
        found = fitted(phase, magnitude)
        assert found.noise == pytest.approx(1 / 40, rel=0.05)
        errors.append((found.total_field_hz - field)[INSIDE])
        sigmas.append(found.sigma_hz[INSIDE])
    assert np.std(errors) == pytest.approx(np.mean(sigmas), rel=0.05)


def test_the_minimum_is_found_that_a_fine_search_finds():
    rng = np.random.default_rng(4)
    times = np.array(TIMES)
    phase = rng.uniform(-np.pi, np.pi, (5, 3, 3, 3))
    magnitude = rng.uniform(0.2, 1.0, phase.shape)
    found = fitted(phase, magnitude, mask=np.ones((3, 3, 3), bool), tolerance_rad=1e-6, max_iterations=300)
    for place in np.ndindex(3, 3, 3):
        own = (slice(None), *place)
        power, angle = magnitude[own] ** 2, phase[own]

        def left(field, power=power, angle=angle):
            # for a given field the best offset is the phase of the sum
            return power.sum() - abs(np.sum(power * np.exp(1j * (angle - TURN * field * times))))

        here = float(found.total_field_hz[place])
        assert left(here) <= min(left(here + d) for d in (-0.3, -0.05, 0.05, 0.3)) + 1e-6
        relative = np.sqrt(2 * left(here) / power.sum())
        assert found.residual[place] == pytest.approx(relative, abs=2e-3)


def test_one_wrong_turn_is_healed():
    field = smooth_field()
    magnitude, phase = signal(field, rate=5.0)
    phase[1, 12, 11, 10] += TURN
    found = fitted(phase, magnitude)
    assert found.total_field_hz[12, 11, 10] == pytest.approx(field[12, 11, 10], abs=0.05)


def test_dark_and_random_voxels_get_no_weight():
    field = smooth_field()
    magnitude, phase = signal(field, snr=60)
    magnitude[:, 5:8, 9:12, 9:12] = 0
    rng = np.random.default_rng(5)
    phase[:, 14:18, 9:14, 9:14] = rng.uniform(-np.pi, np.pi, (5, 4, 5, 5))
    found = fitted(phase, magnitude)
    assert not found.weight[5:8, 9:12, 9:12].any()
    assert (found.weight[15:17, 10:13, 10:13] == 0).mean() > 0.8
    for values in (found.total_field_hz, found.sigma_hz, found.residual, found.weight):
        assert np.isfinite(values).all()
    assert found.numbers["field_unconverged_fraction"] < 0.05


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (5, 1, 7)])
@pytest.mark.parametrize("echoes", [1, 2, 3])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_any_shape_echo_count_and_unit_gives_finite_maps(shape, echoes, scale):
    rng = np.random.default_rng(6)
    phase = rng.uniform(-9, 9, (echoes, *shape))
    magnitude = scale * rng.uniform(0, 1, phase.shape)
    for mask in (np.ones(shape, bool), np.zeros(shape, bool)):
        found = fitted(phase, magnitude, TIMES[:echoes], mask)
        for values in (found.total_field_hz, found.sigma_hz, found.residual, found.weight):
            assert np.isfinite(values).all()
        assert np.isfinite(list(found.numbers.values())).all()


def test_one_echo_is_phase_over_echo_time():
    field = smooth_field()
    magnitude, phase = signal(field, times=(0.02,))
    found = fitted(phase, magnitude, times=(0.02,))
    assert np.allclose(found.total_field_hz[INSIDE], field[INSIDE], atol=1e-3)


def test_a_cap_on_the_steps_is_kept_and_reported():
    rng = np.random.default_rng(7)
    phase = rng.uniform(-np.pi, np.pi, (5, 6, 6, 6))
    found = fitted(phase, np.ones_like(phase), mask=np.ones((6, 6, 6), bool), max_iterations=2)
    assert found.numbers["field_iterations"] == 2.0
    assert found.numbers["field_unconverged_fraction"] > 0.5


def test_the_same_bytes_on_any_number_of_threads():
    magnitude, phase = signal(smooth_field(), snr=30, offset=0.3)
    before = fourier.threads()
    results = []
    try:
        for count in (1, 2):
            fourier.set_threads(count)
            found = fitted(phase, magnitude)
            results.append((found.total_field_hz.tobytes(), found.sigma_hz.tobytes(), found.weight.tobytes()))
    finally:
        fourier.set_threads(before)
    assert results[0] == results[1]


def test_an_unknown_start_is_refused():
    with pytest.raises(
        EngineInputError, match=r"field\.complex_fit\.start: expected one of line, difference"
    ):
        registry.make_parameters(registry.get("field", "complex_fit"), {"start": "guess"})
