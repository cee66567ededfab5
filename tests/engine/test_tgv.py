"""Total generalised variation: susceptibility straight from wrapped phase."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from qsmnode.engine import invert, reconstruct, registry
from qsmnode.engine.dipole import forward_field
from qsmnode.engine.fourier import set_threads, threads
from qsmnode.engine.inversion.tgv_grids import Level, coarser
from qsmnode.engine.inversion.tgv_mend import mend, torn
from qsmnode.engine.inversion.tgv_steps import (
    EQUATION,
    laplacian_of_steps,
    neighbours,
    steps_of_blocks,
    steps_of_phase,
)
from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.recipe import Recipe
from qsmnode.engine.types import EchoStack, Grid
from qsmnode.errors import EngineInputError

TIMES = (0.005, 0.012, 0.019)
FREQUENCY = 123.2
# centre in mm, radius in mm, ppm
BALLS = (((6.0, -4.0, 2.0), 5.0, 0.2), ((-8.0, 5.0, -3.0), 4.5, 0.1), ((1.0, 8.0, 6.0), 4.0, -0.1))
GOOD_ECHOES = {"alpha1": 3e-4, "alpha0": 9e-4}


@dataclass(frozen=True)
class Scene:
    """Balls in a ball of a mask, in the field of far stronger sources outside it."""

    grid: Grid
    mask: np.ndarray
    chi: np.ndarray
    total: np.ndarray
    local: np.ndarray


def _distance(grid: Grid, centre_mm: tuple[float, ...]) -> np.ndarray:
    axes = [(np.arange(n) - (n - 1) / 2) * v for n, v in zip(grid.shape, grid.voxel_mm, strict=True)]
    position = np.meshgrid(*axes, indexing="ij")
    return np.sqrt(sum((p - c) ** 2 for p, c in zip(position, centre_mm, strict=True)))


def _averaged(values: np.ndarray) -> np.ndarray:
    x, y, z = (n // 2 for n in values.shape)
    return values.reshape(x, 2, y, 2, z, 2).mean(axis=(1, 3, 5)).astype(np.float32)


def _scene(voxel_mm: tuple[float, float, float], direction: tuple[float, float, float]) -> Scene:
    """Simulated on voxels of half the size: the inversion's own operator is not the one it inverts."""
    x, y, z = (round(40 / v) for v in voxel_mm)
    grid = Grid((x, y, z), voxel_mm, direction)
    a, b, c = voxel_mm
    fine = Grid((2 * x, 2 * y, 2 * z), (a / 2, b / 2, c / 2), direction)
    chi = sum(ppm * (_distance(fine, centre) < radius) for centre, radius, ppm in BALLS)
    outside = 6.0 * (_distance(fine, (17.0, 15.0, 12.0)) < 4) + 3.0 * (
        _distance(fine, (-18.0, -17.0, -8.0)) < 3
    )
    local = _averaged(forward_field(chi, fine))
    total = local + _averaged(forward_field(outside, fine)) + np.float32(0.02) * np.arange(z)
    return Scene(grid, _distance(grid, (0.0, 0.0, 0.0)) < 17, _averaged(chi), total.astype(np.float32), local)


@pytest.fixture(
    scope="module",
    params=[
        ((1.25, 1.25, 1.25), (0.0, 0.45, 0.893)),
        ((1.0, 1.25, 1.6), (0.3, -0.4, 0.866)),
    ],
    ids=["oblique", "anisotropic"],
)
def scene(request: pytest.FixtureRequest) -> Scene:
    return _scene(*request.param)


@pytest.fixture(scope="module")
def axial() -> Scene:
    return _scene((1.25, 1.25, 1.25), (0.0, 0.0, 1.0))


@pytest.fixture(scope="module")
def plain(axial: Scene) -> tuple[np.ndarray, dict[str, float]]:
    """The axial scene's map and numbers, as the defaults make them."""
    return _tgv(axial, _measured(axial))


def _measured(
    scene: Scene, extra: Any = 0.0, times: tuple[float, ...] = TIMES, noise: float = 0.02
) -> Measured:
    """Echoes with noise (a share of the signal) of the total field; ``extra`` phase in all of them."""
    rng = np.random.default_rng(5)
    phase = np.stack([2 * np.pi * FREQUENCY * t * scene.total + extra for t in times])
    signal = np.exp(1j * phase) + noise * (rng.normal(size=phase.shape) + 1j * rng.normal(size=phase.shape))
    return Measured(
        magnitude=np.abs(signal).astype(np.float32),
        phase=np.angle(signal).astype(np.float32),
        echo_times_s=times,
        imaging_frequency_mhz=FREQUENCY,
    )


