"""How far a fitted field is trusted."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import registry
from qsmnode.engine.field.field_map import FieldMap
from qsmnode.engine.field.usable import STRAINED

TIMES = (0.004, 0.010, 0.016, 0.022, 0.028)
NOISE = 0.02
BAD = (8, 8, 8)


def fitted(method: str, bend_rad: float) -> FieldMap:
    """A uniform field with noise; in one voxel every second echo is ``bend_rad`` off the line."""
    shape = (16, 16, 16)
    rng = np.random.default_rng(5)
    line = np.stack([np.full(shape, 2 * np.pi * 12.0 * t) for t in TIMES])
    line += NOISE * rng.standard_normal(line.shape)
    line[(slice(1, None, 2), *BAD)] += bend_rad
    magnitude = np.ones(line.shape, np.float32)
    chosen = registry.get("field", method)
    mask = np.ones(shape, np.bool_)
    made = registry.make_parameters(chosen, {})
    result: FieldMap = chosen.function(line.astype(np.float32), magnitude, TIMES, mask, made)
    return result


@pytest.mark.parametrize("method", ["weighted_fit", "complex_fit"])
def test_a_voxel_off_its_line_by_more_than_noise_counts_less_the_farther_it_is(method: str) -> None:
    still, bent, more = (fitted(method, bend).weight[BAD] for bend in (0.0, 0.2, 0.4))
    assert still > 0.5
    assert 0 < more < 0.6 * bent
    assert bent < 0.8 * still


@pytest.mark.parametrize("method", ["weighted_fit", "complex_fit"])
def test_noise_alone_takes_nothing_from_nearly_every_voxel(method: str) -> None:
    """A misfit of ``STRAINED`` deviations: practically never, with four degrees of freedom."""
    found = fitted(method, 0.0)
    ordinary = np.median(found.weight)
    less = np.mean(found.weight < 0.99 * ordinary)
    assert STRAINED == 4.0
    assert less < 0.001
