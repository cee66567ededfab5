"""The odd/even ramp: measured, removed only where it is, along the right axis."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import EchoStack, EngineInputError, Grid, Recipe, reconstruct, registry
from qsmnode.engine.offset.odd_even import align_echoes

SHAPE = (48, 40, 32)
GRID = Grid(SHAPE, (2.0, 2.0, 2.0))
MASK = np.ones(SHAPE, dtype=bool)


def acquired(ramp_rad, axis, times, seed=0):
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    field = 80 * x - 50 * y**2 + 40 * z
    along = [1, 1, 1]
    along[axis] = SHAPE[axis]
    lean = ramp_rad * (np.arange(SHAPE[axis]) / (SHAPE[axis] - 1) - 0.5).reshape(along)
    rng = np.random.default_rng(seed)
    echoes = []
    for echo, t in enumerate(times):
        angle = 2 * np.pi * field * t + x + (0.5 if echo % 2 == 0 else -0.5) * lean
        noise = rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)
        echoes.append(np.exp(-20 * t) * np.exp(1j * angle) + noise / 50)
    signal = np.stack(echoes)
    return np.angle(signal).astype(np.float32), np.abs(signal).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("times", [(0.004, 0.010, 0.016, 0.022), (0.004, 0.009, 0.017)])
@pytest.mark.parametrize("known", [True, False])
def test_ramp_is_found_and_removed(axis, times, known):
    phase, magnitude = acquired(2.0, axis, times)
    readout, bipolar = (axis, True) if known else (None, None)
    aligned, found = align_echoes(phase, magnitude, times, GRID, MASK, readout, bipolar)
    assert found["offset_odd_even_corrected"] == 1.0
    assert found["offset_odd_even_rad"] == pytest.approx(2.0, rel=0.1)
    _, again = align_echoes(aligned, magnitude, times, GRID, MASK, axis, None)
    assert again["offset_odd_even_rad"] < 0.1
    assert again["offset_odd_even_corrected"] == 0.0


def test_monopolar_data_stay_as_they_are():
    phase, magnitude = acquired(0.0, 0, (0.004, 0.010, 0.016))
    aligned, found = align_echoes(phase, magnitude, (0.004, 0.010, 0.016), GRID, MASK, None, None)
    assert np.array_equal(aligned, phase)
    assert found["offset_odd_even_corrected"] == 0.0
    assert found["offset_odd_even_rad"] < 0.1


def test_two_echoes_cannot_tell():
    phase, magnitude = acquired(2.0, 0, (0.004, 0.010))
    aligned, found = align_echoes(phase, magnitude, (0.004, 0.010), GRID, MASK, 0, True)
    assert np.array_equal(aligned, phase)
    assert found == {"offset_odd_even_corrected": 0.0}


TIMES = (0.004, 0.010, 0.016, 0.022)


def method(name="bipolar", **parameters):
    chosen = registry.get("offset", name)
    made = registry.make_parameters(chosen, parameters)
    return lambda phase, magnitude, times: chosen.function(phase, magnitude, times, GRID, MASK, made)


@pytest.mark.parametrize("ramp", [0.0, 0.12, 2.5])
@pytest.mark.parametrize("readout", ["steepest", "y"])
def test_the_method_removes_ramp_and_offset_however_small_the_ramp_is(ramp, readout):
    phase, magnitude = acquired(ramp, 1, TIMES)
    corrected, numbers = method(readout_axis=readout)(phase, magnitude, TIMES)
    assert numbers["offset_odd_even_corrected"] == numbers["offset_corrected"] == 1.0
    assert numbers["offset_odd_even_rad"] == pytest.approx(ramp, abs=0.05 + 0.1 * ramp)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    field = 80 * x - 50 * y**2 + 40 * z
    for echo, t in enumerate(TIMES):
        left = np.angle(np.exp(1j * (corrected[echo] - 2 * np.pi * field * t)))
        # a ramp in the field itself, of all echoes, cannot be told from the field
        assert np.abs(left - left.mean(axis=(0, 2), keepdims=True)).mean() < 0.06
    again = method("mcpc3ds")(corrected, magnitude, TIMES)[1]
    assert again["offset_residual_rad"] < 0.05


def test_the_method_along_another_axis_leaves_the_ramp():
    phase, magnitude = acquired(2.0, 1, TIMES)
    _, numbers = method(readout_axis="z")(phase, magnitude, TIMES)
    assert numbers["offset_odd_even_rad"] < 0.1


@pytest.mark.parametrize("echoes", [1, 2])
def test_the_method_refuses_fewer_than_three_echoes(echoes):
    phase, magnitude = acquired(2.0, 0, TIMES[:echoes])
    with pytest.raises(EngineInputError, match=f"bipolar expected at least 3 echoes, got {echoes}"):
        method()(phase, magnitude, TIMES[:echoes])


def test_a_recipe_with_the_method_measures_the_ramp_that_it_removes():
    phase, magnitude = acquired(2.0, 0, TIMES)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    inside = x**2 + y**2 + z**2 < 0.8
    stack = EchoStack(magnitude * inside, phase, TIMES, 123.2, GRID)
    recipe = {"preset": "fast", "mask": "signal", "offset": "bipolar"}
    maps = reconstruct(stack, Recipe.from_mapping(recipe), inside)
    # over the ball, which is shorter than the grid
    assert maps.quality["offset_odd_even_rad"] == pytest.approx(1.8, rel=0.1)
    assert maps.quality["offset_odd_even_corrected"] == 1.0


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (5, 1, 7)])
@pytest.mark.parametrize("name", ["bipolar", "mcpc3ds"])
def test_any_shape_and_an_empty_mask(name, shape):
    chosen = registry.get("offset", name)
    rng = np.random.default_rng(1)
    phase = rng.uniform(-3, 3, (3, *shape)).astype(np.float32)
    made = registry.make_parameters(chosen, {})
    for mask in (np.ones(shape, bool), np.zeros(shape, bool)):
        for magnitude in (np.ones_like(phase), np.zeros_like(phase)):
            grid = Grid(shape, (1.0, 2.0, 0.5))
            corrected, numbers = chosen.function(phase, magnitude, TIMES[:3], grid, mask, made)
            assert corrected.shape == phase.shape
            assert np.isfinite(corrected).all()
            assert np.isfinite(list(numbers.values())).all()
