"""Hybrid data fidelity: bad voxels are found by the first stage and have no say in the second."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.balls import Scene, scene
from tests.engine.inversions import PLACES, ball_values, broken, invert


def test_balls_get_their_susceptibility_back_and_better_than_by_division(where: Scene) -> None:
    chi, numbers = invert("hd_qsm", where)
    assert chi.dtype == np.float32
    assert not chi[~where.mask].any()
    assert ball_values(where, chi) == pytest.approx([1, 1, 1], abs=0.05)
    divided, _ = invert("tkd", where)
    assert where.error(chi) < min(0.16, 0.5 * where.error(divided))
    assert 0 < numbers["inversion_residual"] < 0.15


def test_it_bears_bad_voxels_that_nobody_has_told_it_of(where: Scene) -> None:
    field, weight = broken(where)
    chi, numbers = invert("hd_qsm", where, field)
    clean, _ = invert("hd_qsm", where)
    assert where.error(chi) < where.error(clean) + 0.05
    assert where.error(invert("tkd", where, field)[0]) > 50 * where.error(chi)
    assert 0 < numbers["inversion_discrepancy"] < 1
    told, _ = invert("hd_qsm", where, field, weight)
    assert where.error(told) < where.error(clean) + 0.02


def test_one_very_bad_voxel_does_not_acquit_the_others(axial: Scene) -> None:
    field, _ = broken(axial, ppm=0.5)
    field[tuple(axis[0] for axis in axial.mask.nonzero())] = 50.0
    chi, _ = invert("hd_qsm", axial, field)
    lenient, _ = invert("hd_qsm", axial, field, medians=1e6)
    assert axial.error(chi) < 0.2
    assert axial.error(lenient) > 3 * axial.error(chi)


def test_a_perfect_fit_accuses_nobody() -> None:
    clean = scene(*PLACES["axial"], noise_ppm=0.0)
    flat = Scene(clean.grid, clean.mask, 0 * clean.chi, 0 * clean.field)
    flat.field[tuple(axis[0] for axis in flat.mask.nonzero())] = 1e-5
    _, numbers = invert("hd_qsm", flat)
    assert 0 < numbers["inversion_discrepancy"] < 1e-3
    chi, numbers = invert("hd_qsm", clean)
    assert numbers["inversion_discrepancy"] < 0.05
    assert clean.error(chi) < 0.05


def test_the_second_stage_goes_on_where_the_first_ended(axial: Scene) -> None:
    chi, numbers = invert("hd_qsm", axial)
    rough, cut = invert("hd_qsm", axial, iterations=1)
    assert cut["inversion_iterations"] == cut["inversion_first_iterations"] + 1
    assert numbers["inversion_change"] < 0.005
    assert numbers["inversion_iterations"] < 60
    assert axial.error(chi) < axial.error(rough) < 0.3
    _, slow = invert("hd_qsm", axial, first_iterations=1)
    assert slow["inversion_first_iterations"] == 1
    assert (
        slow["inversion_iterations"] - 1
        > numbers["inversion_iterations"] - numbers["inversion_first_iterations"]
    )


def test_more_weight_of_the_total_variation_gives_a_flatter_map(axial: Scene) -> None:
    def spread(alpha: float) -> float:
        return float(np.std(invert("hd_qsm", axial, alpha=alpha)[0][axial.mask]))

    assert spread(3e-3) < 0.9 * spread(1e-4)


def test_a_reversed_field_gives_the_reversed_map(axial: Scene) -> None:
    chi, _ = invert("hd_qsm", axial)
    reverse, _ = invert("hd_qsm", axial, -axial.field)
    assert reverse == pytest.approx(-chi, abs=1e-5)


def test_progress_rises_over_both_stages(axial: Scene) -> None:
    seen: list[float] = []
    _, numbers = invert("hd_qsm", axial, progress=lambda fraction, step: seen.append(fraction))
    assert len(seen) == numbers["inversion_iterations"]
    assert seen == sorted(seen)
    assert 0 < seen[0] <= seen[-1] <= 1