def _tgv(
    scene: Scene, measured: Measured, weight: Any = None, **given: Any
) -> tuple[np.ndarray, dict[str, float]]:
    chosen = registry.get("inversion", "tgv")
    made = registry.make_parameters(chosen, GOOD_ECHOES | given)
    field = np.where(scene.mask, scene.total, 0).astype(np.float32)
    found, numbers = chosen.function(field, scene.mask, scene.grid, weight, made, measured=measured)
    return found, numbers


def _levels(scene: Scene, found: np.ndarray) -> list[float]:
    """Each ball's mean above that of the mask far from all balls."""
    far = scene.mask & (_distance(scene.grid, (0.0, 0.0, 0.0)) < 14)
    for centre, radius, _ in BALLS:
        far &= _distance(scene.grid, centre) > radius + 2
    zero = found[far].mean()
    return [float(found[_distance(scene.grid, c) < r - 1.5].mean() - zero) for c, r, _ in BALLS]


def _error(scene: Scene, found: np.ndarray) -> float:
    a, b = (values[scene.mask] - values[scene.mask].mean() for values in (found, scene.chi))
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def test_balls_under_a_strong_background_get_sign_and_value_back(
    axial: Scene, plain: tuple[np.ndarray, dict[str, float]]
) -> None:
    _check_balls(axial, *plain)


def test_balls_in_other_geometries_get_sign_and_value_back(scene: Scene) -> None:
    _check_balls(scene, *_tgv(scene, _measured(scene)))


def _check_balls(scene: Scene, found: np.ndarray, numbers: dict[str, float]) -> None:
    assert found.dtype == np.float32
    assert found.shape == scene.grid.shape
    assert not found[~scene.mask].any()
    for level, (_, _, ppm) in zip(_levels(scene, found), BALLS, strict=True):
        assert level == pytest.approx(ppm, abs=0.02)
    assert _error(scene, found) < 0.35
    assert numbers["inversion_residual"] < 0.2
    assert 0.6 < numbers["inversion_coverage"] < 1.0


def test_one_echo_and_the_published_weights_are_enough(axial: Scene) -> None:
    found, _ = _tgv(axial, _measured(axial, times=(0.012,)), alpha1=1e-3, alpha0=3e-3)
    for level, (_, _, ppm) in zip(_levels(axial, found), BALLS, strict=True):
        assert level == pytest.approx(ppm, abs=0.03)


def test_whole_turns_change_nothing(axial: Scene) -> None:
    measured = _measured(axial)
    assert measured.phase is not None
    turns = np.random.default_rng(1).integers(-1, 2, measured.phase.shape)
    turned = replace(measured, phase=(measured.phase + 2 * np.pi * turns).astype(np.float32))
    one, other = (_tgv(axial, given, iterations=50)[0] for given in (measured, turned))
    assert np.allclose(one, other, atol=1e-5)


def test_an_open_ended_fringe_line_does_not_hurt(
    axial: Scene, plain: tuple[np.ndarray, dict[str, float]]
) -> None:
    x, y, z = axial.grid.shape
    u, v = np.meshgrid(np.arange(x) - 13.5, np.arange(y) - 19.5, indexing="ij")
    vortex = np.broadcast_to(np.arctan2(v, u)[:, :, None], (x, y, z))
    around, _ = _tgv(axial, _measured(axial, extra=vortex))
    assert _error(axial, around) < _error(axial, plain[0]) + 0.1
    for level, (_, _, ppm) in zip(_levels(axial, around), BALLS, strict=True):
        assert level == pytest.approx(ppm, abs=0.025)


def test_phase_without_trust_is_not_believed(axial: Scene) -> None:
    measured = _measured(axial)
    assert measured.phase is not None
    bad = _distance(axial.grid, (4.0, 7.0, -8.0)) < 2.5
    phase = np.where(bad, np.random.default_rng(2).uniform(-np.pi, np.pi, bad.shape), measured.phase)
    spoilt = replace(measured, phase=phase.astype(np.float32))
    weight = np.where(bad, 0, 1).astype(np.float32)
    told, _ = _tgv(axial, spoilt, weight)
    untold, _ = _tgv(axial, spoilt)
    assert _error(axial, told) < 0.35
    # what cannot be phase is found even if nobody says so
    assert _error(axial, untold) < 1.0


def test_the_result_is_the_same_on_any_number_of_threads() -> None:
    scene = _scene((1.0, 1.0, 1.0), (0.0, 0.45, 0.893))
    before = threads()
    found = []
    try:
        for count in (1, 2):
            set_threads(count)
            found.append(_tgv(scene, _measured(scene), iterations=20)[0].tobytes())
    finally:
        set_threads(before)
    assert found[0] == found[1]


