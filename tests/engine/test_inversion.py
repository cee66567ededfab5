"""Inversion: from the field of a known source back to the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from qsmnode.engine import registry
from qsmnode.engine.dipole import forward_field
from qsmnode.engine.fourier import set_threads, threads
from qsmnode.engine.types import Grid

METHODS = ("tkd", "tv")


@dataclass(frozen=True)
class Scene:
    """Two balls and a weaker one in a ball of a mask."""

    grid: Grid
    mask: np.ndarray
    chi: np.ndarray
    field: np.ndarray


def _distance(grid: Grid, centre_mm: tuple[float, float, float], parts: int = 1) -> np.ndarray:
    axes = [
        (np.arange(n * parts) - (n * parts - 1) / 2) * v / parts
        for n, v in zip(grid.shape, grid.voxel_mm, strict=True)
    ]
    position = np.meshgrid(*axes, indexing="ij")
    return np.sqrt(sum((p - c) ** 2 for p, c in zip(position, centre_mm, strict=True)))


def _ball(grid: Grid, centre_mm: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    x, y, z = grid.shape
    fine = _distance(grid, centre_mm, 2) < radius_mm
    return fine.reshape(x, 2, y, 2, z, 2).mean(axis=(1, 3, 5))


def _scene(voxel_mm: tuple[float, float, float], direction: tuple[float, float, float], size: float) -> Scene:
    counts = [round(size / v) for v in voxel_mm]
    grid = Grid((counts[0], counts[1], counts[2]), voxel_mm, direction)
    chi = (
        0.2 * _ball(grid, (6, -4, 2), 5) + 0.1 * _ball(grid, (-8, 5, -3), 4) - 0.1 * _ball(grid, (0, 9, 8), 4)
    )
    field = forward_field(chi, grid)
    noise = np.random.default_rng(5).normal(0, 0.001, grid.shape)
    mask = _distance(grid, (0, 0, 0)) < 0.42 * size
    return Scene(grid, mask, chi, np.where(mask, field + noise, 0).astype(np.float32))


@pytest.fixture(
    scope="module",
    params=[((1.0, 1.0, 1.0), (0.0, 0.0, 1.0)), ((0.9, 1.1, 1.6), (0.3, -0.4, 0.866))],
    ids=["axial", "oblique"],
)
def scene(request: pytest.FixtureRequest) -> Scene:
    return _scene(*request.param, 48.0)


def _invert(name: str, scene: Scene, field: Any = None, weight: Any = None, **given: Any) -> Any:
    chosen = registry.get("inversion", name)
    made = registry.make_parameters(chosen, given)
    field = scene.field if field is None else field
    return chosen.function(field, scene.mask, scene.grid, weight, made)


def _error(scene: Scene, chi: np.ndarray) -> float:
    found, truth = (values[scene.mask] - values[scene.mask].mean() for values in (chi, scene.chi))
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


@pytest.mark.parametrize(("name", "close", "worst"), [("tkd", 0.1, 0.8), ("tv", 0.06, 0.3)])
def test_balls_get_their_susceptibility_back(name: str, close: float, worst: float, scene: Scene) -> None:
    chi, quality = _invert(name, scene)
    assert chi.dtype == np.float32
    assert not chi[~scene.mask].any()
    surroundings = chi[scene.mask & (scene.chi == 0)].mean()
    for centre, radius, value in (((6, -4, 2), 5, 0.2), ((-8, 5, -3), 4, 0.1), ((0, 9, 8), 4, -0.1)):
        inside = _distance(scene.grid, centre) < radius - 1
        assert chi[inside].mean() - surroundings == pytest.approx(value, abs=close * 0.2)
    assert _error(scene, chi) < worst
    assert 0 <= quality["inversion_residual"] < 0.6
    assert quality["inversion_streak"] > 0


@pytest.mark.parametrize("name", METHODS)
def test_the_wrong_direction_of_b0_fits_worse(name: str, scene: Scene) -> None:
    turned = Grid(scene.grid.shape, scene.grid.voxel_mm, (0.0, 1.0, 0.0))
    wrong, _ = _invert(name, Scene(turned, scene.mask, scene.chi, scene.field))
    right, _ = _invert(name, scene)
    assert _error(scene, wrong) > 1.5 * _error(scene, right)


def test_tv_does_not_look_where_there_is_no_weight(scene: Scene) -> None:
    weight = np.ones(scene.grid.shape, np.float32)
    broken = scene.field.copy()
    bad = scene.mask & (np.random.default_rng(6).random(scene.grid.shape) < 0.002)
    broken[bad], weight[bad] = 3.0, 0.0
    weighted, _ = _invert("tv", scene, broken, weight)
    unweighted, _ = _invert("tv", scene, broken)
    assert _error(scene, weighted) < 0.3
    assert _error(scene, unweighted) > 2 * _error(scene, weighted)


def test_tv_absorbs_a_background_that_was_left_in_the_field() -> None:
    scene = _scene((1.0, 1.0, 1.0), (0.0, 0.0, 1.0), 48.0)
    source = 8.0 * _ball(scene.grid, (0, -23, 0), 2)
    left = forward_field(source, scene.grid)
    spoiled = np.where(scene.mask, scene.field + left, 0).astype(np.float32)
    refined, _ = _invert("tv", scene, spoiled, refinements=8, projections=30, outside=0.1)
    plain, _ = _invert("tv", scene, spoiled, refinements=0, outside=1.0)
    assert _error(scene, refined) < 0.5 * _error(scene, plain)


def test_tv_ends_when_the_map_no_longer_changes_and_says_how_long_it_took(scene: Scene) -> None:
    seen: list[float] = []
    chosen = registry.get("inversion", "tv")
    made = registry.make_parameters(chosen, {"tolerance": 0.01})
    _, quality = chosen.function(
        scene.field, scene.mask, scene.grid, None, made, progress=lambda fraction, step: seen.append(fraction)
    )
    assert quality["inversion_change"] < 0.01
    assert quality["inversion_iterations"] < 150
    assert seen == sorted(seen)
    assert 0 < seen[0] <= seen[-1] <= 1
    _, capped = _invert("tv", scene, iterations=3)
    assert capped["inversion_iterations"] == 3


@pytest.mark.parametrize("name", METHODS)
def test_the_result_is_the_same_bytes_on_any_number_of_threads(name: str) -> None:
    scene = _scene((2.0, 2.0, 2.0), (0.0, 0.6, 0.8), 48.0)
    weight = np.random.default_rng(7).random(scene.grid.shape).astype(np.float32)
    before = threads()
    results = set()
    for count in (1, 2, 1):
        set_threads(count)
        chi, quality = _invert(name, scene, weight=weight)
        results.add((chi.tobytes(), tuple(sorted(quality.items()))))
    set_threads(before)
    assert len(results) == 1


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (5, 1, 7), (9, 11, 13)])
@pytest.mark.parametrize("kind", ["noise", "zero field", "zero weight", "empty mask"])
def test_tiny_odd_and_empty_input_does_not_break_it(
    name: str, shape: tuple[int, int, int], kind: str
) -> None:
    grid = Grid(shape, (1.0, 1.2, 3.0), (0, 0.6, 0.8))
    field = np.random.default_rng(8).normal(size=shape).astype(np.float32) * (kind != "zero field")
    weight = np.full(shape, kind != "zero weight", np.float32)
    mask = np.full(shape, kind != "empty mask")
    chi, quality = _invert(name, Scene(grid, mask, field, field), weight=weight)
    assert chi.shape == shape
    assert np.isfinite(chi).all()
    assert np.isfinite(list(quality.values())).all()
