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


def wrap(phase: Float) -> None:
    """Bring ``phase`` in rad, any shape without gaps, to (-pi, pi] where it lies."""
    flat = phase.reshape(-1)
    in_slabs(_wrap_in_place, flat.size, flat)


@compiled
def _wrap_in_place(start: int, stop: int, values: Float) -> None:
    for index in range(start, stop):
        angle = np.float64(values[index])
        values[index] = np.float32(angle - 2 * np.pi * np.ceil(angle / (2 * np.pi) - 0.5))


@compiled
def in_one_turn(angle: float) -> Any:
    """One ``angle`` in rad brought to (-pi, pi]; for compiled loops."""
    return angle - 2 * np.pi * np.ceil(angle * (0.5 / np.pi) - 0.5)


@compiled
def sine(angle: float) -> Any:
    """Sine to 1e-9; faster than the C library's, and the same on every machine; for compiled loops."""
    x = angle - 2 * np.pi * np.round(angle * (0.5 / np.pi))
    if x > 0.5 * np.pi:
        x = np.pi - x
    elif x < -0.5 * np.pi:
        x = -np.pi - x
    s = x * x
    high = 1 / 362880 + s * (-1 / 39916800 + s * (1 / 6227020800))
    return x * (1 + s * (-1 / 6 + s * (1 / 120 + s * (-1 / 5040 + s * high))))
