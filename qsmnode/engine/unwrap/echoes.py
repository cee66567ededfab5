"""Carrying an unwrapped first echo over to the others, voxel by voxel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.unwrap.growth import unwrap_alone
from qsmnode.engine.wrapping import wrapped


def from_template(phase: Float, first: Float, echo_times_s: Sequence[float], mask: Mask) -> Float:
    """Each echo follows the one before it times the ratio of their echo times (phase without an offset).

    Args:
        phase: (E, X, Y, Z), rad, wrapped.
        first: (X, Y, Z), rad, the first echo unwrapped.
        echo_times_s: E echo times in s.
        mask: (X, Y, Z); outside it the phase is returned as it came.
    """
    unwrapped = phase.copy()
    unwrapped[0] = first
    times = np.asarray(echo_times_s, dtype=np.float32)
    in_slabs(_follow_ratio, mask.shape[0], unwrapped, times, mask)
    return unwrapped


def from_differences(
    phase: Float, magnitude: Float, first: Float, echo_times_s: Sequence[float], mask: Mask
) -> Float:
    """Each echo follows a line through those before it (phase with an offset at echo time 0).

    The step from the first to the second echo is unwrapped in space, later echoes are extrapolated.
    """
    step = wrapped(phase[1] - phase[0])
    joint = np.sqrt(magnitude[0] * magnitude[1])
    slope = unwrap_alone(step, joint, mask)
    unwrapped = phase.copy()
    unwrapped[0] = first
    unwrapped[1] = np.where(mask, first + slope, phase[1])
    times = np.asarray(echo_times_s, dtype=np.float32)
    in_slabs(_follow_line, mask.shape[0], unwrapped, times, mask)
    return unwrapped


@compiled
def _nearest(value: np.float32, target: np.float32) -> Any:
    """``value`` plus the whole turns that bring it closest to ``target``."""
    turn = np.float32(2 * np.pi)
    return value + turn * np.round((target - value) / turn)


@compiled
def _follow_ratio(start: int, stop: int, phase: Float, times: Float, mask: Mask) -> None:
    echoes, _, ny, nz = phase.shape
    for x in range(start, stop):
        for echo in range(1, echoes):
            ratio = times[echo] / times[echo - 1]
            for y in range(ny):
                for z in range(nz):
                    if mask[x, y, z]:
                        target = phase[echo - 1, x, y, z] * ratio
                        phase[echo, x, y, z] = _nearest(phase[echo, x, y, z], target)


@compiled
def _follow_line(start: int, stop: int, phase: Float, times: Float, mask: Mask) -> None:
    echoes, _, ny, nz = phase.shape
    for x in range(start, stop):
        for echo in range(2, echoes):
            middle = np.float32(times[:echo].mean())
            spread = np.float32(0)
            for e in range(echo):
                spread += (times[e] - middle) ** 2
            for y in range(ny):
                for z in range(nz):
                    if not mask[x, y, z]:
                        continue
                    mean = np.float32(0)
                    slope = np.float32(0)
                    for e in range(echo):
                        mean += phase[e, x, y, z]
                        slope += (times[e] - middle) * phase[e, x, y, z]
                    target = mean / np.float32(echo) + slope / spread * (times[echo] - middle)
                    phase[echo, x, y, z] = _nearest(phase[echo, x, y, z], target)
