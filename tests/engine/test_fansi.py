"""The nonlinear total-variation inversion with a harmonic part."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from qsmnode.engine.inversion.fansi_loops import nearest_phase, nearest_robust
from qsmnode.engine.inversion.turns import without_lone_turns
from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.types import Grid
from qsmnode.errors import EngineInputError
from tests.engine.balls import BALLS, Scene, ball, dipole_outside, distance, scene
from tests.engine.inversions import ODD_KINDS, ODD_SHAPES, invert, results_on_threads, some_voxels, survives

RAD_PER_PPM = 15.0
TURN_PPM = 2 * math.pi / RAD_PER_PPM
MEASURED = Measured(phase_per_ppm=RAD_PER_PPM)
COARSE = (1.4, 1.4, 1.4)


def _invert(where: Scene, field: Any = None, weight: Any = None, **given: Any) -> Any:
    return invert("fansi", where, field, weight, **{"measured": MEASURED, "padding_mm": 6.0, **given})


@pytest.mark.parametrize("data_term", ["linear", "nonlinear"])
@pytest.mark.parametrize(
    ("voxel_mm", "direction"),
    [(COARSE, (0.0, 0.0, 1.0)), ((1.0, 1.2, 1.6), (0.3, -0.4, 0.866))],
    ids=["axial", "oblique"],
)
def test_balls_get_their_susceptibility_back(data_term: str, voxel_mm: Any, direction: Any) -> None:
    balls = scene(voxel_mm, direction)
    chi, quality = _invert(balls, data_term=data_term)
    assert chi.dtype == np.float32
    assert not chi[~balls.mask].any()
    around = chi[balls.mask & (balls.chi == 0)].mean()
    for centre, radius, value in BALLS:
        inside = distance(balls.grid, centre) < radius - 1
        assert chi[inside].mean() - around == pytest.approx(value, abs=0.012)
    assert balls.error(chi) < 0.25
    assert quality["inversion_residual"] < 0.2
    assert quality["inversion_harmonic_ppm"] < 0.002
    turned = Scene(Grid(balls.grid.shape, voxel_mm, (0, 1, 0)), balls.mask, balls.chi, balls.field)
    assert balls.error(_invert(turned, data_term=data_term)[0]) > 2 * balls.error(chi)


def test_the_terms_agree_where_the_phase_is_small() -> None:
    balls = scene(COARSE)
    small = Measured(phase_per_ppm=0.1)
    maps = [
        invert("fansi", balls, measured=small, data_term=term, alpha=1e-6, iterations=12)[0]
        for term in ("linear", "nonlinear")
    ]
    np.testing.assert_allclose(maps[1], maps[0], atol=2e-5)
    assert not np.array_equal(maps[1], maps[0])


@pytest.mark.parametrize("share", [0.0005, 0.02])
def test_only_the_nonlinear_term_withstands_voxels_that_are_off_by_a_whole_turn(share: float) -> None:
    balls = scene(COARSE)
    bad = some_voxels(balls, share)
    signs = np.random.default_rng(7).choice([-1, 1], balls.grid.shape)
    broken = (balls.field + bad * signs * TURN_PPM).astype(np.float32)
    clean = balls.error(_invert(balls)[0])
    assert balls.error(_invert(balls, broken)[0]) < clean + 0.03
    assert balls.error(_invert(balls, broken, data_term="linear")[0]) > 3 * clean


def test_a_strong_source_does_not_end_in_another_turn() -> None:
    grid = scene(COARSE).grid
    strong = scene(COARSE, further=-2.0 * ball(grid, (0, -9, -8), 3))
    assert abs(strong.field).max() > 1.2 * TURN_PPM
    chi, _ = _invert(strong)
    core = distance(grid, (0, -9, -8)) < 2
    assert -2.2 < chi[core].mean() < -1.6
    assert strong.error(chi) < 1.1 * strong.error(_invert(strong, data_term="linear")[0])


def test_it_does_not_look_where_there_is_no_weight() -> None:
    balls = scene(COARSE)
    bad = some_voxels(balls, 0.005)
    weight = np.where(bad, 0, 1).astype(np.float32)
    for value in (3.0, 1e6):
        broken = np.where(bad, value, balls.field).astype(np.float32)
        for term in ("linear", "nonlinear"):
            assert balls.error(_invert(balls, broken, weight, data_term=term)[0]) < 0.25
    broken = np.where(bad, 3.0, balls.field).astype(np.float32)
    assert balls.error(_invert(balls, broken, data_term="linear")[0]) > 1


def test_the_harmonic_part_takes_the_background_that_is_left() -> None:
    balls = scene(COARSE)
    left = dipole_outside(balls.grid, (0, -26, 5), 0.3)
    spoiled = np.where(balls.mask, balls.field + left, 0).astype(np.float32)
    plain, _ = _invert(balls, spoiled, weak_harmonics=False)
    helped, quality = _invert(balls, spoiled)
    assert balls.error(helped) < 0.6 * balls.error(plain)
    assert quality["inversion_harmonic_ppm"] > 0.3 * left[balls.mask].std()
    stiff, nothing = _invert(balls, spoiled, beta=5e5, muh=1e4)
    assert balls.error(helped) < balls.error(stiff)
    assert nothing["inversion_harmonic_ppm"] < 0.5 * quality["inversion_harmonic_ppm"]


def test_a_constant_field_is_no_susceptibility() -> None:
    balls = scene(COARSE)
    raised = np.where(balls.mask, balls.field + np.float32(0.05), 0).astype(np.float32)
    chi, _ = _invert(balls, raised)
    assert balls.error(chi) < balls.error(_invert(balls)[0]) + 0.15


def test_it_ends_when_the_map_no_longer_changes_and_says_how_long_it_took() -> None:
    balls = scene(COARSE)
    seen: list[float] = []
    _, quality = invert(
        "fansi",
        balls,
        measured=MEASURED,
        tolerance=0.02,
        progress=lambda fraction, step: seen.append(fraction),
    )
    assert quality["inversion_change"] < 0.02
    assert quality["inversion_iterations"] == len(seen) < 60
    assert seen == sorted(seen)
    _, fine = _invert(balls, tolerance=0.003)
    assert fine["inversion_iterations"] > quality["inversion_iterations"]
    assert _invert(balls, iterations=3)[1]["inversion_iterations"] == 3


def test_more_weight_of_the_variation_makes_a_smoother_map() -> None:
    balls = scene(COARSE)
    rough = [
        float(np.abs(np.diff(_invert(balls, alpha=alpha)[0], axis=0)).sum()) for alpha in (1e-4, 1e-3, 1e-1)
    ]
    assert rough[0] > rough[1] > 3 * rough[2]


@pytest.mark.parametrize("measured", [NOTHING, Measured(phase_per_ppm=0.0)])
def test_without_the_phase_of_one_ppm_it_says_what_to_give(measured: Measured) -> None:
    balls = scene((4.0, 4.0, 4.0))
    with pytest.raises(EngineInputError, match="rad_per_ppm"):
        invert("fansi", balls, measured=measured)


def test_the_result_is_the_same_bytes_on_any_number_of_threads() -> None:
    assert len(results_on_threads("fansi", measured=MEASURED)) == 1


@pytest.mark.parametrize("shape", ODD_SHAPES)
@pytest.mark.parametrize("kind", ODD_KINDS)
@pytest.mark.parametrize("weak_harmonics", [True, False])
def test_tiny_odd_and_empty_input_does_not_break_it(
    shape: tuple[int, int, int], kind: str, weak_harmonics: bool
) -> None:
    survives(
        "fansi",
        shape,
        kind,
        measured=MEASURED,
        padding_mm=6.0,
        iterations=30,
        weak_harmonics=weak_harmonics,
    )


def test_the_nearest_phase_is_the_least_of_its_function() -> None:
    angles = np.linspace(-12, 12, 24001)
    for weight in (0.0, 0.3, 1.0):
        for aim in (-7.0, -3.1, -0.2, 0.0, 1.0, 3.3, 9.0):
            cost = weight * (1 - np.cos(angles)) + 0.5 * (angles - aim) ** 2
            assert nearest_phase(aim, weight, 1.0) == pytest.approx(angles[np.argmin(cost)], abs=3e-3)
            tail = math.pi / 2 * (np.abs(angles) - math.pi / 4)
            robust = np.where(np.abs(angles) < math.pi / 2, 0.5 * angles**2, tail)
            cost = weight * robust + 0.5 * (angles - aim) ** 2
            assert nearest_robust(aim, weight, 1.0) == pytest.approx(angles[np.argmin(cost)], abs=3e-3)


def test_lone_turns_are_taken_away_and_nothing_else() -> None:
    x, y, z = np.meshgrid(*[np.arange(12.0)] * 3, indexing="ij")
    smooth = (0.2 * x - 0.1 * y + 0.05 * z).astype(np.float32)
    broken = smooth.copy()
    broken[3, 3, 3] += 2 * math.pi
    broken[0, 0, 0] -= 4 * math.pi
    broken[7, 7, 7] += 2.0
    trust = np.ones_like(smooth)
    trust[5, 5, 5] = 0
    broken[5, 5, 5] = 99.0
    found = without_lone_turns(broken, trust)
    expected = smooth.copy()
    expected[7, 7, 7] += 2.0
    expected[5, 5, 5] = 99.0
    np.testing.assert_allclose(found, expected, atol=1e-5)
    steep = (9.0 * x * x).astype(np.float32)
    np.testing.assert_array_equal(without_lone_turns(steep, np.ones_like(steep)), steep)
