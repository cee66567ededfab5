"""Least squares with its streaks estimated and removed."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine.measured import Measured
from tests.engine.balls import Scene, scene
from tests.engine.inversions import PLACES, ball_values, broken, invert


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
