"""The plain reference implementations against closed forms: a reference that is wrong would flatter us."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import Grid, invert
from tests.bench import metrics, plain
from tests.bench.heads import kernel_field

SHAPE = (32, 30, 28)
OBLIQUE = tuple((np.array([0.3, -0.2, 1.0]) / np.linalg.norm([0.3, -0.2, 1.0])).tolist())


def ball(centre: tuple[float, float, float], radius: float) -> np.ndarray:
    points = np.indices(SHAPE).astype(float)
    return np.asarray(sum((p - c) ** 2 for p, c in zip(points, centre, strict=True)) < radius**2)


@pytest.fixture(params=[(2.5, 2.5, 2.5), (2.5, 3.2, 2.0)], ids=["cubes", "bricks"])
def scene(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray, Grid]:
    """Susceptibility of two balls, the mask around them, and the grid; B0 is oblique."""
    grid = Grid(SHAPE, request.param, OBLIQUE)
    chi = 0.2 * ball((12, 13, 13), 4) - 0.5 * ball((20, 16, 15), 2.5)
    return chi.astype(np.float32), ball((16, 15, 14), 11.5), grid


def test_tkd_and_tv_find_the_balls(scene: tuple[np.ndarray, np.ndarray, Grid]) -> None:
    chi, mask, grid = scene
    field = kernel_field(chi, grid)
    errors = {}
    for name, found in {
        "tkd": plain.tkd(field, mask, grid.voxel_mm, grid.b0_direction),
        "tv": plain.tv(field, mask, grid.voxel_mm, grid.b0_direction, alpha=1e-4),
    }.items():
        assert found.shape == SHAPE
        assert not found[~mask].any()
        errors[name] = metrics.nrmse(found, chi, mask)
        assert np.median(found[ball((12, 13, 13), 2.5)]) - np.median(found[mask]) == pytest.approx(
            0.2, rel=0.2
        )
    assert errors["tv"] < 25
    assert errors["tv"] < 0.6 * errors["tkd"]


def test_tkd_agrees_with_the_engines(scene: tuple[np.ndarray, np.ndarray, Grid]) -> None:
    """Two implementations that share no code."""
    chi, mask, grid = scene
    field = kernel_field(chi, grid) * mask
    ours = invert(field, mask, grid, "tkd")
    assert metrics.nrmse(plain.tkd(field, mask, grid.voxel_mm, grid.b0_direction), ours, mask) < 10


def test_weights_keep_wrong_voxels_out(scene: tuple[np.ndarray, np.ndarray, Grid]) -> None:
    chi, mask, grid = scene
    rng = np.random.default_rng(1)
    field = kernel_field(chi, grid)
    bad = mask & (rng.random(SHAPE) < 0.01)
    field[bad] = rng.uniform(-1, 1, int(bad.sum()))
    weight = np.where(bad, 0, 1).astype(np.float32)
    with_weight = plain.tv(field, mask, grid.voxel_mm, grid.b0_direction, weight=weight)
    without = plain.tv(field, mask, grid.voxel_mm, grid.b0_direction)
    assert metrics.nrmse(with_weight, chi, mask) < 0.5 * metrics.nrmse(without, chi, mask)


def test_tv_gets_closer_with_more_iterations(scene: tuple[np.ndarray, np.ndarray, Grid]) -> None:
    chi, mask, grid = scene
    field = kernel_field(chi, grid)
    few, many = (
        metrics.nrmse(plain.tv(field, mask, grid.voxel_mm, grid.b0_direction, iterations=n), chi, mask)
        for n in (3, 50)
    )
    assert many < 0.8 * few


def test_pdf_removes_the_field_of_outside_sources(scene: tuple[np.ndarray, np.ndarray, Grid]) -> None:
    chi, mask, grid = scene
    background = kernel_field(9.0 * ball((4, 24, 22), 2.5).astype(np.float32), grid) + np.float32(0.7)
    left = plain.pdf(background, mask, grid.voxel_mm, grid.b0_direction)
    assert not left[~mask].any()
    assert left[mask].std() < 0.05 * background[mask].std()
    local = kernel_field(chi, grid)
    kept = plain.pdf(local, mask, grid.voxel_mm, grid.b0_direction)
    assert np.corrcoef(kept[mask], local[mask])[0, 1] > 0.85
    both = plain.pdf(local + background, mask, grid.voxel_mm, grid.b0_direction)
    assert (both - kept)[mask].std() < 0.1 * background[mask].std()
    weight = np.full(SHAPE, 0.5, np.float32)
    weighted = plain.pdf(local, mask, grid.voxel_mm, grid.b0_direction, weight=weight)
    np.testing.assert_allclose(weighted, kept, atol=1e-4)


def test_the_kernel_is_that_of_the_engine(scene: tuple[np.ndarray, np.ndarray, Grid]) -> None:
    """Two implementations that share no code agree on the field of the balls."""
    chi, _, grid = scene
    padded = plain._Padded(SHAPE, grid.voxel_mm, grid.b0_direction)
    field = padded.times_dipole(padded.put(chi))[padded.inner]
    expected = kernel_field(chi, grid)
    assert np.abs(field - expected).max() < 0.04 * np.abs(expected).max()
