"""Mending a field's steps where the phase lacks turns: noise, and voxels without signal.

There the steps around a face of voxels do not add up to 0. Left alone, the missing turns act like charges on
the whole map.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.inversion.tgv_steps import DOWN_X, INSIDE, UP_X, UP_Y, UP_Z, Bytes
from qsmnode.engine.types import Float, Mask

# over the voxels to mend: few lie deep in a patch of them
SWEEPS = 100

Labels = npt.NDArray[np.int32]


def mend(steps: Float, near: Bytes, limit: float) -> Mask:
    """Replace the steps to and between voxels that lack turns by the closest ones that lack none, in place.

    The field in a layer around them is summed up from its steps, and continued inside by least squares. Where
    the field around turns itself, as it does about a line of open fringes, nothing is changed.

    Args:
        steps: (3, X, Y, Z), ppm.
        near: (X, Y, Z).
        limit: smallest sum of the steps around a face, in ppm, that counts.

    Returns:
        The voxels (X, Y, Z) whose steps were replaced.
    """
    bad = torn(steps, near, limit)
    if not bad.any():
        return bad
    around = (
        scipy.ndimage.binary_dilation(bad, np.ones((3, 3, 3), dtype=np.bool_)) & ~bad & ((near & INSIDE) > 0)
    )
    potential = np.zeros(near.shape, dtype=np.float32)
    parts = np.zeros(near.shape, dtype=np.int32)
    turning = np.zeros(int(np.count_nonzero(around)) + 1, dtype=np.bool_)
    queue = np.zeros((turning.size, 3), dtype=np.int32)
    _sum_up(around, steps, near, limit, potential, parts, turning, queue)
    clusters = np.zeros(bad.shape, dtype=np.int32)
    count = int(scipy.ndimage.label(bad, output=clusters))
    sound, level = _surroundings(clusters, count, parts, turning, potential)
    mended: Mask = sound[clusters] & bad
    potential[mended] = level[clusters[mended]]
    _relax(np.argwhere(mended), steps, near, potential)
    for axis in range(3):
        above = np.roll(mended, -1, axis=axis)
        changed = (mended | above) & ((near & (UP_X << axis)) > 0)
        steps[axis][changed] = (np.roll(potential, -1, axis=axis) - potential)[changed]
    return mended


def torn(steps: Float, near: Bytes, limit: float) -> Mask:
    """Voxels of a face around which the steps (3, X, Y, Z) do not add up to 0: some lack a turn.

    There the phase is noise, or a line about which it turns; what the steps say is off by whole turns.
    ``limit`` is the smallest sum in ppm that counts.
    """
    faces = np.zeros(near.shape, dtype=np.uint8)
    found = np.zeros(near.shape, dtype=np.bool_)
    in_slabs(_torn_faces, near.shape[0], steps, near, limit, faces)
    in_slabs(_corners, near.shape[0], faces, found)
    return found


def _surroundings(
    clusters: Labels, count: int, parts: Labels, turning: Mask, potential: Float
) -> tuple[Mask, Float]:
    """Which clusters lie in one part of the layer around that does not turn, and the mean field there."""
    lowest = np.full(count + 1, np.iinfo(np.int32).max, dtype=np.int32)
    highest = np.zeros(count + 1, dtype=np.int32)
    total, hits = np.zeros(count + 1), np.zeros(count + 1, dtype=np.int64)
    for axis in range(3):
        for side in (1, -1):
            beside = np.roll(parts, side, axis=axis)
            at = (clusters > 0) & (beside > 0)
            which, part = clusters[at], beside[at]
            np.minimum.at(lowest, which, part)
            np.maximum.at(highest, which, part)
            total += np.bincount(which, np.roll(potential, side, axis=axis)[at], count + 1)
            hits += np.bincount(which, minlength=count + 1)
    sound = (hits > 0) & (lowest == highest) & ~turning[highest]
    return sound, (total / np.maximum(hits, 1)).astype(np.float32)


@compiled
def _sum_up(
    around: Mask,
    steps: Float,
    near: Bytes,
    limit: float,
    potential: Float,
    parts: Labels,
    turning: Mask,
    queue: Labels,
) -> None:
    """Sum the steps within each connected part of ``around``; ``turning`` where ways do not agree."""
    nx, ny, nz = near.shape
    part = 0
    for x0 in range(1, nx - 1):
        for y0 in range(1, ny - 1):
            for z0 in range(1, nz - 1):
                if not around[x0, y0, z0] or parts[x0, y0, z0]:
                    continue
                part += 1
                parts[x0, y0, z0] = part
                queue[0, 0], queue[0, 1], queue[0, 2] = x0, y0, z0
                first, last = 0, 1
                while first < last:
                    x, y, z = queue[first, 0], queue[first, 1], queue[first, 2]
                    first += 1
                    for way in range(6):
                        axis, up = way % 3, way < 3
                        side = 1 if up else -1
                        u = x + side * (axis == 0)
                        v = y + side * (axis == 1)
                        w = z + side * (axis == 2)
                        if not around[u, v, w]:
                            continue
                        step = steps[axis, x, y, z] if up else -steps[axis, u, v, w]
                        there = potential[x, y, z] + step
                        if not parts[u, v, w]:
                            parts[u, v, w] = part
                            potential[u, v, w] = there
                            queue[last, 0], queue[last, 1], queue[last, 2] = u, v, w
                            last += 1
                        elif abs(potential[u, v, w] - there) > limit:
                            turning[part] = True


@compiled
def _relax(voxels: npt.NDArray[np.int64], steps: Float, near: Bytes, potential: Float) -> None:
    """``potential`` of the ``voxels`` becomes that whose differences are closest to ``steps``."""
    for _ in range(SWEEPS):
        for index in range(len(voxels)):
            x, y, z = voxels[index, 0], voxels[index, 1], voxels[index, 2]
            bits = near[x, y, z]
            total, count = 0.0, 0
            for axis in range(3):
                i, j, k = int(axis == 0), int(axis == 1), int(axis == 2)
                if bits & (UP_X << axis):
                    total += potential[x + i, y + j, z + k] - steps[axis, x, y, z]
                    count += 1
                if bits & (DOWN_X << axis):
                    total += potential[x - i, y - j, z - k] + steps[axis, x - i, y - j, z - k]
                    count += 1
            if count > 0:
                potential[x, y, z] = total / count


@compiled
def _torn_faces(start: int, stop: int, steps: Float, near: Bytes, limit: float, faces: Bytes) -> None:
    """Bits 1, 2, 4 of ``faces``: the face above the voxel in xy, xz, yz."""
    nx, ny, nz = near.shape
    for x in range(max(1, start), min(stop, nx - 1)):
        for y in range(1, ny - 1):
            for z in range(1, nz - 1):
                bits = near[x, y, z]
                found = 0
                if bits & UP_X and bits & UP_Y and near[x + 1, y, z] & UP_Y and near[x, y + 1, z] & UP_X:
                    turn = steps[0, x, y, z] + steps[1, x + 1, y, z]
                    turn -= steps[1, x, y, z] + steps[0, x, y + 1, z]
                    found += abs(turn) > limit
                if bits & UP_X and bits & UP_Z and near[x + 1, y, z] & UP_Z and near[x, y, z + 1] & UP_X:
                    turn = steps[0, x, y, z] + steps[2, x + 1, y, z]
                    turn -= steps[2, x, y, z] + steps[0, x, y, z + 1]
                    found += 2 * (abs(turn) > limit)
                if bits & UP_Y and bits & UP_Z and near[x, y + 1, z] & UP_Z and near[x, y, z + 1] & UP_Y:
                    turn = steps[1, x, y, z] + steps[2, x, y + 1, z]
                    turn -= steps[2, x, y, z] + steps[1, x, y, z + 1]
                    found += 4 * (abs(turn) > limit)
                faces[x, y, z] = found


@compiled
def _corners(start: int, stop: int, faces: Bytes, found: Mask) -> None:
    """Voxels that are a corner of a marked face."""
    nx, ny, nz = faces.shape
    for x in range(max(1, start), min(stop, nx - 1)):
        for y in range(1, ny - 1):
            for z in range(1, nz - 1):
                bits = 0
                for i in range(2):
                    for j in range(2):
                        bits |= faces[x - i, y - j, z] & 1
                        bits |= faces[x - i, y, z - j] & 2
                        bits |= faces[x, y - i, z - j] & 4
                found[x, y, z] = bits > 0