def test_it_ends_when_the_map_stands_still(axial: Scene, plain: tuple[np.ndarray, dict[str, float]]) -> None:
    loose, few = _tgv(axial, _measured(axial), tolerance=2e-3)
    tight, many = plain
    assert few["inversion_iterations"] < many["inversion_iterations"] < 1000
    assert many["inversion_change"] < 5e-4
    assert _error(axial, tight) < 0.35
    _, stopped = _tgv(axial, _measured(axial), iterations=7)
    assert stopped["inversion_iterations"] == 7
    assert stopped["inversion_change"] > 5e-4
    assert np.linalg.norm(loose - tight) < 0.3 * np.linalg.norm(tight)


def test_a_coarse_start_leads_to_the_same_map_sooner(
    axial: Scene, plain: tuple[np.ndarray, dict[str, float]]
) -> None:
    straight, slow = _tgv(axial, _measured(axial), coarsest_mm=1.25, iterations=3000)
    started, fast = plain
    assert fast["inversion_iterations"] < slow["inversion_iterations"] < 3000
    apart = np.linalg.norm(
        (started - started[axial.mask].mean() - straight + straight[axial.mask].mean())[axial.mask]
    )
    assert apart < 0.3 * np.linalg.norm(straight[axial.mask])


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (5, 1, 7), (9, 8, 7)])
@pytest.mark.parametrize("filled", [True, False])
def test_tiny_or_empty_input_gives_finite_numbers(shape: tuple[int, int, int], filled: bool) -> None:
    grid = Grid(shape, (1.0, 1.0, 2.0), (0.36, 0.48, 0.8))
    rng = np.random.default_rng(3)
    echoes = rng.uniform(-3, 3, (2, *shape)).astype(np.float32)
    measured = Measured(phase=echoes, echo_times_s=(0.01, 0.02), imaging_frequency_mhz=123.0)
    chosen = registry.get("inversion", "tgv")
    few = chosen.parameters(iterations=100)
    mask = np.full(shape, filled)
    zero = np.zeros(shape, dtype=np.float32)
    for weight in (None, zero):
        for signal in (None, np.zeros_like(echoes)):
            found, numbers = chosen.function(
                zero, mask, grid, weight, few, measured=replace(measured, magnitude=signal)
            )
            assert found.shape == shape
            assert np.isfinite(found).all()
            assert np.isfinite(list(numbers.values())).all()


def test_what_is_missing_is_named(axial: Scene) -> None:
    with pytest.raises(EngineInputError, match="phase, echo_times_s, imaging_frequency_mhz"):
        _tgv(axial, NOTHING)
    measured = _measured(axial)
    with pytest.raises(EngineInputError, match="needs phase;"):
        _tgv(axial, replace(measured, phase=None))
    with pytest.raises(EngineInputError, match="expected shape"):
        _tgv(axial, replace(measured, echo_times_s=TIMES[:2]))
    with pytest.raises(EngineInputError, match="starts from wrapped phase"):
        invert(axial.local, axial.mask, axial.grid, method="tgv")


def test_a_recipe_with_it_needs_no_background_step(axial: Scene) -> None:
    recipe = Recipe.from_mapping({"inversion": {"method": "tgv", **GOOD_ECHOES}})
    assert "background" not in recipe.steps
    assert recipe == Recipe.from_mapping(recipe.as_mapping())
    with pytest.raises(EngineInputError, match="background"):
        Recipe.from_mapping({"inversion": "tgv", "background": "pdf"})
    measured = _measured(axial)
    stack = EchoStack(measured.magnitude, measured.phase, TIMES, FREQUENCY, axial.grid)
    told: list[float] = []
    maps = reconstruct(stack, recipe, axial.mask, lambda fraction, _: told.append(fraction))
    assert told == sorted(told)
    assert maps.quality["inversion_coverage"] > 0.8
    assert "background_coverage" not in maps.quality
    assert _error(axial, maps.susceptibility) < 0.35
    inside = maps.mask & (_distance(axial.grid, (0.0, 0.0, 0.0)) < 14)
    assert np.corrcoef(maps.local_field[inside], axial.local[inside])[0, 1] > 0.9


