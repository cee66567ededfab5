"""Voxels of wrong phase that a line explains by chance, and those that must not be taken for such."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import registry
from qsmnode.engine.field.outliers import outliers

TIMES = (0.004, 0.010, 0.016, 0.022, 0.028)
SHAPE = (20, 18, 16)
# wrong in every echo; the fit leaves 0.26 of the signal, less than its limit
WRONG_RAD = (0.3, -0.2, 0.35, -0.25, 0.1)
PLACE = (10, 9, 8)


def _scene(wrong_at=(), snr=50.0, echoes=5, bump_hz=0.0):
    """Field in Hz, phase, magnitude: a smooth field with noise and, where wanted, wrong phase far off it."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    field = 30 * x - 20 * y * z
    field[PLACE] += bump_hz
    times = np.array(TIMES[:echoes])[:, None, None, None]
    rng = np.random.default_rng(5)
    phase = 2 * np.pi * field * times + rng.normal(size=(echoes, *SHAPE)) / snr
    for place in wrong_at:
        strange = 2 * np.pi * 25.0 * np.array(TIMES[:echoes]) + np.array(WRONG_RAD[:echoes])
        phase[(slice(None), *place)] += strange
    return field, phase.astype(np.float32), np.ones((echoes, *SHAPE), np.float32)


def _fitted(method, phase, magnitude):
    chosen = registry.get("field", method)
    made = registry.make_parameters(chosen, {})
    mask = np.ones(SHAPE, np.bool_)
    return chosen.function(phase, magnitude, TIMES[: len(phase)], mask, made)


@pytest.mark.parametrize("method", ["weighted_fit", "complex_fit"])
def test_a_passable_line_far_from_its_neighbours_gets_no_weight(method):
    _, phase, magnitude = _scene([PLACE, (4, 4, 4), (0, 7, 15)])
    found = _fitted(method, phase, magnitude)
    wrong = np.zeros(SHAPE, np.bool_)
    for place in (PLACE, (4, 4, 4), (0, 7, 15)):
        wrong[place] = True
    assert (found.residual[wrong] < 0.3).all(), "the residual's limit alone would drop it"
    np.testing.assert_array_equal(found.weight == 0, wrong)


def test_a_strange_field_that_lies_on_a_line_stays():
    _, phase, magnitude = _scene(bump_hz=40.0)
    assert (_fitted("weighted_fit", phase, magnitude).weight > 0).all()


def test_a_poor_line_beside_its_neighbours_stays():
    _, phase, magnitude = _scene()
    phase[(slice(None), *PLACE)] += np.array(WRONG_RAD, np.float32)
    found = _fitted("weighted_fit", phase, magnitude)
    assert found.residual[PLACE] > 0.15
    assert (found.weight > 0).all()


def test_a_lesion_of_many_voxels_stays():
    places = [(i, j, k) for i in range(8, 12) for j in range(7, 11) for k in range(6, 10)]
    _, phase, magnitude = _scene(places)
    kept = _fitted("weighted_fit", phase, magnitude).weight > 0
    inner = [p for p in places if 8 < p[0] < 11 and 7 < p[1] < 10 and 6 < p[2] < 9]
    assert all(kept[p] for p in inner)


def test_one_echo_and_lonely_voxels_are_not_judged():
    field, phase, magnitude = _scene([PLACE])
    usable = np.ones(SHAPE, np.bool_)
    plain = (np.full(SHAPE, 0.25, np.float32), np.full(SHAPE, 0.1, np.float32))
    strange = field.astype(np.float32)
    strange[PLACE] += 50
    assert outliers(strange, *plain, magnitude, 0.02, usable)[PLACE]
    assert not outliers(strange, *plain, magnitude[:1], 0.02, usable).any()
    alone = np.zeros(SHAPE, np.bool_)
    alone[PLACE] = True
    assert not outliers(strange, *plain, magnitude, 0.02, alone).any()
    assert np.isfinite(phase).all()
