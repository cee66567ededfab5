"""Masks of awkward data: no exception, and a mask that a person would accept."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import EchoStack, Grid, registry
from qsmnode.engine.mask.morphology import filled, parts
from qsmnode.engine.unwrap.edges import edge_weights, voxel_quality
from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import Protocol, quick_protocol
from tests.engine.scenes import head

METHODS = ("brain", "bet")
EVERY = (*METHODS, "signal")
HEADS = {
    # thickness 24 mm: thinner than the brain is deep
    "thin slab": Protocol(shape=(48, 54, 6), voxel_mm=(4.0, 4.0, 4.0), echo_times_s=(0.005, 0.015)),
    "two to one": Protocol(shape=(48, 54, 23), voxel_mm=(4.0, 4.0, 8.0), echo_times_s=(0.005, 0.015)),
    "four to one": Protocol(shape=(64, 72, 15), voxel_mm=(3.0, 3.0, 12.0), echo_times_s=(0.005, 0.015)),
    "one echo": quick_protocol(4.0, echo_times_s=(0.015,)),
    "7 T": quick_protocol(4.0, field_t=7.0, receive_bias=0.7, echo_times_s=(0.004, 0.010, 0.016)),
    "little signal": quick_protocol(4.0, snr=12.0, echo_times_s=(0.005, 0.015)),
}


def _mask(name, magnitude, quality, grid, **given):
    chosen = registry.get("mask", name)
    found = chosen.function(magnitude, quality, grid, registry.make_parameters(chosen, given))
    assert found.shape == grid.shape
    assert found.dtype == np.bool_
    return found


def _of(name, stack, **given):
    quality = voxel_quality(edge_weights(stack.phase, stack.magnitude, stack.echo_times_s))
    return _mask(name, stack.magnitude, quality, stack.grid, **given)


def _dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


@pytest.fixture(scope="module", params=list(HEADS))
def scanned(request):
    return simulate(HeadShape(seed=21), HEADS[request.param])


@pytest.mark.parametrize("name", METHODS)
def test_heads_in_awkward_protocols(name, scanned):
    whole = _of(name, scanned.stack, erode=0)
    assert parts(whole) == 1
    assert _dice(whole, scanned.brain_mask) > 0.9
    routine = _of(name, scanned.stack)
    assert parts(routine) == 1
    core = scanned.scoring_mask(2.01 * max(scanned.stack.grid.voxel_mm[:2]))
    assert np.count_nonzero(routine & core) > 0.9 * np.count_nonzero(core)
    assert np.count_nonzero(routine & ~scanned.brain_mask) < 0.1 * np.count_nonzero(scanned.brain_mask)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("radius_mm", [6.0, 15.0])
def test_a_signal_void_inside_the_brain_is_no_hole(name, radius_mm):
    """A large haemorrhage: no signal, no phase."""
    made = head(5, 4.0)
    stack = made.stack
    place = np.argwhere(made.scoring_mask(25.0)).mean(axis=0) + np.array([6, 0, 0])
    axes = np.meshgrid(*[np.arange(n) for n in stack.grid.shape], indexing="ij")
    void = sum((4 * (a - p)) ** 2 for a, p in zip(axes, place, strict=True)) < radius_mm**2
    assert made.scoring_mask(12.0)[void].all()
    rng = np.random.default_rng(0)
    magnitude = np.where(void, 0.02 * stack.magnitude, stack.magnitude).astype(np.float32)
    phase = np.where(void, rng.uniform(-np.pi, np.pi, stack.phase.shape), stack.phase).astype(np.float32)
    holed = EchoStack(magnitude, phase, stack.echo_times_s, stack.imaging_frequency_mhz, stack.grid)
    found = _of(name, holed, erode=0)
    assert found[void].all()
    assert np.array_equal(found, filled(found))
    assert _dice(found, made.brain_mask) > 0.93


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("echoes", [1, 3])
def test_noise_is_no_brain(name, echoes):
    rng = np.random.default_rng(echoes)
    signal = rng.normal(size=(echoes, 28, 32, 24)) + 1j * rng.normal(size=(echoes, 28, 32, 24))
    times = tuple(0.004 + 0.006 * e for e in range(echoes))
    stack = EchoStack(np.abs(signal), np.angle(signal), times, 123.0, Grid((28, 32, 24), (4.0,) * 3))
    assert not _of(name, stack).any()


@pytest.mark.parametrize("name", METHODS)
def test_a_steep_receive_profile_costs_little(name):
    made = head(5, 4.0)
    stack = made.stack
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in stack.grid.shape], indexing="ij")
    profile = np.exp(-1.2 * x - 0.8 * y) * (1 + 0.5 * z * z)  # a factor of about 50 from corner to corner
    biased = EchoStack(
        stack.magnitude * profile, stack.phase, stack.echo_times_s, stack.imaging_frequency_mhz, stack.grid
    )
    assert _dice(_of(name, biased, erode=0), made.brain_mask) > 0.9


@pytest.mark.parametrize("name", METHODS)
def test_the_unit_of_the_magnitude_does_not_matter(name):
    stack = head(5, 4.0).stack
    plain = _of(name, stack)
    for factor in (1e-6, 1e6):
        scaled = EchoStack(
            stack.magnitude * np.float32(factor),
            stack.phase,
            stack.echo_times_s,
            stack.imaging_frequency_mhz,
            stack.grid,
        )
        assert np.count_nonzero(_of(name, scaled) ^ plain) < 1e-3 * np.count_nonzero(plain)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 2), (5, 1, 7), (1, 30, 30), (40, 2, 3)])
@pytest.mark.parametrize("kind", ["zero", "flat", "one voxel", "random"])
def test_any_small_input_gives_a_mask(name, shape, kind):
    magnitude = np.zeros((2, *shape), np.float32)
    if kind == "flat":
        magnitude[:] = 7.0
    elif kind == "one voxel":
        magnitude[:, 0, 0, 0] = 100.0
    elif kind == "random":
        magnitude[:] = np.random.default_rng(1).uniform(size=magnitude.shape)
    for quality in (0.0, 0.9):
        few = {"steps": 100} if name == "bet" else {}
        found = _mask(
            name, magnitude, np.full(shape, quality, np.float32), Grid(shape, (1.0, 2.0, 4.0)), **few
        )
        assert kind != "zero" or not found.any()


@pytest.mark.parametrize("name", EVERY)
def test_a_head_without_background_is_found_as_well(name):
    """Some scanners set what lies outside the head to 0."""
    made = head(5, 4.0)
    stack = made.stack
    tissue = made.labels != 0
    magnitude = np.where(tissue, stack.magnitude, 0).astype(np.float32)
    cut = EchoStack(magnitude, stack.phase, stack.echo_times_s, stack.imaging_frequency_mhz, stack.grid)
    found = _of(name, cut)
    inner = made.scoring_mask(6.01)
    assert np.count_nonzero(found & inner) > 0.95 * np.count_nonzero(inner)
