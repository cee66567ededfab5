"""Whole turns of phase, which a term of the signal's angle does not see but a starting point does."""

from __future__ import annotations

import math

import numpy as np

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float

TURN = 2.0 * math.pi
# next to a strong source a step may be real: a lone voxel is far from this share of its neighbours, which
# agree among themselves within an eighth of a turn
MOST = 0.8
QUIET = TURN / 8
NEIGHBOURS = 26


def without_lone_turns(phase: Float, square: Float) -> Float:
    """``phase`` without the whole turns by which a voxel stands out from quiet surroundings.

    A voxel whose unwrapping went wrong by a turn starts an iteration far away from where it belongs, and one
    that looks at the signal's angle alone may then end in the wrong minimum.

    Args:
        phase: (X, Y, Z), rad.
        square: (X, Y, Z), trust in each voxel; only those above 0 are looked at.

    Returns:
        (X, Y, Z), rad; it differs from ``phase`` by whole turns.
    """
    moved = np.empty_like(phase)
    in_slabs(_without_lone_turns, phase.shape[0], phase, square, moved)
    return moved


@compiled
def _without_lone_turns(start: int, stop: int, phase: Float, square: Float, moved: Float) -> None:
    _, ny, nz = phase.shape
    around = np.empty(NEIGHBOURS, dtype=np.float32)
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                here = phase[x, y, z]
                moved[x, y, z] = here
                if square[x, y, z] <= 0:
                    continue
                count = _collect(phase, square, x, y, z, around)
                if _share_beyond(around, count, here, 0.5 * TURN) < MOST:
                    continue
                middle = np.median(around[:count])
                if _share_beyond(around, count, middle, QUIET) <= 1.0 - MOST:
                    moved[x, y, z] = here - np.float32(TURN * round((here - middle) / TURN))


@compiled
def _share_beyond(values: Float, count: int, middle: float, limit: float) -> float:
    """Part of the first ``count`` values that are further from ``middle`` than ``limit``; 0 of none."""
    far = 0
    for n in range(count):
        far += abs(values[n] - middle) > limit
    return far / max(count, 1)


@compiled
def _collect(phase: Float, square: Float, x: int, y: int, z: int, around: Float) -> int:
    """``around`` becomes the trusted neighbours' phase; how many they are."""
    nx, ny, nz = phase.shape
    count = 0
    for i in range(max(0, x - 1), min(nx, x + 2)):
        for j in range(max(0, y - 1), min(ny, y + 2)):
            for k in range(max(0, z - 1), min(nz, z + 2)):
                if (i != x or j != y or k != z) and square[i, j, k] > 0:
                    around[count] = phase[i, j, k]
                    count += 1
    return count
