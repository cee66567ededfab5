"""Ghosts: signal in the air beside a head, along the phase encoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from qsmnode.engine.ghosts import ghosting
from qsmnode.engine.preparation import prepare
from qsmnode.engine.quality import warnings
from qsmnode.engine.types import EchoStack, Float, Grid, Mask
from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import quick_protocol

GRID = Grid(shape=(48, 48, 24), voxel_mm=(4.0, 4.0, 4.0), b0_direction=(0.0, 0.0, 1.0))


def ball() -> tuple[Float, Mask]:
    """A ball of signal 100 in the middle, air of 2 around it."""
    x, y, z = np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in GRID.shape], indexing="ij")
    head = x**2 + y**2 + z**2 < 11.0**2
    return np.where(head, np.float32(100), np.float32(2)), head


def test_air_that_is_the_same_everywhere_is_no_ghost() -> None:
    magnitude, head = ball()
    assert ghosting(magnitude, head, GRID, 0) == pytest.approx(0, abs=1e-6)
    assert ghosting(magnitude, head, GRID, None) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("phase_axis", [0, 1])
def test_a_ghost_counts_along_the_phase_encoding_and_not_along_the_readout(phase_axis: int) -> None:
    magnitude, head = ball()
    magnitude = magnitude + np.float32(0.1) * np.roll(magnitude, 24, axis=phase_axis)
    along = ghosting(magnitude, head, GRID, 1 - phase_axis)
    across = ghosting(magnitude, head, GRID, phase_axis)
    assert along is not None
    assert across is not None
    assert 0.02 < along < 0.1
    assert across == pytest.approx(-along)
    assert ghosting(magnitude, head, GRID, None) == pytest.approx(along)


def test_it_is_relative_so_that_the_scanners_scale_does_not_matter() -> None:
    magnitude, head = ball()
    magnitude = magnitude + np.float32(0.1) * np.roll(magnitude, 24, axis=1)
    found = ghosting(magnitude, head, GRID, 0)
    assert ghosting(magnitude * np.float32(37), head, GRID, 0) == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize("change", [np.ones_like, np.zeros_like], ids=["no air", "no head"])
def test_without_air_or_head_nothing_is_said(change: Callable[[Mask], Mask]) -> None:
    magnitude, head = ball()
    assert ghosting(magnitude, change(head), GRID, 0) is None


def measured(ghost: float) -> EchoStack:
    return simulate(HeadShape(2), quick_protocol(5.0, ghost=ghost)).stack


def test_a_head_that_moved_is_warned_of_with_and_without_a_given_mask() -> None:
    moved, still = measured(0.14), measured(0.0)
    brain = simulate(HeadShape(2), quick_protocol(5.0)).brain_mask
    for stack in (moved, replace(moved, readout_axis=None)):
        for mask in (None, brain):
            quality = prepare(stack, mask, None, False).quality
            assert any("ghosts" in words for words in warnings(quality)), quality
    assert not any("ghosts" in words for words in warnings(prepare(still, None, None, False).quality))
