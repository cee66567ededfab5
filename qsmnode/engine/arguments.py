"""Checks of what callers hand in: each names the argument, what was expected and what came."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmnode.engine.types import EchoStack, Float, Grid, Mask, real_array
from qsmnode.engine.wrapping import TURN, wrapped
from qsmnode.errors import EngineInputError

TURN_TOLERANCE = 0.01


def volume(name: str, values: Any, shape: tuple[int, ...]) -> Float:
    """``values`` as float32 of exactly ``shape``."""
    array = real_array(name, values)
    if array.shape != shape:
        raise EngineInputError(f"{name}: expected shape {shape}, got {array.shape}")
    return array


def mask_of(name: str, values: Any, shape: tuple[int, ...]) -> Mask:
    """``values`` as bool of exactly ``shape``; numbers have to be 0 or 1."""
    array = np.asarray(values)
    if array.shape != shape:
        raise EngineInputError(f"{name}: expected shape {shape}, got {array.shape}")
    if array.dtype != np.bool_:
        if array.dtype.kind not in "uif" or not np.isin(array, (0, 1)).all():
            raise EngineInputError(
                f"{name}: expected true or false (or 0 and 1) in each voxel, got {array.dtype}"
            )
        array = array.astype(np.bool_)
    if not array.any():
        raise EngineInputError(f"{name}: expected at least one voxel inside, got none")
    return np.ascontiguousarray(array)


def weight_of(name: str, values: Any, shape: tuple[int, ...]) -> Float | None:
    """``values`` as weights 0..1 with what is not finite set to 0; None stays None."""
    if values is None:
        return None
    weight, _ = finite(volume(name, values, shape))
    if weight.size and (weight.min() < 0 or weight.max() > 1):
        raise EngineInputError(f"{name}: expected 0 to 1, got {weight.min():g} to {weight.max():g}")
    return weight


def finite(values: Float) -> tuple[Float, Mask]:
    """``values`` with 0 for what is NaN or infinite, and where that was."""
    bad = ~np.isfinite(values)
    if bad.any():
        values = np.where(bad, np.float32(0), values)
    return values, bad


def echo_stack(name: str, values: Any) -> EchoStack:
    """``values``, which has to be an EchoStack."""
    if not isinstance(values, EchoStack):
        raise EngineInputError(f"{name}: expected an EchoStack, got {type(values).__name__}")
    return values


def grid_of(name: str, values: Any) -> Grid:
    """``values``, which has to be a Grid."""
    if not isinstance(values, Grid):
        raise EngineInputError(f"{name}: expected a Grid, got {type(values).__name__}")
    return values


def one_turn(phase: Float) -> Float:
    """``phase``, finite, in (-pi, pi]; it has to come as -pi to pi or 0 to 2 pi.

    Raises:
        EngineInputError: it leaves one turn by more than 1 %.
    """
    low, high = (float(phase.min()), float(phase.max())) if phase.size else (0.0, 0.0)
    slack = TURN_TOLERANCE * math.pi
    signed = low >= -math.pi - slack and high <= math.pi + slack
    unsigned = low >= -slack and high <= TURN + slack
    if not (signed or unsigned):
        raise EngineInputError(
            "phase: expected one turn in rad (-pi to pi, or 0 to 2 pi); "
            f"got {low:.6g} to {high:.6g}: scale it to rad, or say phase_is_unwrapped"
        )
    return wrapped(phase)


def not_negative(name: str, values: Float) -> Float:
    """``values``, none of which may be below 0."""
    if values.size and values.min() < 0:
        raise EngineInputError(f"{name}: expected values of at least 0, got {float(values.min()):g}")
    return values


def some_signal(magnitude: npt.NDArray[np.float32]) -> None:
    """Refuse a magnitude that is 0 everywhere."""
    if not (magnitude > 0).any():
        raise EngineInputError("magnitude: expected signal, got 0 (or no finite number) in every voxel")
