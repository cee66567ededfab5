"""Susceptibility-weighted images: what is dark, what is even, and what never happens."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import Grid, fourier, registry
from qsmnode.engine.dipole import forward_field
from qsmnode.engine.swi.projection import minimum_projection
from qsmnode.engine.wrapping import wrapped

TIMES = (0.006, 0.013, 0.020)
MHZ = 123.2
SHAPE = (44, 46, 32)


def axes(shape, voxel_mm):
    lines = [(np.arange(n) - (n - 1) / 2) * v for n, v in zip(shape, voxel_mm, strict=True)]
    return np.meshgrid(*lines, indexing="ij")


def tube(chi=0.2, b0=(0, 0, 1), voxel_mm=(1.0, 1.0, 1.0), noise=0.01, times=TIMES, bias=None):
    """A vein along Z in a cylinder of tissue with a smooth background field of several turns."""
    grid = Grid(SHAPE, voxel_mm, b0)
    x, y, z = axes(SHAPE, voxel_mm)
    vein = x**2 + y**2 < 2.0**2
    body = (x**2 + y**2 < 20.0**2) & (np.abs(z) < 14)
    field_hz = forward_field(np.where(vein, chi, 0), grid) * MHZ + 0.7 * x + 0.09 * y**2 + 20
    t = np.asarray(times)[:, None, None, None]
    signal = body * np.exp(-20 * t) * np.exp(2j * np.pi * field_hz * t)
    if bias is not None:
        signal = signal * bias(x, y, z)
    rng = np.random.default_rng(0)
    signal = signal + noise * (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape))
    inner = body & (np.abs(z) < 9) & (x**2 + y**2 < 15**2)
    return np.abs(signal).astype(np.float32), np.angle(signal).astype(np.float32), grid, body, vein, inner


def clear(magnitude, phase, grid, mask, times=TIMES, **parameters):
    chosen = registry.get("swi", "clear")
    return chosen.function(magnitude, phase, times, grid, mask, registry.make_parameters(chosen, parameters))


def darkness(image, vein, inner):
    """Vein over the tissue around it."""
    return float(np.mean(image[vein & inner]) / np.median(image[inner & ~vein]))


@pytest.mark.parametrize(("chi", "low", "high"), [(0.2, 0.2, 0.65), (0.0, 0.95, 1.1), (-0.2, 1.02, 1.3)])
def test_a_paramagnetic_vein_along_the_field_is_dark(chi, low, high):
    magnitude, phase, grid, body, vein, inner = tube(chi)
    image, projected, numbers = clear(magnitude, phase, grid, body)
    assert low < darkness(image, vein, inner) < high
    assert numbers["swi_phase_scale_hz"] > 0
    if chi > 0:
        assert darkness(projected, vein, inner) < darkness(image, vein, inner) + 0.05


def test_a_vein_across_the_field_is_bright_inside_and_dark_beside_along_the_field():
    magnitude, phase, grid, body, vein, inner = tube(0.2, b0=(1, 0, 0))
    image, _, _ = clear(magnitude, phase, grid, body)
    x, y, _ = axes(SHAPE, grid.voxel_mm)
    beside = inner & (np.abs(y) < 1.5) & (np.abs(x) > 2.5) & (np.abs(x) < 4)
    assert darkness(image, vein, inner) > 1
    assert darkness(image, beside, inner) < 0.9


def test_phase_that_all_echoes_share_does_not_matter():
    magnitude, phase, grid, body, _, inner = tube()
    one = clear(magnitude, phase, grid, body)[0]
    other = clear(magnitude, wrapped(phase + 2.5), grid, body)[0]
    np.testing.assert_allclose(other[inner], one[inner], rtol=1e-3)


def test_the_receive_profile_is_taken_out_and_the_unit_stays():
    magnitude, phase, grid, body, vein, inner = tube(bias=lambda x, y, z: 1000 * np.exp(x / 30))
    image, _, _ = clear(magnitude, phase, grid, body, strength=0.5)
    x, _, _ = axes(SHAPE, grid.voxel_mm)
    tissue = inner & ~vein
    left, right = (np.median(image[tissue & (s * x > 6)]) for s in (-1, 1))
    raw = np.median(magnitude[0][tissue & (x > 6)]) / np.median(magnitude[0][tissue & (x < -6)])
    assert raw > 1.6
    assert abs(np.log(right / left)) < 0.3 * np.log(raw)
    assert 700 < np.median(image[tissue]) < 3000


@pytest.mark.parametrize(("weaker", "stronger"), [({"strength": 1.0}, {}), ({}, {"exponent": 3.0})])
def test_strength_and_exponent_darken(weaker, stronger):
    magnitude, phase, grid, body, vein, inner = tube()
    faint, strong = (
        darkness(clear(magnitude, phase, grid, body, **p)[0], vein, inner) for p in (weaker, stronger)
    )
    assert strong < faint - 0.05


def test_a_wider_filter_keeps_more_of_the_background():
    magnitude, phase, grid, body, _, _ = tube(0.0)
    narrow, wide = (clear(magnitude, phase, grid, body, highpass_mm=w)[2] for w in (2.0, 10.0))
    assert wide["swi_phase_scale_hz"] > 2 * narrow["swi_phase_scale_hz"]


def test_nothing_is_shown_outside_the_mask():
    magnitude, phase, grid, body, _, inner = tube()
    image, projected, _ = clear(magnitude, phase, grid, inner)
    assert not image[~inner].any()
    assert not projected[~inner].any()
    assert (projected[inner] > 0).mean() > 0.99
    noisy = magnitude.copy()
    noisy[:, ~body] = 50
    again, _, _ = clear(noisy, phase, grid, inner)
    np.testing.assert_allclose(again, image, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (5, 1, 7)])
@pytest.mark.parametrize("size", [0.0, 1e-30, 1.0, 3e38])
def test_tiny_shapes_and_extreme_sizes_stay_finite(shape, size):
    rng = np.random.default_rng(0)
    magnitude = (size * rng.random((2, *shape))).astype(np.float32)
    phase = rng.uniform(-np.pi, np.pi, (2, *shape)).astype(np.float32)
    grid = Grid(shape, (1, 1, 2))
    for mask in (np.ones(shape, np.bool_), np.zeros(shape, np.bool_), rng.random(shape) < 0.5):
        image, projected, _ = clear(magnitude, phase, grid, mask, TIMES[:2])
        for values in (image, projected):
            assert values.shape == shape
            assert values.dtype == np.float32
            assert np.isfinite(values).all()
            assert values.min() >= 0
            assert not values[~mask].any()


def test_one_echo_and_voids_inside():
    magnitude, phase, grid, body, vein, inner = tube(times=(0.02,))
    magnitude[:, 30:33, 22:25, 10:13] = 0
    image, _, _ = clear(magnitude, phase, grid, body, (0.02,))
    assert np.isfinite(image).all()
    assert not image[30:33, 22:25, 10:13].any()
    assert darkness(image, vein, inner) < 0.65


def test_same_bytes_on_any_number_of_threads():
    magnitude, phase, grid, body, _, _ = tube()
    before = fourier.threads()
    results = []
    try:
        for count in (1, 2):
            fourier.set_threads(count)
            image, projected, _ = clear(magnitude, phase, grid, body)
            results.append((image.tobytes(), projected.tobytes()))
    finally:
        fourier.set_threads(before)
    assert results[0] == results[1]


@pytest.mark.parametrize("slices", [1, 2, 3, 4, 7, 50])
def test_the_projection_is_the_least_of_the_neighbouring_slices(slices):
    rng = np.random.default_rng(1)
    image = rng.random((4, 5, 9)).astype(np.float32)
    mask = rng.random(image.shape) < 0.6
    below, above = (slices - 1) // 2, slices // 2
    for known in (None, mask):
        shown = np.where(True if known is None else known, image, np.inf)
        parts = [shown[..., max(0, z - below) : z + above + 1].min(axis=2) for z in range(9)]
        expected = np.stack(parts, axis=2)
        expected[~np.isfinite(expected)] = 0
        np.testing.assert_array_equal(minimum_projection(image, slices, known), expected.astype(np.float32))
