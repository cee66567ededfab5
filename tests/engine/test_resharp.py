"""RESHARP: the minimum that it promises, what lambda and the radius do, and a simulated head."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from qsmnode.engine.types import Grid
from tests.engine.scenes import OBLIQUE, Scene, ball_scene, head, remove, spread


@pytest.fixture(scope="module")
def scene() -> Scene:
    return ball_scene(*OBLIQUE)


def _sphere_mean(values: np.ndarray, grid: Grid, radius_mm: float) -> np.ndarray:
    """The mean over a sphere by summing, no transform involved."""
    reach = [int(radius_mm / v) for v in grid.voxel_mm]
    offsets = np.meshgrid(*[np.arange(-r, r + 1) for r in reach], indexing="ij")
    sphere = sum((o * v) ** 2 for o, v in zip(offsets, grid.voxel_mm, strict=True)) <= radius_mm**2
    return ndimage.convolve(values, sphere / sphere.sum(), mode="constant")


def test_no_other_field_makes_the_cost_smaller() -> None:
    scene = ball_scene((3.0, 3.0, 3.5), (0, 0.6, 0.8))
    field = np.where(scene.mask, scene.local + scene.background, 0)
    radius, strength = 6.0, 0.05  # strong, so that all of the minimum lies in the box
    local, inner, _ = remove(
        "resharp", field, scene.mask, scene.grid, radius_mm=radius, strength=strength, tolerance=1e-6
    )

    def cost(values: np.ndarray) -> float:
        left = (field - values) - _sphere_mean(field - values, scene.grid, radius)
        return float((left[inner] ** 2).sum() + strength * (values**2).sum())

    # the voxels around the inner mask are not handed out: the same minimum once more, by steepest descent
    best = np.where(inner, local, 0).astype(np.float64)
    for _ in range(250):
        left = (field - best) - _sphere_mean(field - best, scene.grid, radius)
        left = np.where(inner, left, 0)
        best += 0.5 * (left - _sphere_mean(left, scene.grid, radius) - strength * best)
    assert np.abs(best - local)[inner].max() < 0.01 * np.abs(local).max()
    assert cost(best) < cost(np.where(inner, 1.1 * best, best))
    assert cost(best) < cost(np.where(inner, 0.9 * best, best))


def test_the_stronger_lambda_the_smaller_the_field(scene: Scene) -> None:
    sizes = [
        spread(
            remove("resharp", scene.local, scene.mask, scene.grid, strength=strength, tolerance=1e-4)[0],
            scene.core,
        )
        for strength in (1e-5, 1e-3, 1e-1)
    ]
    assert sizes[0] > sizes[1] > 1.2 * sizes[2] > 0


def test_a_head_keeps_its_local_field_and_loses_the_sinuses() -> None:
    made = head(6)
    total = made.total_field_hz / np.float32(made.protocol.frequency_mhz)
    local, inner, _ = remove("resharp", total, made.brain_mask, made.stack.grid)
    where = inner & made.scoring_mask(9.0)
    error = spread(local - made.local_field_ppm, where)
    assert error < 0.35 * spread(made.local_field_ppm, where)  # 24 % measured without noise
    assert np.count_nonzero(inner) > 0.75 * np.count_nonzero(made.brain_mask)
