"""Differences of voxels and the total variation that is split off by them."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine.fourier import irfftn, rfftn
from qsmnode.engine.inversion.variation import Differences, Variation, relative_change

SHAPE = (6, 5, 8)
VOXEL_MM = (1.0, 2.0, 0.5)


def _noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_the_gradient_is_per_mm_and_wraps_round() -> None:
    values = _noise(*SHAPE)
    found = Differences(SHAPE, VOXEL_MM).gradient(values)
    for axis, edge in enumerate(VOXEL_MM):
        assert found[axis] == pytest.approx((np.roll(values, -1, axis) - values) / edge, abs=1e-5)


def test_the_adjoint_is_the_transpose() -> None:
    differences = Differences(SHAPE, VOXEL_MM)
    values, vectors = _noise(*SHAPE), _noise(3, *SHAPE, seed=1)
    there = np.vdot(differences.gradient(values), vectors)
    assert np.vdot(values, differences.adjoint(vectors)) == pytest.approx(there, rel=1e-5)


def test_the_squared_differences_are_those_of_the_spectrum() -> None:
    differences = Differences(SHAPE, VOXEL_MM)
    values = _noise(*SHAPE)
    expected = differences.adjoint(differences.gradient(values))
    assert irfftn(rfftn(values) * differences.squared(), SHAPE) == pytest.approx(expected, abs=1e-4)


def test_splitting_alone_solves_the_denoising_of_a_step() -> None:
    # one axis: the total variation of a step shrinks by 2 x weight / length on both sides of a periodic step
    length, height, weight = 32, 1.0, 0.5
    step = np.zeros((length, 1, 1), np.float32)
    step[: length // 2] = height
    variation = Variation(np.full(step.shape, weight, np.float32), (1.0, 1.0, 1.0), 1.0)
    squared = variation.differences.squared()
    for count in range(300):
        if count == 20:
            variation.stiffen(2.0)
        spectrum = rfftn(step + np.float32(variation.penalty) * variation.pull())
        chi = irfftn(spectrum / (1 + np.float32(variation.penalty) * squared), step.shape)
        gap = variation.update(chi)
    loss = 2 * weight / (length / 2)
    assert gap < 1e-3
    assert chi[: length // 2] == pytest.approx(height - loss, abs=1e-3)
    assert chi[length // 2 :] == pytest.approx(loss, abs=1e-3)


def test_change_is_relative_to_the_new_map_inside_the_mask() -> None:
    new, old = np.full(SHAPE, 2, np.float32), np.ones(SHAPE, np.float32)
    inside = np.zeros(SHAPE, bool)
    inside[1:3] = True
    old[0] = 100
    assert relative_change(new, old, inside) == pytest.approx(0.5)
    assert relative_change(np.zeros_like(new), old, inside) == 0.0
