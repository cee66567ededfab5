"""What a field's steps from voxel to voxel say about its Laplacian; wrapped phase is enough to know them.

Arrays have one layer of voxels outside the mask on every side, so that neighbours need no checks. A byte of
``near`` tells for each voxel of the mask which of its neighbours are in the mask too.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float, Mask

Bytes = npt.NDArray[np.uint8]
Sums = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

# bits of ``near``
INSIDE, UP_X, UP_Y, UP_Z, DOWN_X, DOWN_Y, DOWN_Z, EQUATION = 1, 2, 4, 8, 16, 32, 64, 128
ALL_NEAR = 127


def neighbours(inside: Mask, mixed: bool) -> Bytes:
    """Bits of each voxel of ``inside`` (X, Y, Z); EQUATION where every voxel of the stencil is inside.

    The stencil holds the six neighbours, and the twelve across edges where ``mixed``.
    """
    near = np.zeros(inside.shape, dtype=np.uint8)
    in_slabs(_neighbours, inside.shape[0], inside, mixed, near)
    return near


def steps_of_phase(phase: Float, magnitude: Float | None, rad_per_ppm: Float, near: Bytes) -> Float:
    """The field's step in ppm from each voxel to the next one along each axis.

    Every echo tells it but for turns of its phase: the first one by less than half a turn, each later one by
    the turns that come next to what the echoes before it say. Echoes count by the power of their noise.

    Args:
        phase: (E, X - 2, Y - 2, Z - 2), rad, wrapped.
        magnitude: the same shape, >= 0; the same everywhere if None.
        rad_per_ppm: (E,), phase of 1 ppm in rad.
        near: (X, Y, Z).

    Returns:
        (3, X, Y, Z), 0 where one of the two voxels is outside or without signal in every echo.
    """
    signal = np.ones_like(phase) if magnitude is None else magnitude
    steps = np.zeros((3, *near.shape), dtype=np.float32)
    for axis in range(3):
        in_slabs(_phase_steps, near.shape[0], phase, signal, rad_per_ppm, near, axis, steps[axis])
    return steps


def steps_of_blocks(steps: Float, near: Bytes, factors: tuple[int, int, int], coarse: Bytes) -> Float:
    """The steps between blocks of ``factors`` (1 or 2 per axis) voxels, from the steps between voxels.

    Args:
        steps: (3, X, Y, Z), ppm.
        near: (X, Y, Z).
        factors: of each axis.
        coarse: bits of the blocks, with their own layer outside.
    """
    blocks = np.zeros((3, *coarse.shape), dtype=np.float32)
    for axis in range(3):
        given = (steps[axis], near, np.array(factors))
        in_slabs(_block_steps, coarse.shape[0], *given, axis, coarse, blocks[axis])
    return blocks


def laplacian_of_steps(steps: Float, near: Bytes, inverse_square: Float) -> Float:
    """The Laplacian where the equation holds, of a field whose steps (3, X, Y, Z) are known."""
    out = np.zeros(near.shape, dtype=np.float32)
    in_slabs(_laplacian, near.shape[0], steps, near, inverse_square, out)
    return out


@compiled
def _neighbours(start: int, stop: int, inside: Mask, mixed: bool, near: Bytes) -> None:
    nx, ny, nz = inside.shape
    for x in range(max(1, start), min(stop, nx - 1)):
        for y in range(1, ny - 1):
            for z in range(1, nz - 1):
                if not inside[x, y, z]:
                    continue
                bits = INSIDE
                bits += UP_X * inside[x + 1, y, z] + DOWN_X * inside[x - 1, y, z]
                bits += UP_Y * inside[x, y + 1, z] + DOWN_Y * inside[x, y - 1, z]
                bits += UP_Z * inside[x, y, z + 1] + DOWN_Z * inside[x, y, z - 1]
                complete = bits == ALL_NEAR
                if complete and mixed:
                    for i in (-1, 1):
                        for j in (-1, 1):
                            complete &= inside[x + i, y + j, z] and inside[x + i, y, z + j]
                            complete &= inside[x, y + i, z + j]
                near[x, y, z] = bits + EQUATION if complete else bits


@compiled
def _phase_steps(
    start: int,
    stop: int,
    phase: Float,
    magnitude: Float,
    rad_per_ppm: Float,
    near: Bytes,
    axis: int,
    out: Float,
) -> None:
    nx, ny, nz = near.shape
    i, j, k = int(axis == 0), int(axis == 1), int(axis == 2)
    bit, turn = UP_X << axis, 2.0 * math.pi
    for x in range(max(1, start), min(stop, nx - 1)):
        for y in range(1, ny - 1):
            for z in range(1, nz - 1):
                if not near[x, y, z] & bit:
                    continue
                total, weights = 0.0, 0.0
                # the echoes' arrays have no layer outside: their voxel lies one lower
                for e in range(phase.shape[0]):
                    one = float(magnitude[e, x - 1, y - 1, z - 1])
                    two = float(magnitude[e, x - 1 + i, y - 1 + j, z - 1 + k])
                    square = one * one + two * two
                    if not square > 0.0:
                        continue
                    scale = float(rad_per_ppm[e])
                    known = total / weights * scale if weights > 0.0 else 0.0
                    step = float(phase[e, x - 1 + i, y - 1 + j, z - 1 + k]) - phase[e, x - 1, y - 1, z - 1]
                    step -= turn * round((step - known) / turn)
                    weight = (scale * one) * (scale * one) * (two * two / square)
                    total += weight * step / scale
                    weights += weight
                out[x, y, z] = total / weights if weights > 0.0 else 0.0


@compiled
def _block_steps(
    start: int,
    stop: int,
    fine: Float,
    near: Bytes,
    factors: Counts,
    axis: int,
    coarse: Bytes,
    out: Float,
) -> None:
    nx, ny, nz = out.shape
    bit = UP_X << axis
    # between the middles of two blocks of two voxels lie half a step, a whole one and half a step again
    lengths = factors.copy()
    lengths[axis] = 2 * factors[axis] - 1
    for x in range(max(1, start), min(stop, nx - 1)):
        for y in range(1, ny - 1):
            for z in range(1, nz - 1):
                if not coarse[x, y, z] & bit:
                    continue
                total, weights = 0.0, 0.0
                for i in range(lengths[0]):
                    for j in range(lengths[1]):
                        for k in range(lengths[2]):
                            u = (x - 1) * factors[0] + 1 + i
                            v = (y - 1) * factors[1] + 1 + j
                            w = (z - 1) * factors[2] + 1 + k
                            if u >= fine.shape[0] or v >= fine.shape[1] or w >= fine.shape[2]:
                                continue
                            if near[u, v, w] & bit:
                                place = i if axis == 0 else (j if axis == 1 else k)
                                weight = 1.0 if place == factors[axis] - 1 else 0.5
                                total += weight * fine[u, v, w]
                                weights += weight
                out[x, y, z] = factors[axis] * total / weights if weights > 0.0 else 0.0


@compiled
def _laplacian(start: int, stop: int, steps: Float, near: Bytes, inverse_square: Float, out: Float) -> None:
    nx, ny, nz = near.shape
    cx, cy, cz = inverse_square[0], inverse_square[1], inverse_square[2]
    for x in range(max(1, start), min(stop, nx - 1)):
        for y in range(1, ny - 1):
            for z in range(1, nz - 1):
                if near[x, y, z] & EQUATION:
                    out[x, y, z] = (
                        (steps[0, x, y, z] - steps[0, x - 1, y, z]) * cx
                        + (steps[1, x, y, z] - steps[1, x, y - 1, z]) * cy
                        + (steps[2, x, y, z] - steps[2, x, y, z - 1]) * cz
                    )
