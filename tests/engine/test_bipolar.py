"""The odd/even ramp: measured, removed only where it is, along the right axis."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import Grid
from qsmnode.engine.offset.odd_even import align_echoes

SHAPE = (48, 40, 32)
GRID = Grid(SHAPE, (2.0, 2.0, 2.0))
MASK = np.ones(SHAPE, dtype=bool)


def acquired(ramp_rad, axis, times, seed=0):
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    field = 80 * x - 50 * y**2 + 40 * z
    along = [1, 1, 1]
    along[axis] = SHAPE[axis]
    lean = ramp_rad * (np.arange(SHAPE[axis]) / (SHAPE[axis] - 1) - 0.5).reshape(along)
    rng = np.random.default_rng(seed)
    echoes = []
    for echo, t in enumerate(times):
        angle = 2 * np.pi * field * t + x + (0.5 if echo % 2 == 0 else -0.5) * lean
        noise = rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)
        echoes.append(np.exp(-20 * t) * np.exp(1j * angle) + noise / 50)
    signal = np.stack(echoes)
    return np.angle(signal).astype(np.float32), np.abs(signal).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("times", [(0.004, 0.010, 0.016, 0.022), (0.004, 0.009, 0.017)])
@pytest.mark.parametrize("known", [True, False])
def test_ramp_is_found_and_removed(axis, times, known):
    phase, magnitude = acquired(2.0, axis, times)
    readout, bipolar = (axis, True) if known else (None, None)
    aligned, found = align_echoes(phase, magnitude, times, GRID, MASK, readout, bipolar)
    assert found["offset_odd_even_corrected"] == 1.0
    assert found["offset_odd_even_rad"] == pytest.approx(2.0, rel=0.1)
    _, again = align_echoes(aligned, magnitude, times, GRID, MASK, axis, None)
    assert again["offset_odd_even_rad"] < 0.1
    assert again["offset_odd_even_corrected"] == 0.0


def test_monopolar_data_stay_as_they_are():
    phase, magnitude = acquired(0.0, 0, (0.004, 0.010, 0.016))
    aligned, found = align_echoes(phase, magnitude, (0.004, 0.010, 0.016), GRID, MASK, None, None)
    assert np.array_equal(aligned, phase)
    assert found["offset_odd_even_corrected"] == 0.0
    assert found["offset_odd_even_rad"] < 0.1


def test_two_echoes_cannot_tell():
    phase, magnitude = acquired(2.0, 0, (0.004, 0.010))
    aligned, found = align_echoes(phase, magnitude, (0.004, 0.010), GRID, MASK, 0, True)
    assert np.array_equal(aligned, phase)
    assert found == {"offset_odd_even_corrected": 0.0}
