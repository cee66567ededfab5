"""A simulated head kept for reporting, from wrapped phase, without a given mask: nuclei against the truth."""

from __future__ import annotations

import numpy as np

from qsmnode.engine import Recipe, reconstruct
from qsmnode.node.demonstration import compared
from qsmnode.phantom.head import HeadShape, Protocol, simulate


def test_every_nucleus_is_within_ten_percent_or_five_ppb() -> None:
    head = simulate(HeadShape(seed=1000), Protocol())
    maps = reconstruct(head.stack, Recipe.preset("default"))
    rows = compared(head, maps.susceptibility * np.float32(1000))
    assert len(rows) >= 14
    off = {
        row.name: (row.measured_ppb, row.true_ppb)
        for row in rows
        if abs(row.measured_ppb - row.true_ppb) > max(5.0, 0.1 * abs(row.true_ppb))
    }
    assert off == {}
    mask = head.scoring_mask()
    assert np.count_nonzero(maps.mask & mask) >= 0.99 * np.count_nonzero(mask)
