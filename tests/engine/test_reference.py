"""What zero means."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import registry
from qsmnode.engine.types import Grid
from qsmnode.errors import EngineInputError

GRID = Grid((4, 5, 6), (1, 1, 1))


def _reference(name: str, **more: np.ndarray) -> tuple[float, np.ndarray, str]:
    chi = np.arange(120, dtype=np.float32).reshape(GRID.shape)
    mask = np.zeros(GRID.shape, np.bool_)
    mask[1:3] = True
    chosen = registry.get("reference", name)
    offset, region, words = chosen.function(chi, mask, GRID, chosen.parameters(), **more)
    assert offset == pytest.approx(chi[region].mean() if offset else 0.0)
    return offset, region, words


def test_the_whole_brain_is_the_mean_of_the_mask() -> None:
    offset, region, words = _reference("whole_brain")
    assert offset == pytest.approx(np.arange(30, 90).mean())
    assert np.count_nonzero(region) == 60
    assert "whole brain" in words


def test_none_leaves_the_values() -> None:
    offset, _, words = _reference("none")
    assert offset == 0
    assert "none" in words


@pytest.mark.parametrize("name", ["whole_brain", "none"])
def test_a_given_region_is_used_inside_the_mask(name: str) -> None:
    given = np.zeros(GRID.shape, np.bool_)
    given[:2, 0, 0] = True
    offset, region, words = _reference(name, reference_mask=given)
    assert np.argwhere(region).tolist() == [[1, 0, 0]]
    assert offset == 30
    assert "given region" in words


@pytest.mark.parametrize("name", ["whole_brain", "none"])
def test_a_region_outside_the_mask_is_refused(name: str) -> None:
    with pytest.raises(EngineInputError, match="reference_mask"):
        _reference(name, reference_mask=np.zeros(GRID.shape, np.bool_))
