"""Field, offset and what is trusted, against synthetic signals whose field is known."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import Grid, fourier, registry

TIMES = (0.004, 0.010, 0.016, 0.022, 0.028)
SHAPE = (40, 36, 32)
GRID = Grid(SHAPE, (1.5, 1.5, 2.0))
INSIDE = sum(c**2 for c in np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")) < 0.9


def smooth_field():
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    return (35 * x - 25 * y**2 + 20 * z * x).astype(np.float32)


def signal(field, times=TIMES, offset=0.0, snr=0.0, rate=25.0, seed=0):
    t = np.asarray(times)[:, None, None, None]
    clean = np.exp(-rate * t) * np.exp(1j * (2 * np.pi * field * t + offset))
    if snr:
        rng = np.random.default_rng(seed)
        clean = clean + (rng.normal(size=clean.shape) + 1j * rng.normal(size=clean.shape)) / snr
    return np.abs(clean).astype(np.float32), np.angle(clean).astype(np.float32), clean


def fitted(phase, magnitude, times=TIMES, mask=INSIDE, **parameters):
    chosen = registry.get("field", "weighted_fit")
    made = registry.make_parameters(chosen, parameters)
    return chosen.function(phase.astype(np.float32), magnitude.astype(np.float32), times, mask, made)


def test_noise_free_field_comes_back():
    field = smooth_field()
    magnitude, _, _ = signal(field)
    phase = np.stack([2 * np.pi * field * t for t in TIMES])
    found = fitted(phase, magnitude)
    assert np.allclose(found.total_field_hz[INSIDE], field[INSIDE], atol=1e-3)
    assert not found.total_field_hz[~INSIDE].any()
    assert found.residual[INSIDE].max() < 1e-3
    assert (found.weight[INSIDE] > 0.99).all()


def test_noise_is_predicted_by_sigma():
    field = smooth_field()
    errors, sigmas = [], []
    for seed in range(3):
        magnitude, wrapped, _ = signal(field, snr=40, seed=seed)
        ideal = np.stack([2 * np.pi * field * t for t in TIMES])
        phase = ideal + np.angle(np.exp(1j * (wrapped - ideal)))
        found = fitted(phase, magnitude, offset_sd_rad=0.0)
        errors.append((found.total_field_hz - field)[INSIDE])
        sigmas.append(found.sigma_hz[INSIDE])
    assert np.std(errors) == pytest.approx(np.mean(sigmas), rel=0.05)


def test_one_wrong_turn_in_one_echo_is_healed():
    field = smooth_field()
    magnitude, _, _ = signal(field, rate=5.0)
    phase = np.stack([2 * np.pi * field * t for t in TIMES])
    phase[1, 20, 18, 16] += 2 * np.pi
    found = fitted(phase, magnitude, steps=6)
    assert found.total_field_hz[20, 18, 16] == pytest.approx(field[20, 18, 16], abs=0.05)


def test_constant_offset_is_absorbed_when_it_is_free():
    field = smooth_field()
    magnitude, _, _ = signal(field)
    phase = np.stack([2 * np.pi * field * t + 0.4 for t in TIMES])
    fixed = fitted(phase, magnitude, offset_sd_rad=0.0)
    free = fitted(phase, magnitude, offset_sd_rad=10.0)
    assert np.abs(free.total_field_hz - field)[INSIDE].max() < 0.02
    assert np.abs(fixed.total_field_hz - field)[INSIDE].max() > 1.0


def test_random_phase_gets_no_weight():
    field = smooth_field()
    magnitude, _, _ = signal(field)
    phase = np.stack([2 * np.pi * field * t for t in TIMES])
    rng = np.random.default_rng(5)
    phase[:, 10:16, 15:20, 14:18] = rng.uniform(-np.pi, np.pi, (5, 6, 5, 4))
    found = fitted(phase, magnitude)
    assert (found.weight[11:15, 16:19, 15:17] == 0).mean() > 0.9
    assert found.weight[25, 18, 16] > 0


def test_dark_voxels_get_no_weight():
    field = smooth_field()
    magnitude, _, _ = signal(field)
    phase = np.stack([2 * np.pi * field * t for t in TIMES])
    magnitude[:, 12:15, 15:18, 15:18] = 0
    magnitude[:, 22:25, 15:18, 15:18] *= 0.1
    found = fitted(phase, magnitude)
    assert not found.weight[12:15, 15:18, 15:18].any()
    assert not found.weight[22:25, 15:18, 15:18].any()
    assert np.isfinite(found.sigma_hz).all()


def test_one_echo_is_phase_over_echo_time():
    field = smooth_field()
    magnitude, _, _ = signal(field, times=(0.02,))
    phase = (2 * np.pi * field * 0.02)[None]
    found = fitted(phase, magnitude, times=(0.02,))
    assert np.allclose(found.total_field_hz[INSIDE], field[INSIDE], atol=1e-3)


def test_empty_mask_gives_empty_maps():
    magnitude, phase, _ = signal(smooth_field())
    found = fitted(phase, magnitude, mask=np.zeros(SHAPE, bool))
    assert not found.total_field_hz.any()
    assert not found.weight.any()


def corrected(phase, magnitude, times=TIMES):
    chosen = registry.get("offset", "mcpc3ds")
    return chosen.function(phase, magnitude, times, GRID, INSIDE, registry.make_parameters(chosen, {}))


def test_smooth_offset_is_removed():
    field = smooth_field()
    x, y, _ = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    offset = 1.5 * x - 1.0 * y**2 + 2.0
    magnitude, phase, _ = signal(field, offset=offset, snr=60)
    found, quality = corrected(phase, magnitude)
    left = np.angle(np.exp(1j * (found - np.stack([2 * np.pi * field * t for t in TIMES]))))
    assert np.abs(np.median(left[0][INSIDE])) < 0.02
    assert np.percentile(np.abs(left[0][INSIDE]), 95) < 0.15
    assert quality["offset_corrected"] == 1.0
    assert quality["offset_residual_rad"] < 0.1


def test_a_smooth_offset_comes_out_whole_beside_the_rim_and_between_tissues_of_unequal_signal():
    """What the smoothing leaves would be a field of its own: 0.01 rad at 15 ms is nearly 1 ppb at 3 T."""
    shape = (72, 72, 60)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    inside = x**2 + y**2 + z**2 < 0.9
    offset = 1.5 * x - 0.8 * (y**2 - z**2) + 0.5 * x * y + 2.0
    strength = np.where(np.sin(9 * x) * np.sin(7 * y + 1) > 0, 1.0, 0.6) * inside
    phase = np.angle(np.exp(1j * np.stack([2 * np.pi * 20 * y * t + offset for t in TIMES])))
    chosen = registry.get("offset", "mcpc3ds")
    found, _ = chosen.function(
        phase.astype(np.float32),
        np.stack([strength] * 5).astype(np.float32),
        TIMES,
        Grid(shape, (2.0, 2.0, 2.0)),
        inside,
        registry.make_parameters(chosen, {}),
    )
    left = np.angle(np.exp(1j * (found[0] - 2 * np.pi * 20 * y * TIMES[0])))[inside]
    left -= np.median(left)
    assert np.sqrt(np.mean(left**2)) < 0.006


def test_single_echo_keeps_its_offset_and_says_so():
    magnitude, phase, _ = signal(smooth_field(), times=(0.02,), offset=1.0)
    found, quality = corrected(phase, magnitude, (0.02,))
    assert np.array_equal(found, phase)
    assert quality == {"offset_corrected": 0.0}


def test_field_is_the_same_on_any_number_of_threads():
    magnitude, phase, _ = signal(smooth_field(), snr=30)
    before = fourier.threads()
    results = []
    try:
        for count in (1, 2):
            fourier.set_threads(count)
            moved, _ = corrected(phase, magnitude)
            found = fitted(moved, magnitude)
            results.append((moved.tobytes(), found.total_field_hz.tobytes(), found.weight.tobytes()))
    finally:
        fourier.set_threads(before)
    assert results[0] == results[1]


def test_the_offset_survives_poles_of_the_phase_and_voxels_of_any_shape():
    """A phase offset that winds about a line, as coils combine it, is removed away from the line."""
    shape, times = (40, 36, 12), TIMES[:3]
    i, j, k = np.indices(shape)
    offset = np.arctan2(j - 17.5, i - 19.5)
    field = 25 * (i / 40 - 0.5) + 12 * (k / 12) ** 2
    t = np.asarray(times)[:, None, None, None]
    rng = np.random.default_rng(3)
    measured = np.exp(1j * (2 * np.pi * field * t + offset))
    measured = measured + 0.02 * (rng.normal(size=measured.shape) + 1j * rng.normal(size=measured.shape))
    chosen = registry.get("offset", "mcpc3ds")
    grid = Grid(shape, (0.8, 0.8, 3.0))
    corrected, _ = chosen.function(
        np.angle(measured).astype(np.float32),
        np.abs(measured).astype(np.float32),
        times,
        grid,
        np.ones(shape, bool),
        registry.make_parameters(chosen, {"sigma_mm": 3.0}),
    )
    far = np.hypot(i - 19.5, j - 17.5) > 12
    left = np.angle(np.exp(1j * (corrected - 2 * np.pi * field * t)))
    assert np.percentile(np.abs(left[:, far]), 95) < 0.2


def test_fit_and_noise_are_finite_in_any_shape_and_unit():
    rng = np.random.default_rng(6)
    for shape in ((1, 1, 1), (3, 3, 3), (5, 1, 7)):
        for scale in (1.0, 1e-30, 1e30):
            phase = rng.uniform(-9, 9, (3, *shape))
            magnitude = scale * rng.uniform(0, 1, phase.shape)
            found = fitted(phase, magnitude, TIMES[:3], np.ones(shape, bool))
            for values in (found.total_field_hz, found.sigma_hz, found.residual, found.weight):
                assert np.isfinite(values).all()
