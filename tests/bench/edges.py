"""A few wrong voxels at the edge of the brain: how much the map suffers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmnode.engine import EchoStack, reconstruct
from qsmnode.engine.types import Mask
from qsmnode.phantom.head import SimulatedHead
from tests.bench import metrics
from tests.bench.setting import Setting
from tests.bench.tables import Row, Table

SHARE = 0.001


def run(setting: Setting) -> list[Table]:
    """One table: NRMSE as measured, and after two kinds of damage."""
    rows: list[Row] = []
    for seed in setting.seeds:
        rows += _head(setting, seed)
    caption = (
        "Default chain after some voxels in the outermost layer of the true brain mask got a random phase "
        f"in every echo, their magnitude unchanged: {100 * SHARE:g} % of that layer, and as many of its "
        f"voxels as are {100 * SHARE:g} % of the whole mask. change: NRMSE after less before, in points."
    )
    return [Table("edges", caption, rows)]


def _head(setting: Setting, seed: int) -> list[Row]:
    head = setting.head(seed)
    truth = setting.truth(head)
    layer = edge_layer(head.brain_mask)
    counts = {
        "none": 0,
        "0.1 % of the edge": max(1, round(SHARE * int(layer.sum()))),
        "0.1 % of the mask, at its edge": max(1, round(SHARE * int(head.brain_mask.sum()))),
    }
    rows: list[Row] = []
    for name, count in counts.items():
        maps = reconstruct(corrupted(head, layer, count), setting.recipe)
        found = metrics.scores(maps.susceptibility, truth, maps.mask)
        rows.append(
            {
                "head": f"head {seed}",
                "damage": name,
                "voxels": float(count),
                "nrmse": found["nrmse"],
                "change": found["nrmse"] - float(rows[0]["nrmse"]) if rows else 0.0,
                "slope": found["slope"],
                "rim_nrmse": found["rim_nrmse"],
                "coverage": found["coverage"],
            }
        )
    return rows


def edge_layer(mask: Mask) -> Mask:
    """Voxels of ``mask`` that touch what is outside it by a face."""
    return np.asarray(mask & ~ndimage.binary_erosion(mask, border_value=1))


def corrupted(head: SimulatedHead, layer: Mask, count: int) -> EchoStack:
    """The head's stack with random phase in ``count`` voxels of ``layer``, the same for the same head."""
    rng = np.random.default_rng([head.seed, 49979687])
    chosen: npt.NDArray[np.int64] = rng.choice(np.flatnonzero(layer), size=count, replace=False)
    phase = head.stack.phase.copy()
    for echo in phase:
        echo.reshape(-1)[chosen] = rng.uniform(-np.pi, np.pi, count).astype(np.float32)
    return replace(head.stack, phase=phase)
