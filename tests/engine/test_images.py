"""The further images in a notebook, and through a whole reconstruction."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from qsmnode.engine import (
    EngineInputError,
    Grid,
    Recipe,
    fourier,
    minimum_intensity_projection,
    r2star,
    reconstruct,
    separate_sources,
    susceptibility_weighted,
)
from qsmnode.engine.quality import NUMBERS
from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.tissues import GREY, TISSUES, VENTRICLE, WHITE, nucleus_label

EVEN = (0.004, 0.010, 0.016)
UNEVEN = (0.004, 0.009, 0.020)
SHAPE = (6, 5, 4)
GRID = Grid(SHAPE, (1, 1, 1))
ALL = {"r2star": "arlo", "swi": "clear", "separation": "r2star_qsm"}


def echoes(times=EVEN, rate=30.0):
    return np.stack([1000 * np.exp(-rate * t) * np.ones(SHAPE) for t in times])


@pytest.mark.parametrize("times", [EVEN, UNEVEN, (0.005, 0.02)])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int16])
def test_r2star_takes_any_echoes_and_any_numbers(times, kind):
    found = r2star(echoes(times).round().astype(kind), times)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 30, rtol=0.01)


def test_r2star_leaves_out_what_is_not_finite_or_not_asked_for():
    magnitude = echoes()
    magnitude[1, 2, 2, 2] = np.nan
    magnitude[0, 3, 3, 3] = np.inf
    mask = np.zeros(SHAPE, int)
    mask[1:5] = 1
    found = r2star(magnitude, EVEN, mask)
    known = mask.astype(bool)
    known[2, 2, 2] = known[3, 3, 3] = False
    assert not found[~known].any()
    np.testing.assert_allclose(found[known], 30, rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"magnitude": -echoes()}, "magnitude: expected values of at least 0"),
        ({"magnitude": echoes()[0]}, r"magnitude: expected shape \(E, X, Y, Z\) with E = 3"),
        ({"magnitude": echoes()[:2]}, "magnitude: expected shape"),
        ({"magnitude": np.ones((3, 0, 4, 4))}, "magnitude: expected shape"),
        ({"magnitude": echoes() * 1j}, "magnitude: expected an array of real numbers"),
        ({"echo_times_s": (4, 10, 16)}, "echo_times_s: expected seconds"),
        ({"echo_times_s": (0.01, 0.004, 0.02)}, "echo_times_s: expected strictly ascending"),
        ({"magnitude": echoes((0.01,)), "echo_times_s": 0.01}, "nlls needs at least 2 echoes"),
        ({"mask": np.ones((2, 2, 2))}, "mask: expected shape"),
        ({"mask": np.zeros(SHAPE)}, "mask: expected at least one voxel"),
        ({"method": "arlos"}, "r2star: expected one of arlo, nlls; got 'arlos'"),
        ({"method": "arlo", "echo_times_s": UNEVEN}, r"arlo needs at least 3 echoes.*use nlls"),
        ({"noise": -1}, "noise: expected 0 to inf, got -1"),
        ({"noise": float("nan")}, "noise: expected"),
        ({"noise": "much"}, "noise: expected a number"),
        ({"parameters": {"floor": 1}}, r"r2star\.arlo: unknown parameter 'floor'"),
    ],
)
def test_r2star_names_what_is_wrong(arguments, message):
    with pytest.raises(EngineInputError, match=message):
        r2star(**{"magnitude": echoes(), "echo_times_s": EVEN, **arguments})


def test_a_weighted_image_leaves_out_what_is_not_finite_or_not_asked_for():
    magnitude, phase = echoes(), np.zeros((3, *SHAPE))
    phase[1, 2, 2, 2] = np.nan
    mask = np.ones(SHAPE, bool)
    mask[0] = False
    image = susceptibility_weighted(magnitude, phase, EVEN, GRID, mask)
    assert image.dtype == np.float32
    assert image.shape == SHAPE
    assert np.isfinite(image).all()
    mask[2, 2, 2] = False
    assert not image[~mask].any()
    assert (image[mask] > 100).all()
    same = susceptibility_weighted(magnitude, np.where(phase < 0, phase + 2 * np.pi, phase), EVEN, GRID, mask)
    np.testing.assert_allclose(same, image, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"magnitude": -echoes()}, "magnitude: expected values of at least 0"),
        ({"magnitude": 0 * echoes()}, "magnitude: expected signal"),
        ({"magnitude": echoes()[:, 1:]}, r"magnitude: expected shape \(E, 6, 5, 4\)"),
        ({"phase": np.zeros((2, *SHAPE))}, "phase: expected shape"),
        ({"phase": np.full((3, *SHAPE), 4096.0)}, "phase: expected one turn in rad"),
        ({"grid": (1, 1, 1)}, "grid: expected a Grid, got tuple"),
        ({"mask": np.full(SHAPE, 0.5)}, "mask: expected true or false"),
        ({"method": "swi"}, "swi: expected one of clear"),
        ({"parameters": {"slices": 0}}, r"swi\.clear\.slices: expected 1 to 100"),
    ],
)
def test_weighted_images_name_what_is_wrong(arguments, message):
    good = {"magnitude": echoes(), "phase": np.zeros((3, *SHAPE)), "echo_times_s": EVEN, "grid": GRID}
    with pytest.raises(EngineInputError, match=message):
        susceptibility_weighted(**{**good, **arguments})


def test_the_projection_skips_what_is_not_finite_or_not_asked_for():
    image = np.ones((2, 2, 5))
    image[0, 0, 2] = np.nan
    image[1, 1, 2] = 0.25
    mask = np.ones((2, 2, 5), bool)
    mask[0, 1] = False
    found = minimum_intensity_projection(image, np.int64(3), mask)
    assert found[1, 1].tolist() == [1, 0.25, 0.25, 0.25, 1]
    assert found[0, 0].tolist() == [1] * 5
    assert found[0, 1].tolist() == [0] * 5
    with pytest.raises(EngineInputError, match="image: expected shape"):
        minimum_intensity_projection(np.ones((3, 3)))
    for slices in (0, -2, 2.5, True, "7"):
        with pytest.raises(EngineInputError, match="slices: expected a whole number of at least 1"):
            minimum_intensity_projection(image, slices)


def test_separation_leaves_out_what_is_not_finite_or_not_asked_for():
    chi, decay = np.full(SHAPE, 0.02), np.full(SHAPE, 20.0)
    chi[2, 2, 2], decay[3, 3, 3] = np.nan, np.inf
    mask = np.ones(SHAPE, bool)
    mask[0] = False
    positive, negative = separate_sources(chi, decay, 3.0, mask)
    mask[2, 2, 2] = mask[3, 3, 3] = False
    total = 20 / 274
    for values, expected in ((positive, (0.02 + total) / 2), (negative, (0.02 - total) / 2)):
        assert not values[~mask].any()
        np.testing.assert_allclose(values[mask], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"susceptibility_ppm": np.ones((3, 3))}, "susceptibility_ppm: expected shape"),
        ({"r2star": np.ones((3, 3, 3))}, r"r2star: expected shape \(6, 5, 4\)"),
        ({"r2star": -np.ones(SHAPE)}, "r2star: expected values of at least 0"),
        ({"field_t": 0}, "field_t: expected a field above 0 T"),
        ({"field_t": 123.2}, "field_t: expected 0 to 30"),
        ({"field_t": None}, "field_t: expected a number"),
        ({"mask": np.zeros(SHAPE)}, "mask: expected at least one voxel"),
        ({"method": "chi"}, "separation: expected one of r2star_qsm"),
    ],
)
def test_separation_names_what_is_wrong(arguments, message):
    good = {"susceptibility_ppm": np.ones(SHAPE), "r2star": np.ones(SHAPE), "field_t": 3.0}
    with pytest.raises(EngineInputError, match=message):
        separate_sources(**{**good, **arguments})


@functools.cache
def head():
    return simulate(HeadShape(seed=7), quick_protocol(4.0))


def made(recipe, **more):
    return reconstruct(head().stack, Recipe.from_mapping({"preset": "fast", **recipe}), **more)


def test_a_reconstruction_without_optional_steps_has_no_further_images():
    assert dict(made({}, mask=head().brain_mask).contrasts) == {}


def test_a_reconstruction_holds_every_image_on_the_input_s_grid():
    maps = made({**ALL, "reference": {"method": "csf", "erosion_mm": 0.0}}, mask=head().brain_mask)
    assert set(maps.contrasts) == {"r2star", "swi", "swi_mip", "chi_positive", "chi_negative"}
    for image in maps.contrasts.values():
        assert image.shape == head().stack.grid.shape
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
        assert not image[~head().brain_mask].any()
    rate, up, down = (maps.contrasts[name] for name in ("r2star", "chi_positive", "chi_negative"))
    assert rate.min() >= 0
    assert rate.max() <= 500
    assert up.min() >= 0
    assert down.max() <= 0
    assert not up[~maps.mask].any()
    both = maps.mask & (up > 0) & (down < 0)
    assert both.mean() > 0.5 * maps.mask.mean()
    np.testing.assert_allclose((up + down)[both], maps.susceptibility[both], atol=1e-6)
    swi, mip = maps.contrasts["swi"], maps.contrasts["swi_mip"]
    assert (mip <= swi).all()
    own = {n for n in maps.quality if n.startswith(("r2star_", "swi_", "separation_", "reference_"))}
    assert own <= set(NUMBERS)
    assert {"r2star_median", "swi_phase_scale_hz", "separation_one_sign_fraction"} <= own


@pytest.mark.parametrize("recipe", [{"r2star": "arlo"}, {"r2star": "nlls"}])
def test_a_head_s_tissues_have_their_decay(recipe):
    # texture and vessels change single voxels, the middle of a tissue keeps its own
    rate = made(recipe, mask=head().brain_mask).contrasts["r2star"]
    for label in (WHITE, GREY, nucleus_label("putamen", "left"), nucleus_label("putamen", "right")):
        here = head().scoring_mask() & (head().labels == label)
        assert np.median(rate[here]) == pytest.approx(TISSUES[label].r2star_per_s, rel=0.05), label
    fluid = head().scoring_mask() & (head().labels == VENTRICLE)
    assert np.median(rate[fluid]) < 6


def test_images_alone_are_those_of_the_reconstruction():
    # the offset that stays in the phase is not taken for noise of the magnitude
    maps = made({"swi": "clear", "r2star": "nlls", "offset": "none"}, mask=head().brain_mask)
    stack = head().stack
    alone = r2star(stack.magnitude, stack.echo_times_s, head().brain_mask, "nlls")
    inside = head().scoring_mask() & (alone > 10) & (alone < 40)
    np.testing.assert_allclose(maps.contrasts["r2star"][inside], alone[inside], rtol=0.1, atol=0.5)
    image = susceptibility_weighted(
        stack.magnitude, stack.phase, stack.echo_times_s, stack.grid, head().brain_mask
    )
    np.testing.assert_allclose(maps.contrasts["swi"], image, rtol=1e-3, atol=1e-3 * image.max())
    projected = minimum_intensity_projection(image, 7, head().brain_mask) * head().brain_mask
    np.testing.assert_allclose(maps.contrasts["swi_mip"], projected, rtol=1e-3, atol=1e-3 * image.max())


def test_same_bytes_on_any_number_of_threads():
    before = fourier.threads()
    results = []
    try:
        for count in (1, 2):
            fourier.set_threads(count)
            maps = made(ALL, mask=head().brain_mask)
            results.append({name: image.tobytes() for name, image in maps.contrasts.items()})
    finally:
        fourier.set_threads(before)
    assert results[0] == results[1]


def test_arlo_says_no_to_uneven_echoes_in_a_reconstruction():
    stack = simulate(HeadShape(seed=7), quick_protocol(6.0, echo_times_s=UNEVEN)).stack
    recipe = Recipe.from_mapping({"preset": "fast", "r2star": "arlo", "mask": "signal"})
    with pytest.raises(EngineInputError, match="nlls"):
        reconstruct(stack, recipe)
