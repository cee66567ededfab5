"""Quantiles of masked voxels, against numpy's of a copy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qsmnode.engine.order import median, quantile

SHAPES = hnp.array_shapes(min_dims=3, max_dims=3, max_side=7)
NUMBERS = st.floats(-1e6, 1e6, width=32) | st.sampled_from((0.0, -0.0, 1.0, -1.0))


@settings(max_examples=60, deadline=None)
@given(SHAPES.flatmap(lambda s: hnp.arrays(np.float32, s, elements=NUMBERS)), st.floats(0, 1), st.data())
def test_a_quantile_is_that_of_the_masked_values(
    values: np.ndarray, share: float, data: st.DataObject
) -> None:
    mask = data.draw(hnp.arrays(np.bool_, values.shape))
    found = quantile(values, mask, share)
    if not mask.any():
        assert math.isnan(found)
        return
    expected = np.quantile(values[mask].astype(np.float64), share)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6 * float(np.ptp(values)))
    assert median(values, mask) == pytest.approx(np.median(values[mask].astype(np.float64)), rel=1e-6)


def test_several_volumes_share_a_mask() -> None:
    values = np.random.default_rng(4).normal(size=(3, 9, 8, 7)).astype(np.float32)
    mask = values[0] > 0
    assert quantile(values, mask, 0.3) == pytest.approx(np.quantile(values[:, mask], 0.3), rel=1e-5)
