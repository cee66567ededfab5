"""iSMV: the fixed point of repeated spherical means, and a simulated head."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from tests.engine.scenes import OBLIQUE, Scene, ball_scene, head, remove, spread


@pytest.fixture(scope="module")
def scene() -> Scene:
    return ball_scene(*OBLIQUE)


def test_it_is_where_repeated_means_end() -> None:
    scene = ball_scene((2.0, 2.0, 2.0), (0, 0, 1))
    field = np.where(scene.mask, scene.local + scene.background, 0)
    radius = 4.0
    local, inner, _ = remove("ismv", field, scene.mask, scene.grid, radius_mm=radius, tolerance=1e-6)
    offsets = np.meshgrid(*[np.arange(-2, 3) * 2.0] * 3, indexing="ij")
    sphere = (sum(o * o for o in offsets) <= radius**2).astype(float)
    background = field.astype(np.float64)
    for _ in range(300):
        mean = ndimage.convolve(background, sphere / sphere.sum(), mode="constant")
        background = np.where(inner, mean, field)
    assert np.abs((field - background) - local)[inner].max() < 1e-3 * np.abs(local).max()


def test_an_exactly_harmonic_field_is_gone(scene: Scene) -> None:
    axes = [(np.arange(n) - n / 2) * v for n, v in zip(scene.grid.shape, scene.grid.voxel_mm, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    ramp = 3 + 0.4 * x - 0.3 * y + 0.2 * z + 0.01 * x * y  # the sphere of voxels is even in every axis
    left, inner, _ = remove("ismv", ramp, scene.mask, scene.grid)
    assert np.abs(left[inner]).max() < 1e-3 * np.abs(ramp[inner]).max()


def test_the_radius_hardly_matters_for_the_result(scene: Scene) -> None:
    """What sets it apart from SHARP, as its paper says."""
    field = scene.local + scene.background
    small, _, _ = remove("ismv", field, scene.mask, scene.grid, radius_mm=3.0)
    large, inner, _ = remove("ismv", field, scene.mask, scene.grid, radius_mm=5.0)
    where = inner & scene.core
    assert spread(small - large, where) < 0.1 * spread(scene.local, where)


def test_a_head_keeps_its_local_field_and_loses_the_sinuses() -> None:
    made = head(6)
    total = made.total_field_hz / np.float32(made.protocol.frequency_mhz)
    local, inner, _ = remove("ismv", total, made.brain_mask, made.stack.grid)
    where = inner & made.scoring_mask(9.0)
    error = spread(local - made.local_field_ppm, where)
    assert error < 0.4 * spread(made.local_field_ppm, where)  # 32 % measured
    assert error < 0.15 * spread(total, where)
