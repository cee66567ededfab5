"""How many whole turns a voxel's phase has really made: its noise-free phase, followed from echo time 0.

In a voxel across which the field varies the phase leaves the line of the mean field, by a turn and more; and
where its signal passes through zero on the way the number of turns has no meaning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from qsmnode.engine.types import Float
from qsmnode.phantom.head import SimulatedHead, simulate

STEP_S = 0.001
_TURN = 2 * math.pi


@dataclass(frozen=True)
class OwnPhase:
    """A head's noise-free phase, continuous in time.

    Attributes:
        phase: (E, X, Y, Z), rad, at the head's echoes.
        weakest: (E, X, Y, Z), the least signal on the way from time 0 to each echo.
    """

    phase: Float
    weakest: Float


def own_phase(clean: SimulatedHead, line: npt.NDArray[np.float64]) -> OwnPhase:
    """Follow every voxel's phase in steps of a millisecond.

    Args:
        clean: measured without noise.
        line: (E, X, Y, Z), rad, the phase that the voxels' mean field makes, at the head's echoes.
    """
    times = clean.stack.echo_times_s
    rate = (line[1] - line[0]) / (times[1] - times[0]) if len(times) > 1 else line[0] / times[0]
    start = line[0] - rate * times[0]
    steps = [STEP_S * n for n in range(1, math.ceil(times[-1] / STEP_S))]
    dense = sorted({round(t, 9) for t in (*steps, *times)})
    stack = simulate(clean.head, replace(clean.protocol, echo_times_s=tuple(dense))).stack
    shape = (len(times), *clean.stack.grid.shape)
    phase, weakest = np.empty(shape, np.float32), np.empty(shape, np.float32)
    beside, least = np.zeros(shape[1:]), np.full(shape[1:], np.inf, np.float32)
    for n, time_s in enumerate(dense):
        expected = start + rate * time_s
        found = stack.phase[n] - expected
        beside = found + _TURN * np.rint((beside - found) / _TURN)
        least = np.minimum(least, stack.magnitude[n])
        for echo in (e for e, t in enumerate(times) if round(t, 9) == time_s):
            phase[echo], weakest[echo] = expected + beside, least
    return OwnPhase(phase, weakest)
