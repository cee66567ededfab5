"""Single steps on their own: arguments, not finite numbers, and what zero means."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import EngineInputError, Grid, forward_field, invert, remove_background

SHAPE = (28, 30, 26)
GRID = Grid(SHAPE, (2.0, 2.0, 2.0))
AXES = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
MASK = sum(a**2 for a in AXES) < 0.8


def source():
    chi = np.zeros(SHAPE)
    chi[12:17, 13:18, 10:15] = 0.2
    return chi


def test_background_of_harmonic_field_goes_and_nan_stays_outside():
    x, y, z = AXES
    local = forward_field(source(), GRID)
    field = local + 0.5 * (x**2 - z**2) + 0.7 * y
    field[14, 3:6, 13] = np.nan
    got, inner = remove_background(field, MASK, GRID)
    assert np.isfinite(got).all()
    assert not inner[14, 3:6, 13].any()
    assert not got[~inner].any()
    assert np.corrcoef(got[inner], local[inner])[0, 1] > 0.9


@pytest.mark.parametrize("scale", [1.0, 123.2])
def test_background_takes_any_unit(scale):
    field = (forward_field(source(), GRID) + 0.3 * AXES[0]).astype(np.float64)
    one, _ = remove_background(field, MASK, GRID)
    many, _ = remove_background(scale * field, MASK.astype(int), GRID)
    assert np.allclose(many, scale * one, atol=1e-4 * scale)


def test_inversion_is_zero_in_the_mean_of_the_reference():
    field = forward_field(source(), GRID)
    chi = invert(field, MASK, GRID)
    assert abs(chi[MASK].mean()) < 1e-6
    region = np.zeros(SHAPE, bool)
    region[5:9, 13:17, 10:14] = True
    moved = invert(field, MASK, GRID, reference_mask=region)
    assert abs(moved[region & MASK].mean()) < 1e-6
    assert np.allclose((moved - chi)[MASK], (moved - chi)[MASK][0], atol=1e-6)
    assert not moved[~MASK].any()
    assert moved[14, 15, 12] == pytest.approx(0.2, abs=0.04)


def test_inversion_masks_what_is_not_finite():
    field = forward_field(source(), GRID).astype(np.float64)
    field[6, 15, 13] = np.inf
    weight = np.ones(SHAPE)
    weight[7, 15, 13] = np.nan
    chi = invert(field, MASK, GRID, weight=weight)
    assert np.isfinite(chi).all()
    assert chi[6, 15, 13] == 0
    assert chi[14, 15, 12] == pytest.approx(0.18, abs=0.05)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"field": np.zeros((3, 3, 3))}, "field: expected shape"),
        ({"field": np.full(SHAPE, np.nan)}, "field: expected finite numbers inside the mask"),
        ({"mask": np.zeros(SHAPE, bool)}, "mask: expected at least one voxel"),
        ({"mask": np.full(SHAPE, 2)}, "mask: expected true or false"),
        ({"grid": SHAPE}, "grid: expected a Grid, got tuple"),
        ({"method": "magic"}, "background: expected one of .*vsharp.*'magic'"),
        ({"weight": np.full(SHAPE, 1.5)}, "weight: expected 0 to 1"),
        ({"parameters": {"radius": 3}}, "background.vsharp: unknown parameter 'radius'"),
        ({"mask": np.indices(SHAPE)[0] == 4}, "mask: vsharp leaves nothing"),
    ],
)
def test_background_refusals(values, message):
    good = {"field": np.zeros(SHAPE), "mask": MASK, "grid": GRID}
    with pytest.raises(EngineInputError, match=message):
        remove_background(**{**good, **values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"local_field_ppm": np.zeros(SHAPE, complex)}, "local_field_ppm: expected an array of real numbers"),
        ({"mask": np.ones((2, 2, 2), bool)}, "mask: expected shape"),
        ({"reference_mask": ~MASK}, "reference_mask: expected at least one voxel inside mask"),
        ({"magnitude": np.ones((2, 2))}, "magnitude: expected shape"),
        ({"method": "magic"}, "inversion: expected one of .*tv.*'magic'"),
        ({"parameters": {"alpha": -1.0}}, "inversion.tv.alpha: expected"),
    ],
)
def test_inversion_refusals(values, message):
    good = {"local_field_ppm": np.zeros(SHAPE), "mask": MASK, "grid": GRID}
    with pytest.raises(EngineInputError, match=message):
        invert(**{**good, **values})
