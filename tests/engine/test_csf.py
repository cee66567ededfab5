"""The ventricles as zero: found where they are, refused where they are not."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from qsmnode.engine import EngineInputError, Grid, Recipe, fourier, reconstruct, registry
from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.reference.others import other_offsets
from qsmnode.engine.reference.ventricles import Parameters, central_part, csf_mask
from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.tissues import VENTRICLE

TIMES = (0.005, 0.010, 0.015, 0.020)
FLUID, TISSUE = 1.5, 20.0
FLUID_PPM = 0.02


def brain(voxel_mm=(2.0, 2.0, 2.0), extent_mm=(96.0, 112.0, 88.0)):
    """An ellipsoid with two ventricles beside the middle; fluid around it and in one far corner."""
    shape = tuple(round(e / v) for e, v in zip(extent_mm, voxel_mm, strict=True))
    grid = Grid(shape, voxel_mm)
    axes = [(np.arange(n) - (n - 1) / 2) * v for n, v in zip(shape, voxel_mm, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    mask = (x / 42) ** 2 + (y / 50) ** 2 + (z / 38) ** 2 < 1
    left, right = (((x - c) / 5) ** 2 + (y / 14) ** 2 + (z / 7) ** 2 < 1 for c in (-9, 9))
    far = mask & (y < -36)
    rates = np.where(left | right | far | ~mask, FLUID, TISSUE)
    return grid, mask, left, right, far, rates.astype(np.float32)


def measured(rates, mask, times=TIMES, noise=0.01, seed=0):
    rng = np.random.default_rng(seed)
    t = np.asarray(times)[:, None, None, None]
    signal = mask * np.exp(-rates * t)
    signal = signal + noise * (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape))
    return Measured(magnitude=np.abs(signal).astype(np.float32), echo_times_s=tuple(times))


def susceptibility(fluid):
    return np.where(fluid, FLUID_PPM, -0.01).astype(np.float32)


def referenced(name, chi, mask, grid, given=None, known=NOTHING, **parameters):
    chosen = registry.get("reference", name)
    made = registry.make_parameters(chosen, parameters)
    return chosen.function(chi, mask, grid, made, reference_mask=given, measured=known)


@pytest.mark.parametrize("voxel_mm", [(2.0, 2.0, 2.0), (1.0, 1.0, 3.0), (1.5, 1.2, 2.0)])
def test_both_ventricles_are_found_and_nothing_else(voxel_mm):
    grid, mask, left, right, _, rates = brain(voxel_mm)
    found = csf_mask(rates, mask, grid)
    assert not (found & ~(left | right)).any()
    assert (found & left).sum() > 0.2 * left.sum()
    assert (found & right).sum() > 0.2 * right.sum()
    assert not csf_mask(rates, mask, grid, Parameters(erosion_mm=0.0)).sum() <= found.sum()


def test_one_ventricle_is_enough():
    grid, mask, left, right, _, rates = brain()
    rates[right] = TISSUE
    found = csf_mask(rates, mask, grid)
    assert found.any()
    assert not (found & ~left).any()


@pytest.mark.parametrize("change", ["none", "small", "large", "water", "outside"])
def test_nothing_is_found_where_nothing_is_plausible(change):
    grid, mask, left, right, far, rates = brain()
    limits = Parameters(largest_ml=20.0)
    if change == "none":
        rates[left | right] = TISSUE
    elif change == "small":
        rates[left | right] = TISSUE
        rates[24:26, 28:30, 22:24] = FLUID
    elif change == "large":
        x = np.arange(grid.shape[0])[:, None, None]
        rates[np.broadcast_to(x < 26, grid.shape)] = FLUID
    elif change == "water":
        rates[:] = FLUID
        limits = Parameters()
    else:
        rates[left | right] = TISSUE
        assert (rates < 5)[far].all()
    assert not csf_mask(rates, mask, grid, limits).any()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (5, 1, 7)])
@pytest.mark.parametrize("full", [False, True])
def test_tiny_shapes_and_empty_masks(shape, full):
    mask = np.full(shape, full)
    found = csf_mask(np.zeros(shape, np.float32), mask, Grid(shape, (2, 2, 2)))
    assert found.shape == shape
    assert not found.any()  # all of it is slow: no ventricle inside something else


def test_the_central_part_is_a_ball_around_the_mask_s_middle():
    mask = np.zeros((30, 20, 10), np.bool_)
    mask[10:21, 5:16, 2:9] = True
    near = central_part(mask, Grid(mask.shape, (1, 1, 2)), 4.0)
    assert np.argwhere(near).mean(axis=0).tolist() == [15, 10, 5]
    assert near[19, 10, 5]
    assert near[15, 10, 7]
    assert not near[20, 10, 5]
    assert not near[15, 10, 8]


@pytest.mark.parametrize("times", [TIMES, (0.005, 0.009, 0.02), (0.006, 0.02)])
def test_zero_becomes_the_fluid_s_mean(times):
    grid, mask, left, right, far, rates = brain()
    chi = susceptibility(left | right | far) * mask
    offset, region, words = referenced("csf", chi, mask, grid, known=measured(rates, mask, times))
    assert offset == pytest.approx(FLUID_PPM, abs=1e-6)
    assert region.any()
    assert not (region & ~(left | right)).any()
    assert "cerebrospinal fluid" in words


def test_dark_voxels_are_no_fluid():
    grid, mask, left, right, _, rates = brain()
    known = measured(rates, mask & ~right, noise=0.02)
    _, region, _ = referenced("csf", susceptibility(left), mask, grid, known=known)
    assert not (region & right).any()


def test_a_given_region_takes_its_place():
    grid, mask, left, right, _, _ = brain()
    chi = susceptibility(left | right)
    for name in ("csf", "given"):
        offset, region, words = referenced(name, chi, mask, grid, given=left)
        assert offset == pytest.approx(FLUID_PPM)
        assert np.array_equal(region, left)
        assert "given region" in words


def test_refusals_say_why():
    grid, mask, left, _, _, rates = brain()
    chi = susceptibility(left)
    with pytest.raises(EngineInputError, match=r"at least 2 echoes.*got 0"):
        referenced("csf", chi, mask, grid)
    with pytest.raises(EngineInputError, match=r"at least 2 echoes.*got 1"):
        referenced("csf", chi, mask, grid, known=measured(rates, mask, (0.02,)))
    with pytest.raises(EngineInputError, match=r"found no fluid .R2. below 5 1/s. of 0.2 to 150 ml"):
        referenced("csf", chi, mask, grid, known=measured(np.full_like(rates, TISSUE), mask))
    with pytest.raises(EngineInputError, match="reference_mask: the reference given needs a region"):
        referenced("given", chi, mask, grid)
    with pytest.raises(EngineInputError, match="reference_mask"):
        referenced("given", chi, mask, grid, given=~mask)


def test_the_other_references_are_told():
    grid, mask, left, right, _, rates = brain()
    chi = susceptibility(left | right) * mask
    known = measured(rates, mask)
    mean = chi[mask].mean()
    found = other_offsets("whole_brain", chi, mask, grid, known)
    assert found == {"reference_csf_offset_ppm": pytest.approx(FLUID_PPM, abs=1e-6)}
    assert other_offsets("csf", chi, mask, grid, known) == {
        "reference_whole_brain_offset_ppm": pytest.approx(mean, abs=1e-6)
    }
    assert len(other_offsets("given", chi, mask, grid, known)) == 2
    uneven = measured(rates, mask, (0.005, 0.009, 0.02))
    assert other_offsets("whole_brain", chi, mask, grid, uneven) == {}
    assert other_offsets("whole_brain", chi, mask, grid, NOTHING) == {}


def test_same_region_on_any_number_of_threads():
    grid, mask, left, _, _, rates = brain()
    known = measured(rates, mask, noise=0.05)
    before = fourier.threads()
    results = []
    try:
        for count in (1, 2):
            fourier.set_threads(count)
            offset, region, _ = referenced("csf", susceptibility(left), mask, grid, known=known)
            results.append((offset, region.tobytes()))
    finally:
        fourier.set_threads(before)
    assert results[0] == results[1]


@functools.cache
def head():
    return simulate(HeadShape(seed=5), quick_protocol(4.0))


def test_a_head_s_ventricles_become_zero():
    made = head()
    recipe = {"preset": "fast", "reference": {"method": "csf", "erosion_mm": 0.0}}
    maps = reconstruct(made.stack, Recipe.from_mapping(recipe), mask=made.brain_mask)
    whole = reconstruct(made.stack, Recipe.preset("fast"), mask=made.brain_mask)
    inside = (made.labels == VENTRICLE) & maps.mask
    assert abs(maps.susceptibility[inside].mean()) < 0.015
    assert "fluid" in maps.reference
    shift = maps.quality["reference_whole_brain_offset_ppm"]
    assert shift == pytest.approx(maps.susceptibility[maps.mask].mean(), abs=1e-5)
    np.testing.assert_allclose(
        (maps.susceptibility - shift)[maps.mask], whole.susceptibility[maps.mask], atol=1e-5
    )
    assert whole.quality["reference_csf_offset_ppm"] == pytest.approx(-shift, abs=0.01)


def test_a_given_region_through_the_whole_chain():
    made = head()
    recipe = Recipe.from_mapping({"preset": "fast", "reference": "given"})
    region = made.labels == VENTRICLE
    maps = reconstruct(made.stack, recipe, mask=made.brain_mask, reference_mask=region)
    assert maps.susceptibility[region & maps.mask].mean() == pytest.approx(0, abs=1e-5)
    assert {"reference_csf_offset_ppm", "reference_whole_brain_offset_ppm"} <= set(maps.quality)
    with pytest.raises(EngineInputError, match="reference_mask"):
        reconstruct(made.stack, recipe, mask=made.brain_mask)
