"""The whole chain on small objects: numbers, refusals, odd inputs, determinism."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from qsmnode.engine import (
    EchoStack,
    EngineInputError,
    Grid,
    Recipe,
    forward_field,
    fourier,
    reconstruct,
)
from qsmnode.engine.quality import NUMBERS

FREQUENCY = 123.2
TIMES = (0.004, 0.010, 0.016, 0.022)
OBJECT = Recipe.from_mapping({"mask": "signal"})
FAST = Recipe.from_mapping({"preset": "fast", "mask": "signal"})
INCLUSION_PPM = 0.3


def ball(shape, voxel_mm, centre_mm, radius_mm):
    axes = [(np.arange(n) - (n - 1) / 2) * v for n, v in zip(shape, voxel_mm, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return sum((a - c) ** 2 for a, c in zip((x, y, z), centre_mm, strict=True)) <= radius_mm**2


def phantom(
    shape=(56, 60, 52), voxel_mm=(1.5, 1.5, 1.5), times=TIMES, b0=(0, 0, 1), snr=80, radius_mm=36.0, seed=0
):
    """A ball with a paramagnetic ball inside, in air; the background field is smooth."""
    grid = Grid(shape, voxel_mm, b0)
    body = ball(shape, voxel_mm, (0, 0, 0), radius_mm)
    core = ball(shape, voxel_mm, (6, -4, 3), 9.0) & body
    axes = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    field_hz = forward_field(INCLUSION_PPM * core, grid) * FREQUENCY + 40 * x - 30 * y + 25 * (x**2 - y**2)
    t = np.asarray(times)[:, None, None, None]
    signal = body * np.exp(-20 * t) * np.exp(1j * (2 * np.pi * field_hz * t + 0.8 * z + 0.5))
    rng = np.random.default_rng(seed)
    signal = signal + (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape)) / snr
    return EchoStack(np.abs(signal), np.angle(signal), times, FREQUENCY, grid), body, core


def contrast_ppm(maps, core):
    inside = core & maps.mask
    around = maps.mask & ~core
    return float(maps.susceptibility[inside].mean() - maps.susceptibility[around].mean())


def changed(stack, **values):
    names = ("magnitude", "phase", "echo_times_s", "imaging_frequency_mhz", "grid", "readout_axis", "bipolar")
    return EchoStack(**{**{name: getattr(stack, name) for name in names}, **values})


def test_inclusion_is_found_with_its_susceptibility():
    stack, body, core = phantom()
    maps = reconstruct(stack, OBJECT)
    assert contrast_ppm(maps, core) == pytest.approx(INCLUSION_PPM, rel=0.15)
    assert (maps.mask & body).sum() > 0.8 * body.sum()
    assert not (maps.mask & ~body).any()
    for values in (maps.susceptibility, maps.local_field, maps.total_field, maps.weight):
        assert values.shape == stack.grid.shape
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
    assert not maps.susceptibility[~maps.mask].any()
    assert not maps.local_field[~maps.mask].any()
    assert maps.weight.min() >= 0
    assert maps.weight.max() <= 1
    assert abs(maps.susceptibility[maps.mask].mean()) < 1e-4
    assert maps.reference
    assert maps.grid is stack.grid
    assert all(np.isfinite(v) for v in maps.quality.values())
    assert maps.quality["offset_corrected"] == 1.0
    assert maps.quality["mask_given"] == 0.0
    assert 0.5 < maps.quality["background_coverage"] <= 1.0


@pytest.mark.parametrize("name", Recipe.presets())
def test_every_number_of_quality_is_described(name):
    stack, _, _ = phantom(shape=(40, 42, 38), voxel_mm=(2, 2, 2))
    mask = ball(stack.grid.shape, stack.grid.voxel_mm, (0, 0, 0), 34.0)
    maps = reconstruct(stack, Recipe.preset(name), mask=mask)
    own = {number for number in maps.quality if not number.startswith("inversion_")}
    assert own <= set(NUMBERS)
    assert all(unit and meaning for unit, meaning in NUMBERS.values())


@pytest.mark.parametrize("b0", [(1, 0, 0), (0.0, 0.6, 0.8), (0.3, -0.4, 0.866)])
def test_direction_of_b0_is_followed(b0):
    stack, _, core = phantom(b0=b0)
    assert contrast_ppm(reconstruct(stack, OBJECT), core) == pytest.approx(INCLUSION_PPM, rel=0.2)


def test_same_bytes_twice_and_on_any_number_of_threads():
    stack, _, _ = phantom(shape=(40, 42, 38), voxel_mm=(2, 2, 2))
    before = fourier.threads()
    results = []
    try:
        for count in (1, 2, 2):
            fourier.set_threads(count)
            maps = reconstruct(stack, OBJECT)
            arrays = (maps.susceptibility, maps.mask, maps.local_field, maps.total_field, maps.weight)
            results.append((*(a.tobytes() for a in arrays), tuple(maps.quality.items())))
    finally:
        fourier.set_threads(before)
    assert results[0] == results[1] == results[2]


def test_progress_never_falls_and_names_every_step():
    stack, _, _ = phantom(shape=(40, 42, 38), voxel_mm=(2, 2, 2))
    seen = []
    reconstruct(stack, FAST, progress=lambda fraction, step: seen.append((fraction, step)))
    fractions = [fraction for fraction, _ in seen]
    assert all(a <= b for a, b in itertools.pairwise(fractions))
    assert fractions[0] == 0.0
    assert seen[-1] == (1.0, "done")
    steps = list(dict.fromkeys(step for _, step in seen))
    assert steps == ["offset", "unwrap", "mask", "field", "background", "inversion", "reference", "done"]


def test_given_mask_is_kept_inside():
    stack, _, core = phantom()
    given = ball(stack.grid.shape, stack.grid.voxel_mm, (0, 0, 0), 28.0)
    maps = reconstruct(stack, OBJECT, mask=given)
    assert not (maps.mask & ~given).any()
    assert maps.quality["mask_given"] == 1.0
    assert contrast_ppm(maps, core) == pytest.approx(INCLUSION_PPM, rel=0.2)
    as_numbers = reconstruct(stack, OBJECT, mask=given.astype(np.uint8))
    assert as_numbers.susceptibility.tobytes() == maps.susceptibility.tobytes()


def test_not_finite_voxels_are_counted_and_never_spread():
    stack, _, core = phantom()
    magnitude, phase = stack.magnitude.copy(), stack.phase.copy()
    phase[0, 20:23, 30, 26] = np.nan
    phase[2, 21, 30, 26] = np.inf
    magnitude[3, 35, 30, 26] = -np.inf
    maps = reconstruct(changed(stack, magnitude=magnitude, phase=phase), OBJECT)
    assert maps.quality["input_nonfinite_voxels"] == 4.0
    for values in (maps.susceptibility, maps.local_field, maps.total_field, maps.weight):
        assert np.isfinite(values).all()
    assert not maps.weight[20:23, 30, 26].any()
    assert contrast_ppm(maps, core) == pytest.approx(INCLUSION_PPM, rel=0.15)


def test_one_echo_works_and_says_that_the_offset_is_in_it():
    stack, _, core = phantom(times=(0.02,))
    maps = reconstruct(stack, OBJECT)
    assert maps.quality["offset_corrected"] == 0.0
    assert contrast_ppm(maps, core) == pytest.approx(INCLUSION_PPM, rel=0.3)


@pytest.mark.parametrize("echoes", [2, 3, 12])
def test_any_number_of_echoes(echoes):
    times = tuple(0.003 + 0.0025 * n for n in range(echoes))
    stack, _, core = phantom(times=times)
    assert contrast_ppm(reconstruct(stack, OBJECT), core) == pytest.approx(INCLUSION_PPM, rel=0.25)


def test_unwrapped_phase_is_taken_as_it_is():
    stack, _, core = phantom()
    maps = reconstruct(stack, OBJECT)
    x, y, _ = np.meshgrid(*[np.linspace(-1, 1, n) for n in stack.grid.shape], indexing="ij")
    field = forward_field(INCLUSION_PPM * core, stack.grid) * FREQUENCY + 40 * x - 30 * y + 25 * (x**2 - y**2)
    ideal = np.stack([2 * np.pi * field * t for t in TIMES])
    continuous = ideal + np.angle(np.exp(1j * (stack.phase - ideal)))
    again = reconstruct(changed(stack, phase=continuous * 1.0), OBJECT, phase_is_unwrapped=True)
    assert contrast_ppm(again, core) == pytest.approx(contrast_ppm(maps, core), rel=0.1)
    with pytest.raises(EngineInputError, match="phase_is_unwrapped"):
        reconstruct(changed(stack, phase=continuous), OBJECT)


def test_phase_from_zero_to_one_turn_gives_the_same_map():
    stack, _, _ = phantom(shape=(40, 42, 38), voxel_mm=(2, 2, 2))
    shifted = np.where(stack.phase < 0, stack.phase + np.float32(2 * np.pi), stack.phase)
    one = reconstruct(stack, FAST)
    other = reconstruct(changed(stack, phase=shifted), FAST)
    assert np.allclose(one.susceptibility, other.susceptibility, atol=2e-3)


@pytest.mark.parametrize(
    ("shape", "voxel_mm"),
    [
        ((41, 53, 47), (2.0, 1.5, 1.8)),
        ((64, 64, 12), (1.2, 1.2, 3.0)),
        ((48, 48, 30), (0.9, 0.9, 2.5)),
    ],
)
def test_odd_shapes_slabs_and_anisotropic_voxels(shape, voxel_mm):
    stack, _, core = phantom(shape=shape, voxel_mm=voxel_mm, radius_mm=34.0)
    maps = reconstruct(stack, OBJECT)
    assert contrast_ppm(maps, core) == pytest.approx(INCLUSION_PPM, rel=0.35)


def test_background_of_exact_zeros():
    stack, body, core = phantom()
    masked = changed(stack, magnitude=stack.magnitude * body, phase=stack.phase * body)
    assert contrast_ppm(reconstruct(masked, OBJECT), core) == pytest.approx(INCLUSION_PPM, rel=0.15)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (2, 2, 2), (4, 4, 4), (1, 40, 40), (40, 40, 1), (3, 50, 2), (8, 8, 8)]
)
@pytest.mark.parametrize("recipe", [OBJECT, FAST, Recipe.preset("default")])
def test_tiny_matrices_give_a_map_or_a_refusal(shape, recipe):
    rng = np.random.default_rng(0)
    phase = rng.uniform(-0.1, 0.1, (2, *shape))
    stack = EchoStack(np.ones((2, *shape)), phase, (0.004, 0.01), FREQUENCY, Grid(shape, (1, 1, 1)))
    try:
        maps = reconstruct(stack, recipe)
    except EngineInputError:
        return
    assert np.isfinite(maps.susceptibility).all()
    assert maps.mask.any()


def test_pure_noise_is_refused_or_gets_a_finite_map():
    rng = np.random.default_rng(0)
    shape = (3, 32, 32, 32)
    stack = EchoStack(
        rng.rayleigh(size=shape),
        rng.uniform(-np.pi, np.pi, shape),
        TIMES[:3],
        FREQUENCY,
        Grid(shape[1:], (2, 2, 2)),
    )
    with pytest.raises(EngineInputError, match=r"mask|field|background"):
        reconstruct(stack, Recipe.preset("default"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"phase": np.full((2, 8, 8, 8), 2048.0)}, "phase: expected one turn in rad"),
        ({"magnitude": np.zeros((2, 8, 8, 8))}, "magnitude: expected signal"),
        ({"magnitude": np.full((2, 8, 8, 8), np.nan)}, "magnitude: expected signal"),
        ({"magnitude": np.full((2, 8, 8, 8), -1.0)}, "magnitude: expected values of at least 0"),
    ],
)
def test_data_out_of_contract_are_refused(values, message):
    good = {"magnitude": np.ones((2, 8, 8, 8)), "phase": np.zeros((2, 8, 8, 8))}
    stack = EchoStack(
        **{**good, **values},
        echo_times_s=(0.004, 0.01),
        imaging_frequency_mhz=FREQUENCY,
        grid=Grid((8,) * 3, (1,) * 3),
    )
    with pytest.raises(EngineInputError, match=message):
        reconstruct(stack, OBJECT)


def test_other_arguments_out_of_contract_are_refused():
    stack, _, _ = phantom(shape=(12, 12, 12))
    with pytest.raises(EngineInputError, match="stack: expected an EchoStack, got dict"):
        reconstruct({}, OBJECT)
    with pytest.raises(EngineInputError, match="recipe: expected a Recipe, got str"):
        reconstruct(stack, "default")
    with pytest.raises(EngineInputError, match="mask: expected shape"):
        reconstruct(stack, OBJECT, mask=np.ones((12, 12, 13), bool))
    with pytest.raises(EngineInputError, match="mask: expected at least one voxel"):
        reconstruct(stack, OBJECT, mask=np.zeros((12, 12, 12), bool))


def test_two_bipolar_like_echo_trains_agree_with_the_monopolar_one():
    stack, _, core = phantom()
    lean = np.linspace(-0.75, 0.75, stack.grid.shape[0])[:, None, None]
    phase = stack.phase.astype(np.float64)
    phase[0::2] += lean
    phase[1::2] -= lean
    turned = changed(stack, phase=np.angle(np.exp(1j * phase)))
    maps = reconstruct(turned, OBJECT)
    assert maps.quality["offset_odd_even_corrected"] == 1.0
    assert contrast_ppm(maps, core) == pytest.approx(INCLUSION_PPM, rel=0.15)
