"""Background removal: outside sources go, inside sources stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qsmnode.engine import registry
from qsmnode.engine.background.laplace import harmonic, rim_of
from qsmnode.engine.types import Grid
from tests.engine.scenes import AXIAL, OBLIQUE, Scene, ball_scene, distance, on_threads, remove, spread

METHODS = ("vsharp", "pdf", "lbv", "resharp", "ismv")


@pytest.fixture(
    scope="module",
    params=[AXIAL, OBLIQUE],
    ids=["axial", "oblique"],
)
def scene(request: pytest.FixtureRequest) -> Scene:
    return ball_scene(*request.param)


def _remove(name: str, *arguments: Any, **given: Any) -> Any:
    return remove(name, *arguments, **given)[:2]


@pytest.mark.parametrize("name", METHODS)
def test_a_background_is_removed_to_a_few_percent(name: str, scene: Scene) -> None:
    left, inner = _remove(name, scene.background, scene.mask, scene.grid)
    assert left.dtype == np.float32
    assert not (inner & ~scene.mask).any()
    assert not left[~inner].any()
    where = scene.core & inner
    assert spread(left, where) < 0.05 * spread(scene.background, where)


@pytest.mark.parametrize("name", METHODS)
def test_the_field_of_an_inside_source_survives(name: str, scene: Scene) -> None:
    kept, inner = _remove(name, scene.local, scene.mask, scene.grid)
    where = scene.core & inner
    assert spread(kept - scene.local, where) < 0.2 * spread(scene.local, where)


@pytest.mark.parametrize("name", METHODS)
def test_removal_is_linear_so_the_unit_does_not_matter(name: str, scene: Scene) -> None:
    field = scene.local + scene.background
    ppm, _ = _remove(name, field, scene.mask, scene.grid)
    hertz, _ = _remove(name, 123.2 * field, scene.mask, scene.grid)
    assert np.abs(hertz / 123.2 - ppm).max() < 2e-3 * np.abs(ppm).max()


@pytest.mark.parametrize("name", METHODS)
def test_a_constant_field_is_background(name: str, scene: Scene) -> None:
    left, inner = _remove(name, np.full(scene.grid.shape, 5.0), scene.mask, scene.grid)
    assert np.abs(left[inner & scene.core]).max() < 0.02


@pytest.mark.parametrize("name", METHODS)
def test_the_result_is_the_same_bytes_on_any_number_of_threads(name: str) -> None:
    scene = ball_scene((2.0, 2.0, 2.0), (0.0, 0.6, 0.8))
    field = scene.local + scene.background
    assert len(on_threads(lambda: _remove(name, field, scene.mask, scene.grid))) == 1


@pytest.mark.parametrize("name", METHODS)
def test_what_lies_outside_the_mask_is_never_looked_at(name: str) -> None:
    scene = ball_scene((2.0, 2.0, 2.0), (0.0, 0.6, 0.8))
    field = (scene.local + scene.background).astype(np.float32)
    wild = np.where(scene.mask, field, np.float32(np.nan))
    chosen = registry.get("background", name)
    left, again = (
        chosen.function(values, scene.mask, scene.grid, None, chosen.parameters())[0]
        for values in (np.where(scene.mask, field, np.float32(0)), wild)
    )
    np.testing.assert_array_equal(left, again)


@pytest.mark.parametrize("name", ["ismv", "resharp"])
@pytest.mark.parametrize("radius", [3.0, 5.0])
def test_one_sphere_takes_its_radius_from_the_mask_and_no_more(
    name: str, radius: float, scene: Scene
) -> None:
    depth = distance(scene.grid, (0, 0, 0))
    _, inner, numbers = remove(name, scene.local, scene.mask, scene.grid, radius_mm=radius)
    assert inner[depth < 20 - radius - max(scene.grid.voxel_mm)].all()
    assert not inner[depth > 20 - radius + max(scene.grid.voxel_mm)].any()
    assert 0 < numbers["background_iterations"] <= 200


@pytest.mark.parametrize("name", ["ismv", "resharp"])
def test_one_sphere_ends_at_the_tolerance_or_at_the_cap(name: str, scene: Scene) -> None:
    field = scene.local + scene.background
    _, _, loose = remove(name, field, scene.mask, scene.grid, tolerance=0.1)
    _, _, tight = remove(name, field, scene.mask, scene.grid, tolerance=1e-3)
    _, _, capped = remove(name, field, scene.mask, scene.grid, tolerance=1e-6, iterations=3)
    assert loose["background_iterations"] < tight["background_iterations"]
    assert tight["background_residual"] < 1e-3 < capped["background_residual"]
    assert capped["background_iterations"] == 3


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (5, 1, 7), (9, 11, 13)])
@pytest.mark.parametrize("filled", [True, False])
def test_tiny_odd_and_empty_masks_do_not_break_it(
    name: str, shape: tuple[int, int, int], filled: bool
) -> None:
    grid = Grid(shape, (1.0, 1.2, 3.0), (0, 0.6, 0.8))
    field = np.random.default_rng(4).normal(size=shape).astype(np.float32)
    left, inner = _remove(name, field, np.full(shape, filled), grid, np.ones(shape, np.float32))
    assert left.shape == inner.shape == shape
    assert np.isfinite(left).all()


def test_vsharp_gives_up_no_more_than_its_smallest_radius(scene: Scene) -> None:
    _, inner = _remove("vsharp", scene.local, scene.mask, scene.grid, smallest_mm=2.0)
    depth = distance(scene.grid, (0, 0, 0))
    assert inner[depth < 20 - 2.0 - max(scene.grid.voxel_mm)].all()
    assert not inner[depth > 19].any()


def test_pdf_keeps_the_whole_mask_and_does_not_look_where_there_is_no_weight(scene: Scene) -> None:
    broken = scene.background.copy()
    weight = np.ones(scene.grid.shape, np.float32)
    bad = distance(scene.grid, (0, 16, 0)) < 2
    broken[bad], weight[bad] = 7.0, 0.0
    left, inner = _remove("pdf", broken, scene.mask, scene.grid, weight)
    np.testing.assert_array_equal(inner, scene.mask)
    where = scene.core & ~bad
    assert spread(left, where) < 0.05 * spread(scene.background, where)
    unweighted, _ = _remove("pdf", broken, scene.mask, scene.grid)
    assert spread(left, where) < 0.5 * spread(unweighted, where)


@pytest.mark.parametrize("voxel_mm", [(1.0, 1.0, 1.0), (0.8, 1.0, 2.0)])
def test_a_harmonic_function_is_found_from_its_rim(voxel_mm: tuple[float, float, float]) -> None:
    grid = Grid((31, 27, 24), voxel_mm)
    mask = distance(grid, (0, 0, 0)) < 11
    x, y, z = np.meshgrid(
        *[(np.arange(n) - n / 2) * v for n, v in zip(grid.shape, voxel_mm, strict=True)], indexing="ij"
    )
    # exact for the seven-point stencil too
    truth = (3 + 0.4 * x - y + 0.2 * x * y + 0.05 * (x * x + y * y - 2 * z * z)).astype(np.float32)
    rim = rim_of(mask)
    found, reached = harmonic(np.where(rim, truth, 0).astype(np.float32), mask, rim, voxel_mm, 1e-6, 2000)
    assert reached < 1e-6
    assert np.abs(found - truth)[mask].max() < 2e-3 * np.abs(truth[mask]).max()


def test_the_rim_is_what_touches_the_outside_with_a_face() -> None:
    mask = np.zeros((5, 5, 5), np.bool_)
    mask[0:4, 1:4, 1:4] = True
    rim = rim_of(mask)
    assert np.argwhere(mask & ~rim).tolist() == [[1, 2, 2], [2, 2, 2]]
