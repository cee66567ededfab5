from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmnode.engine.types import Grid, Maps
from qsmnode.errors import EngineInputError
from qsmnode.measure.statistics import measure, reference_statement, whole_brain


def ramp() -> Maps:
    """Susceptibilities of 0, 1 ... 100 ppb on a line of voxels of 0.5 x 0.5 x 2 mm, and one voxel outside."""
    chi = np.append(np.arange(101) / 1000, 5.0).astype(np.float32).reshape(102, 1, 1)
    mask = np.ones((102, 1, 1), dtype=bool)
    mask[-1] = False
    grid = Grid((102, 1, 1), (0.5, 0.5, 2.0))
    return Maps(chi, mask, chi, chi, chi, grid, reference="the mean of the whole brain")


def test_a_ramp_has_the_statistics_of_its_closed_form() -> None:
    found = whole_brain(ramp())
    assert found is not None
    assert found.voxels == 101
    assert found.excluded_voxels == 0
    assert found.volume_ml == pytest.approx(101 * 0.5 / 1000)
    assert found.mean_ppb == pytest.approx(50, abs=1e-4)
    assert found.median_ppb == pytest.approx(50, abs=1e-4)
    assert found.p5_ppb == pytest.approx(5, abs=1e-4)
    assert found.p95_ppb == pytest.approx(95, abs=1e-4)
    assert found.sd_ppb == pytest.approx(np.sqrt((101**2 - 1) / 12), rel=1e-6)


def test_values_that_are_not_finite_are_left_out_and_counted() -> None:
    chi = np.array([1, np.nan, 3, np.inf], np.float32).reshape(4, 1, 1) / 1000
    found = measure("x", chi, np.ones(chi.shape, dtype=bool), 1000.0)
    assert found is not None
    assert (found.voxels, found.excluded_voxels, found.volume_ml) == (2, 2, 2.0)
    assert found.mean_ppb == pytest.approx(2)


def test_an_empty_region_is_absent_and_not_zero() -> None:
    maps = ramp()
    empty = np.zeros_like(maps.mask)
    assert measure("x", maps.susceptibility, empty, 1.0) is None


@pytest.mark.parametrize(
    ("region", "volume", "word"),
    [
        (np.ones((3, 1, 1), dtype=bool), 1.0, "region"),
        (np.ones((102, 1, 1), dtype=np.float32), 1.0, "region"),
        (np.ones((102, 1, 1), dtype=bool), 0.0, "voxel_volume_mm3"),
    ],
)
def test_bad_arguments_are_named(region: np.ndarray, volume: float, word: str) -> None:
    with pytest.raises(EngineInputError, match=word):
        measure("x", ramp().susceptibility, region, volume)


def test_the_reference_is_stated_or_said_to_be_missing() -> None:
    maps = ramp()
    assert "the mean of the whole brain" in reference_statement(maps)
    silent = Maps(maps.susceptibility, maps.mask, maps.mask, maps.mask, maps.mask, maps.grid)
    assert "not stated" in reference_statement(silent)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=50), st.floats(-1, 1, width=32))
def test_percentiles_are_ordered_and_a_shift_moves_the_mean(values: list[float], shift: float) -> None:
    chi = np.array(values, np.float32).reshape(-1, 1, 1)
    inside = np.ones(chi.shape, dtype=bool)
    found, moved = measure("a", chi, inside, 1.0), measure("a", chi + np.float32(shift), inside, 1.0)
    assert found is not None
    assert moved is not None
    assert found.p5_ppb <= found.median_ppb <= found.p95_ppb
    assert moved.mean_ppb - found.mean_ppb == pytest.approx(1000 * shift, abs=0.02)
    assert found == measure("a", chi, inside, 1.0)
