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

# phase fills its turn this well
_FILLED_TOLERANCE = 0.002
# a step between neighbours that only a wrap makes, relative to the range
_JUMP = 0.75
# how often wrapped phase jumps at least
_JUMPING_FRACTION = 1e-3
# what counts as no signal, relative to the largest
_EMPTY = 0.05


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


def all_finite(name: str, values: Float) -> Float:
    """``values``, of which none may be NaN or infinite."""
    bad = np.count_nonzero(~np.isfinite(values))
    if bad:
        raise EngineInputError(f"{name}: expected finite numbers, got {bad} NaN or infinite ones")
    return values


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
    """``phase``, finite, in (-pi, pi]; see :func:`within_one_turn`."""
    within_one_turn(phase)
    return wrapped(phase)


def within_one_turn(phase: Float) -> None:
    """Refuse phase, finite, that does not come as -pi to pi or 0 to 2 pi.

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
            f"got {low:.6g} to {high:.6g}{_unit_of(low, high)}: scale it to rad, or say phase_is_unwrapped"
        )


def _unit_of(low: float, high: float) -> str:
    """What values outside of one turn may be, in words."""
    signed = -181 <= low <= -90 and 90 <= high <= 181
    unsigned = -1 <= low <= 90 and 270 <= high <= 361
    if signed or unsigned:
        return " (degrees?)"
    whole = low == int(low) and high == int(high)
    return " (the scanner's whole numbers?)" if whole and high - low >= 1000 else ""


def not_swapped(magnitude: Float, phase: Float) -> None:
    """Refuse a magnitude that is phase while the phase could be magnitude; both finite.

    The magnitude fills one turn and jumps by nearly a turn between neighbours, as wrapped phase does; the
    phase is nowhere below 0 and jumps far less, the borders of its empty parts left out. Magnitude scaled to
    0..1 passes, and so does any phase that wraps.

    Args:
        magnitude, phase: (E, X, Y, Z), as the caller named them.

    Raises:
        EngineInputError: they seem to have changed places.
    """
    if not magnitude.size or float(phase.min()) < 0 or not float(phase.max()) > 0:
        return
    low, high, top = float(magnitude.min()), float(magnitude.max()), float(phase.max())
    if abs(high - low - TURN) > _FILLED_TOLERANCE * TURN:
        return
    wraps = _jumping(magnitude, TURN, -math.inf)
    if low < 0 or wraps > max(_JUMPING_FRACTION, 10 * _jumping(phase, top, _EMPTY * top)):
        raise EngineInputError(
            f"magnitude: expected signal, got {low:.6g} to {high:.6g}, which wraps as phase does, and phase "
            f"from {float(phase.min()):.6g} to {top:.6g}, which does not: have the two changed places?"
        )


def _jumping(values: Float, scale: float, above: float) -> float:
    """Part of the neighbours that differ by most of ``scale``, where the lower of them is over ``above``."""
    jumps = pairs = 0
    for axis in range(1, values.ndim):
        first, second = (np.take(values, range(n, n + values.shape[axis] - 1), axis=axis) for n in (0, 1))
        far = (np.abs(second - first) > _JUMP * scale) & (np.minimum(first, second) > above)
        jumps += int(np.count_nonzero(far))
        pairs += far.size
    return jumps / max(1, pairs)


def not_negative(name: str, values: Float) -> Float:
    """``values``, none of which may be below 0."""
    if values.size and values.min() < 0:
        low, high = float(values.min()), float(values.max())
        limit = (1 + TURN_TOLERANCE) * math.pi
        hint = " (is it the phase?)" if -limit <= low < high <= limit else ""
        raise EngineInputError(f"{name}: expected values of at least 0, got {low:g} to {high:g}{hint}")
    return values


def positive(name: str, value: Any) -> float | None:
    """``value`` as a finite number above 0; None stays None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise EngineInputError(f"{name}: expected a number above 0, got {value!r}")
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise EngineInputError(f"{name}: expected a number above 0, got {number:g}")
    return number


def some_signal(magnitude: npt.NDArray[np.float32]) -> None:
    """Refuse a magnitude that is 0 everywhere."""
    if not (magnitude > 0).any():
        raise EngineInputError("magnitude: expected signal, got 0 (or no finite number) in every voxel")
