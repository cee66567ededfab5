"""The rapid two-step inversion: what the field tells by least squares, the rest by total variation."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine.measured import Measured
from tests.engine.balls import Scene, dipole_outside, scene
from tests.engine.inversions import PLACES, ball_values, broken, invert


def test_balls_get_their_susceptibility_back_and_better_than_by_division(where: Scene) -> None:
    chi, numbers = invert("rts", where)
    assert chi.dtype == np.float32
    assert not chi[~where.mask].any()
    assert ball_values(where, chi) == pytest.approx([1, 1, 1], abs=0.15)
    divided, _ = invert("tkd", where)
    assert where.error(chi) < min(0.33, where.error(divided))
    assert 0 < numbers["inversion_residual"] < 0.15


def test_the_second_step_starts_from_nothing_and_goes_on_until_the_split_has_closed(axial: Scene) -> None:
    chi, numbers = invert("rts", axial)
    assert numbers["inversion_iterations"] - numbers["inversion_first_iterations"] > 5
    assert max(numbers["inversion_change"], numbers["inversion_gap"]) < 0.01
    single, cut = invert("rts", axial, iterations=1)
    assert cut["inversion_iterations"] == cut["inversion_first_iterations"] + 1
    assert cut["inversion_gap"] > 0.5
    assert axial.error(chi) < 0.8 * axial.error(single)


@pytest.mark.parametrize("rho", [30.0, 250.0])
def test_the_penalty_changes_the_way_but_not_the_end(rho: float) -> None:
    small = scene((2.5, 2.5, 2.5), (0.0, 0.6, 0.8))
    chi, _ = invert("rts", small, tolerance=0.003, iterations=300)
    other, _ = invert("rts", small, rho=rho, rho_growth=1.0, tolerance=0.003, iterations=300)
    assert np.linalg.norm(chi - other) < 0.02 * np.linalg.norm(chi)


def test_more_weight_of_the_total_variation_gives_less_of_it(axial: Scene) -> None:
    def variation(mu: float) -> float:
        chi, _ = invert("rts", axial, mu=mu)
        return float(sum(np.abs(np.diff(chi, axis=axis)).sum() for axis in range(3)))

    assert variation(100.0) < 0.9 * variation(1e5)


def test_it_does_not_look_where_there_is_no_weight(where: Scene) -> None:
    field, weight = broken(where)
    assert where.error(invert("rts", where, field, weight)[0]) < where.error(invert("rts", where)[0]) + 0.02
    assert where.error(invert("rts", where, field)[0]) > 2


def test_known_noise_ends_the_first_step_before_noise_is_fitted() -> None:
    noisy = scene(*PLACES["axial"], noise_ppm=0.01)
    knowing, numbers = invert("rts", noisy, measured=Measured(noise_ppm=0.01))
    ignorant, more = invert("rts", noisy)
    assert numbers["inversion_first_iterations"] < more["inversion_first_iterations"]
    assert noisy.error(knowing) < noisy.error(ignorant)


def test_background_that_was_left_may_come_from_outside(axial: Scene) -> None:
    left = dipole_outside(axial.grid, (0.0, -24.0, 0.0), 0.1)
    spoiled = np.where(axial.mask, axial.field + left, 0).astype(np.float32)
    free, _ = invert("rts", axial, spoiled)
    shut, _ = invert("rts", axial, spoiled, outside=0.0)
    assert axial.error(free) < 0.8 * axial.error(shut)


def test_progress_rises_and_the_first_step_has_a_limit_too(axial: Scene) -> None:
    seen: list[float] = []
    _, numbers = invert(
        "rts", axial, first_iterations=3, progress=lambda fraction, step: seen.append(fraction)
    )
    assert numbers["inversion_first_iterations"] == 3
    assert seen == sorted(seen)
    assert 0 < seen[0] <= seen[-1] <= 1
