"""Least squares with its streaks estimated and removed."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine.measured import Measured
from tests.engine.balls import Scene, scene
from tests.engine.inversions import PLACES, ball_values, broken, invert, odd_input, results_on_threads


@pytest.fixture(scope="module", params=PLACES, ids=PLACES)
def where(request: pytest.FixtureRequest) -> Scene:
    return scene(*PLACES[request.param])


@pytest.fixture(scope="module")
def axial() -> Scene:
    return scene(*PLACES["axial"])


def test_balls_get_their_susceptibility_back_and_better_than_by_division(where: Scene) -> None:
    chi, numbers = invert("ilsqr", where)
    assert chi.dtype == np.float32
    assert not chi[~where.mask].any()
    assert ball_values(where, chi) == pytest.approx([1, 1, 1], abs=0.15)
    divided, _ = invert("tkd", where)
    assert where.error(chi) < min(0.33, where.error(divided))
    assert 0 < numbers["inversion_residual"] < 0.2


def test_removing_streaks_brings_the_map_nearer_to_the_truth(where: Scene) -> None:
    chi, numbers = invert("ilsqr", where)
    hardly, few = invert("ilsqr", where, cone=0.01)
    assert numbers["inversion_streak_removed"] > 1.8 * few["inversion_streak_removed"]
    assert where.error(chi) < 0.9 * where.error(hardly)


def test_what_may_be_uneven_everywhere_keeps_its_streaks(axial: Scene) -> None:
    _, none = invert("ilsqr", axial, flat=0.0, boundary=0.0, flat_outside=0.0)
    _, some = invert("ilsqr", axial)
    assert none["inversion_streak_removed"] < 0.1 * some["inversion_streak_removed"]


def test_it_does_not_look_where_there_is_no_weight(where: Scene) -> None:
    field, weight = broken(where)
    assert (
        where.error(invert("ilsqr", where, field, weight)[0]) < where.error(invert("ilsqr", where)[0]) + 0.02
    )
    assert where.error(invert("ilsqr", where, field)[0]) > 2


def test_known_noise_ends_the_first_map_before_noise_is_fitted() -> None:
    noisy = scene(*PLACES["axial"], noise_ppm=0.005)
    knowing, numbers = invert("ilsqr", noisy, measured=Measured(noise_ppm=0.005))
    ignorant, more = invert("ilsqr", noisy)
    assert numbers["inversion_first_iterations"] < more["inversion_first_iterations"]
    assert noisy.error(knowing) < 1.05 * noisy.error(ignorant)


def test_both_fits_end_by_their_gradient_or_by_their_limit(axial: Scene) -> None:
    seen: list[float] = []
    _, numbers = invert("ilsqr", axial, progress=lambda fraction, step: seen.append(fraction))
    assert numbers["inversion_change"] <= 0.01
    assert numbers["inversion_first_iterations"] < 40
    assert numbers["inversion_iterations"] - numbers["inversion_first_iterations"] < 50
    assert seen == sorted(seen)
    assert seen[-1] == 1
    _, cut = invert("ilsqr", axial, first_iterations=4, iterations=2)
    assert (cut["inversion_first_iterations"], cut["inversion_iterations"]) == (4, 6)


def test_a_reversed_field_gives_the_reversed_map(axial: Scene) -> None:
    chi, _ = invert("ilsqr", axial)
    reverse, _ = invert("ilsqr", axial, -axial.field)
    assert reverse == pytest.approx(-chi, abs=1e-5)


def test_the_result_is_the_same_bytes_on_any_number_of_threads() -> None:
    small = scene((2.5, 2.5, 2.5), (0.0, 0.6, 0.8))
    weight = np.random.default_rng(7).random(small.grid.shape).astype(np.float32)
    assert len(results_on_threads("ilsqr", small, weight)) == 1


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (5, 1, 7)])
@pytest.mark.parametrize("kind", ["noise", "zero field", "zero weight", "empty mask"])
def test_tiny_odd_and_empty_input_does_not_break_it(shape: tuple[int, int, int], kind: str) -> None:
    tiny, weight = odd_input(shape, kind)
    chi, numbers = invert("ilsqr", tiny, weight=weight, padding_mm=6.0)
    assert chi.shape == shape
    assert np.isfinite(chi).all()
    assert np.isfinite(list(numbers.values())).all()
