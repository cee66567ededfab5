"""The morphology-enabled inversion."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from qsmnode.engine.inversion.medi_data import Data, flat_parts
from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.types import Grid
from qsmnode.errors import EngineInputError
from tests.engine.balls import BALLS, Scene, ball, dipole_outside, distance, scene
from tests.engine.inversions import (
    ODD_KINDS,
    ODD_SHAPES,
    invert,
    odd_input,
    results_on_threads,
    some_voxels,
    survives,
)

RAD_PER_PPM = 15.0
TURN_PPM = 2 * math.pi / RAD_PER_PPM
COARSE = (1.7, 1.7, 1.7)
VENTRICLE = (-5.0, -7.0, 5.0)
ECHO_TIMES_S = (0.005, 0.015, 0.025)


def _magnitude(where: Scene) -> np.ndarray:
    """Bright as the balls are, with some noise: it has edges where the susceptibility has."""
    signal = 100 + 300 * where.chi + np.random.default_rng(4).normal(0, 0.5, where.grid.shape)
    return np.where(where.mask, signal, 0).astype(np.float32)


def _invert(
    where: Scene,
    field: Any = None,
    weight: Any = None,
    measured: Any = None,
    progress: Any = None,
    **given: Any,
) -> Any:
    if measured is None:
        measured = Measured(magnitude=_magnitude(where)[None], phase_per_ppm=RAD_PER_PPM)
    given = {"padding_mm": 6.0, **given}
    return invert("medi", where, field, weight, measured=measured, progress=progress, **given)


@pytest.mark.parametrize(
    ("data_term", "voxel_mm", "direction"),
    [("linear", (1.5, 1.5, 1.5), (0.0, 0.0, 1.0)), ("nonlinear", (1.2, 1.4, 1.8), (0.3, -0.4, 0.866))],
    ids=["axial", "oblique"],
)
def test_balls_get_their_susceptibility_back(data_term: str, voxel_mm: Any, direction: Any) -> None:
    balls = scene(voxel_mm, direction)
    chi, quality = _invert(balls, data_term=data_term)
    assert chi.dtype == np.float32
    assert not chi[~balls.mask].any()
    around = chi[balls.mask & (balls.chi == 0)].mean()
    for centre, radius, value in BALLS:
        inside = distance(balls.grid, centre) < radius - 1.5
        assert chi[inside].mean() - around == pytest.approx(value, abs=0.012)
    assert balls.error(chi) < 0.2
    assert quality["inversion_residual"] < 0.3
    assert quality["inversion_coverage"] == 1
    turned = Scene(Grid(balls.grid.shape, voxel_mm, (0, 1, 0)), balls.mask, balls.chi, balls.field)
    assert balls.error(_invert(turned, data_term=data_term)[0]) > 2 * balls.error(chi)


def test_the_edges_of_the_magnitude_help() -> None:
    balls = scene(COARSE)
    even = Measured(magnitude=np.ones((1, *balls.grid.shape), np.float32), phase_per_ppm=RAD_PER_PPM)
    assert balls.error(_invert(balls)[0]) < 0.9 * balls.error(_invert(balls, measured=even)[0])
    everywhere, _ = _invert(balls, edges=3.0)
    assert balls.error(_invert(balls)[0]) < 0.7 * balls.error(everywhere)


def test_flat_parts_are_all_but_the_steepest_differences() -> None:
    grid = Grid((24, 20, 16), (1.0, 1.0, 2.0))
    magnitude = np.random.default_rng(3).random(grid.shape).astype(np.float32)
    inside = np.ones(grid.shape, np.bool_)
    for edges in (0.0, 0.3, 0.9, 2.4):
        flat = flat_parts(magnitude, inside, grid, edges)
        assert (flat == 0).sum() / inside.sum() == pytest.approx(edges, abs=0.01)
    step = np.where(np.arange(24) < 12, 1.0, 2.0).astype(np.float32)[:, None, None] * np.ones(
        grid.shape, "f4"
    )
    flat = flat_parts(step, inside, grid, 0.9)
    assert not flat[0, 11].any()
    assert flat[0, :11].all()
    assert flat[1:].all()


def test_only_the_nonlinear_term_withstands_voxels_that_are_off_by_a_whole_turn() -> None:
    balls = scene(COARSE)
    signs = np.random.default_rng(7).choice([-1, 1], balls.grid.shape)
    broken = (balls.field + some_voxels(balls, 0.01) * signs * TURN_PPM).astype(np.float32)
    clean = balls.error(_invert(balls)[0])
    assert balls.error(_invert(balls, broken, merit=False)[0]) < clean + 0.03
    assert balls.error(_invert(balls, broken, merit=False, data_term="linear")[0]) > 3 * clean


def test_a_strong_source_does_not_end_in_another_turn() -> None:
    grid = scene(COARSE).grid
    strong = scene(COARSE, further=-2.0 * ball(grid, (0, -9, -8), 3))
    chi, _ = _invert(strong)
    assert -2.3 < chi[distance(grid, (0, -9, -8)) < 1.5].mean() < -1.5
    assert strong.error(chi) < 0.35


def test_merit_holds_back_voxels_that_do_not_fit() -> None:
    balls = scene(COARSE)
    bad = some_voxels(balls, 0.01)
    signs = np.random.default_rng(7).choice([-1, 1], balls.grid.shape)
    broken = (balls.field + bad * signs * 0.15).astype(np.float32)
    held, quality = _invert(balls, broken, merit=True)
    plain, without = _invert(balls, broken, merit=False)
    assert balls.error(held) < 0.6 * balls.error(plain)
    assert quality["inversion_inconsistent_fraction"] > 0
    assert without["inversion_inconsistent_fraction"] == 0


def test_it_does_not_look_where_there_is_no_weight() -> None:
    balls = scene(COARSE)
    bad = some_voxels(balls, 0.005)
    weight = np.where(bad, 0, 1).astype(np.float32)
    clean = balls.error(_invert(balls)[0])
    for value, smv_mm in ((3.0, 0.0), (1e6, 0.0), (3.0, 4.0)):
        broken = np.where(bad, value, balls.field).astype(np.float32)
        limit = clean + (0.03 if smv_mm == 0 else 0.15)
        assert balls.error(_invert(balls, broken, weight, smv_mm=smv_mm)[0]) < limit
    broken = np.where(bad, 3.0, balls.field).astype(np.float32)
    assert balls.error(_invert(balls, broken, data_term="linear", merit=False)[0]) > 1


def test_means_of_spheres_take_out_background_that_is_left() -> None:
    balls = scene(COARSE)
    left = dipole_outside(balls.grid, (0, -26, 5), 0.3)
    spoiled = np.where(balls.mask, balls.field + left, 0).astype(np.float32)
    core = distance(balls.grid, (0, 0, 0)) < 14
    inner = Scene(balls.grid, core, balls.chi, balls.field)
    helped, quality = _invert(balls, spoiled, smv_mm=4.0)
    plain, _ = _invert(balls, spoiled)
    assert inner.error(helped) < 0.6 * inner.error(plain)
    assert 0.3 < quality["inversion_coverage"] < 0.8
    assert quality["inversion_streak"] < 1


def test_without_its_means_the_data_is_what_the_kernel_without_them_makes() -> None:
    balls = scene(COARSE, noise_ppm=0.0)
    harmonic = dipole_outside(balls.grid, (0, -26, 5), 0.1)
    inside, size = balls.mask, balls.grid.shape
    kernel = np.ones((size[0], size[1], size[2] // 2 + 1), np.float32)
    phase = np.where(inside, harmonic, 0).astype(np.float32)
    data = Data.of(phase, inside.astype(np.float32), kernel, inside, balls.grid, 4.5)
    assert data.known.any()
    assert not (data.known & ~inside).any()
    assert np.abs(data.phase[data.known]).max() < 0.05 * np.abs(harmonic[data.known]).max()
    assert data.weight[data.weight > 0].mean() == pytest.approx(1, abs=1e-5)


def _with_ventricle() -> tuple[Scene, Measured]:
    grid = scene(COARSE).grid
    fluid = ball(grid, VENTRICLE, 6.6)
    head = scene(COARSE, noise_ppm=0.004, further=0.03 * fluid)
    rate = np.where(fluid > 0.5, 1.0, 25.0)
    times = np.array(ECHO_TIMES_S)[:, None, None, None]
    echoes = (_magnitude(head) * np.exp(-times * rate)).astype(np.float32)
    return head, Measured(magnitude=echoes, echo_times_s=ECHO_TIMES_S, phase_per_ppm=RAD_PER_PPM)


def test_the_ventricles_become_uniform_and_zero() -> None:
    head, measured = _with_ventricle()
    fluid = distance(head.grid, VENTRICLE) < 3.5
    free, before = _invert(head, measured=measured)
    held, quality = _invert(head, measured=measured, csf_zero=True)
    assert quality["inversion_residual"] == pytest.approx(before["inversion_residual"], abs=0.01)
    assert held[fluid].std() < 0.5 * free[fluid].std()
    assert abs(held[fluid].mean()) < 0.002
    weak, _ = _invert(head, measured=measured, csf_zero=True, csf_lambda=0.0)
    assert weak[fluid].std() == pytest.approx(free[fluid].std(), rel=1e-3)
    first = distance(head.grid, BALLS[0][0]) < 3.5
    assert held[first].mean() == pytest.approx(0.2 - 0.03, abs=0.02)


def test_what_is_missing_is_named() -> None:
    balls = scene((4.0, 4.0, 4.0))
    echo = _magnitude(balls)[None]
    with pytest.raises(EngineInputError, match="pass magnitude"):
        _invert(balls, measured=NOTHING)
    with pytest.raises(EngineInputError, match="rad_per_ppm"):
        _invert(balls, measured=Measured(magnitude=echo))
    one = Measured(magnitude=echo, echo_times_s=(0.02,), phase_per_ppm=RAD_PER_PPM)
    with pytest.raises(EngineInputError, match="at least 2 echoes"):
        _invert(balls, measured=one, csf_zero=True)
    dark = Measured(
        magnitude=np.concatenate([echo, 0.3 * echo]), echo_times_s=(0.01, 0.02), phase_per_ppm=RAD_PER_PPM
    )
    with pytest.raises(EngineInputError, match="no fluid"):
        _invert(balls, measured=dark, csf_zero=True)


def test_it_ends_when_the_map_no_longer_changes_and_says_how_long_it_took() -> None:
    balls = scene((2.0, 2.0, 2.0))
    seen: list[float] = []
    _, quality = _invert(balls, progress=lambda fraction, step: seen.append(fraction))
    assert quality["inversion_change"] < 0.05
    assert quality["inversion_iterations"] == len(seen) < 10
    assert seen == sorted(seen)
    assert quality["inversion_steps"] > quality["inversion_iterations"]
    _, fine = _invert(balls, tolerance=0.005, iterations=40)
    assert quality["inversion_iterations"] < fine["inversion_iterations"] < 40
    _, capped = _invert(balls, iterations=2, gradients=3)
    assert (capped["inversion_iterations"], capped["inversion_steps"]) == (2, 6)


def test_the_result_is_the_same_bytes_on_any_number_of_threads() -> None:
    signal = np.random.default_rng(4).random((1, *scene((2.5, 2.5, 2.5)).grid.shape)).astype(np.float32)
    measured = Measured(magnitude=signal, phase_per_ppm=RAD_PER_PPM)
    assert len(results_on_threads("medi", measured=measured, padding_mm=6.0, smv_mm=4.0)) == 1


@pytest.mark.parametrize("shape", ODD_SHAPES)
@pytest.mark.parametrize("kind", [*ODD_KINDS, "dark"])
@pytest.mark.parametrize("given", [{}, {"smv_mm": 2.0}, {"data_term": "linear"}], ids=str)
def test_tiny_odd_and_empty_input_does_not_break_it(
    shape: tuple[int, int, int], kind: str, given: dict[str, Any]
) -> None:
    field = odd_input(shape, kind)[0].field
    signal = np.zeros((1, *shape), np.float32) if kind == "dark" else np.abs(field)[None]
    measured = Measured(magnitude=signal, phase_per_ppm=RAD_PER_PPM)
    survives("medi", shape, kind, measured=measured, padding_mm=6.0, iterations=3, gradients=20, **given)
