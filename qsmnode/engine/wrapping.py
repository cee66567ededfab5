"""Phase and its turns."""

from __future__ import annotations

from typing import Any

import numpy as np

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float

TURN = 2 * np.pi


def wrapped(phase: Any) -> Float:
    """``phase`` in rad, any shape, brought to (-pi, pi]."""
    values = np.ascontiguousarray(phase, dtype=np.float32)
    out = np.empty_like(values)
    in_slabs(_wrap, values.size, values.reshape(-1), out.reshape(-1))
    return out


@compiled
def _wrap(start: int, stop: int, values: Float, out: Float) -> None:
    for index in range(start, stop):
        angle = np.float64(values[index])
        out[index] = np.float32(angle - 2 * np.pi * np.ceil(angle / (2 * np.pi) - 0.5))