def test_steps_of_wrapped_phase_give_the_laplacian_of_the_field() -> None:
    grid = Grid((9, 8, 10), (1.0, 1.2, 0.7))
    x, y, z = np.meshgrid(
        *[np.arange(n) * v for n, v in zip(grid.shape, grid.voxel_mm, strict=True)], indexing="ij"
    )
    field = (0.3 * x * x - 0.1 * y * y + 0.05 * z * z + 0.2 * x * y + z).astype(np.float32)
    near = neighbours(np.pad(np.ones(grid.shape, dtype=np.bool_), 1), False)
    assert np.count_nonzero(near & EQUATION) == 7 * 6 * 8
    scale = np.array([0.5, 1.1], dtype=np.float32)
    phase = np.angle(np.exp(1j * scale[:, None, None, None] * field)).astype(np.float32)
    steps = steps_of_phase(phase, None, scale, near)
    inverse_square = (1 / np.array(grid.voxel_mm, dtype=np.float32)) ** 2
    laplacian = laplacian_of_steps(steps, near, inverse_square)
    assert np.allclose(laplacian[(near & EQUATION) > 0], 2 * (0.3 - 0.1 + 0.05), atol=1e-3)


def test_only_faces_that_lack_a_turn_are_torn() -> None:
    near = neighbours(_inner((6, 7, 8)), False)
    u, v = np.meshgrid(np.arange(4) - 1.5, np.arange(5) - 1.5, indexing="ij")
    vortex = np.broadcast_to(np.arctan2(v, u)[:, :, None], (4, 5, 6)).astype(np.float32)[None]
    steps = steps_of_phase(vortex, None, np.ones(1, dtype=np.float32), near)
    found = torn(steps, near, 1.0)
    expected = np.zeros((6, 7, 8), dtype=np.bool_)
    expected[2:4, 2:4, 1:7] = True
    assert np.array_equal(found, expected)


def test_torn_steps_are_mended_but_for_those_about_a_line() -> None:
    near = neighbours(_inner((12, 12, 12)), False)
    x, y, z = np.meshgrid(*[np.arange(10.0)] * 3, indexing="ij")
    smooth = (0.4 * x - 0.3 * y + 0.02 * x * z).astype(np.float32)[None]
    scale = np.ones(1, dtype=np.float32)
    clean = steps_of_phase(smooth, None, scale, near)
    assert not mend(clean.copy(), near, 1.0).any()
    bad = np.zeros((10, 10, 10), dtype=np.bool_)
    bad[3:6, 4:7, 3:7] = True
    noise = np.random.default_rng(6).uniform(-np.pi, np.pi, bad.shape)
    spoilt = steps_of_phase(np.where(bad, noise, smooth).astype(np.float32), None, scale, near)
    mended = mend(spoilt, near, 1.0)
    assert mended[1:-1, 1:-1, 1:-1][bad].mean() > 0.9
    assert mended.sum() < 130
    assert not torn(spoilt, near, 1.0).any()
    vortex = np.arctan2(y - 4.5, x - 4.5).astype(np.float32)[None]
    about = steps_of_phase(vortex, None, scale, near)
    before = about.copy()
    assert not mend(about, near, 1.0).any()
    assert np.array_equal(about, before)


def _inner(shape: tuple[int, int, int]) -> np.ndarray:
    inside = np.zeros(shape, dtype=np.bool_)
    inside[1:-1, 1:-1, 1:-1] = True
    return inside


def test_steps_between_blocks_are_those_of_their_means() -> None:
    field = np.random.default_rng(4).normal(size=(8, 6, 10)).astype(np.float32)
    near = neighbours(np.pad(np.ones(field.shape, dtype=np.bool_), 1), False)
    steps = steps_of_phase(field[None] * 0.1, None, np.array([0.1], dtype=np.float32), near)
    means = field.reshape(4, 2, 6, 5, 2).mean(axis=(1, 4))
    blocks = neighbours(np.pad(np.ones(means.shape, dtype=np.bool_), 1), False)
    found = steps_of_blocks(steps, near, (2, 1, 2), blocks)
    for axis in range(3):
        inner = tuple(slice(1, -2) if a == axis else slice(1, -1) for a in range(3))
        assert np.allclose(found[(axis, *inner)], np.diff(means, axis=axis), atol=1e-4)


def test_coarser_grids_double_the_short_edges_only() -> None:
    near = neighbours(np.pad(np.ones((8, 8, 6), dtype=np.bool_), 1), False)
    steps = np.zeros((3, *near.shape), dtype=np.float32)
    level = Level(near, steps, (near > 0).astype(np.float32), (1.0, 1.0, 2.0), (0.0, 0.0, 1.0))
    following = coarser(level, 2.0)
    assert following is not None
    assert following.voxel_mm == (2.0, 2.0, 2.0)
    assert following.near.shape == (6, 6, 8)
    assert np.array_equal(following.square, following.near > 0)
    assert coarser(following, 3.9) is None
    assert coarser(level, 1.9) is None
