"""Inversion: from the field of a known source back to the source."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import registry
from qsmnode.engine.dipole import forward_field
from qsmnode.engine.types import Grid
from tests.engine.balls import BALLS, Scene, ball, distance
from tests.engine.balls import scene as balls
from tests.engine.inversions import ODD_KINDS, ODD_SHAPES, invert, results_on_threads, survives

METHODS = ("tkd", "tv")
# those that need nothing but the field
ALL = (*METHODS, "rts", "ilsqr", "hd_qsm")


@pytest.fixture(
    scope="module",
    params=[((1.0, 1.0, 1.0), (0.0, 0.0, 1.0)), ((0.9, 1.1, 1.6), (0.3, -0.4, 0.866))],
    ids=["axial", "oblique"],
)
def scene(request: pytest.FixtureRequest) -> Scene:
    return balls(*request.param)


@pytest.mark.parametrize(("name", "close", "worst"), [("tkd", 0.1, 0.8), ("tv", 0.06, 0.3)])
def test_balls_get_their_susceptibility_back(name: str, close: float, worst: float, scene: Scene) -> None:
    chi, quality = invert(name, scene)
    assert chi.dtype == np.float32
    assert not chi[~scene.mask].any()
    surroundings = chi[scene.mask & (scene.chi == 0)].mean()
    for centre, radius, value in BALLS:
        inside = distance(scene.grid, centre) < radius - 1
        assert chi[inside].mean() - surroundings == pytest.approx(value, abs=close * 0.2)
    assert scene.error(chi) < worst
    assert 0 <= quality["inversion_residual"] < 0.6
    assert quality["inversion_streak"] > 0


@pytest.mark.parametrize("name", METHODS)
def test_the_wrong_direction_of_b0_fits_worse(name: str, scene: Scene) -> None:
    turned = Grid(scene.grid.shape, scene.grid.voxel_mm, (0.0, 1.0, 0.0))
    wrong, _ = invert(name, Scene(turned, scene.mask, scene.chi, scene.field))
    right, _ = invert(name, scene)
    assert scene.error(wrong) > 1.5 * scene.error(right)


def test_tv_does_not_look_where_there_is_no_weight(scene: Scene) -> None:
    weight = np.ones(scene.grid.shape, np.float32)
    broken = scene.field.copy()
    bad = scene.mask & (np.random.default_rng(6).random(scene.grid.shape) < 0.002)
    broken[bad], weight[bad] = 3.0, 0.0
    weighted, _ = invert("tv", scene, broken, weight)
    unweighted, _ = invert("tv", scene, broken)
    assert scene.error(weighted) < 0.3
    assert scene.error(unweighted) > 2 * scene.error(weighted)


def test_tv_absorbs_a_background_that_was_left_in_the_field() -> None:
    scene = balls()
    source = 8.0 * ball(scene.grid, (0, -20.8, 0), 2)
    left = forward_field(source, scene.grid)
    spoiled = np.where(scene.mask, scene.field + left, 0).astype(np.float32)
    refined, _ = invert("tv", scene, spoiled, refinements=8, projections=30, outside=0.1)
    plain, _ = invert("tv", scene, spoiled, refinements=0, outside=1.0)
    assert scene.error(refined) < 0.5 * scene.error(plain)


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
    _, capped = invert("tv", scene, iterations=3)
    assert capped["inversion_iterations"] == 3


@pytest.mark.parametrize("name", ALL)
def test_the_result_is_the_same_bytes_on_any_number_of_threads(name: str) -> None:
    assert len(results_on_threads(name)) == 1


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", ODD_SHAPES)
@pytest.mark.parametrize("kind", ODD_KINDS)
def test_tiny_odd_and_empty_input_does_not_break_it(
    name: str, shape: tuple[int, int, int], kind: str
) -> None:
    survives(name, shape, kind)
