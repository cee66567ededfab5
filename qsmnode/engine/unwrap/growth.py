"""Unwrapping one volume by growing a region along the edges of highest weight first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.unwrap.edges import Weights, edge_weights

Indices = npt.NDArray[np.int64]
Voxels = npt.NDArray[np.signedinteger[Any]]
Flags = npt.NDArray[np.uint8]

_REACHED = 64  # besides one bit for each neighbour that is in the mask
_SCORES = 6 * 255 + 1
# edges from this weight on are as good as sure: ordering them costs three times the time and changes nothing
_TRUSTED = 128


@dataclass(frozen=True)
class Grown:
    """One volume unwrapped.

    Attributes:
        phase: (X, Y, Z), rad; as it came outside the mask.
        order: the mask's voxels as flat indices, connected part by connected part.
        starts: where each part begins in ``order``, and the end.
    """

    phase: Float
    order: Voxels
    starts: Indices

    def parts(self) -> list[Voxels]:
        """The voxels of each connected part."""
        return [self.order[a:b] for a, b in zip(self.starts[:-1], self.starts[1:], strict=True)]


def unwrap_alone(phase: Float, magnitude: Float, mask: Mask) -> Float:
    """Unwrap one volume (X, Y, Z), rad, that has no second echo to compare with."""
    return unwrap_volume(phase, edge_weights(phase[None], magnitude[None], (1.0,)), mask)


def unwrap_volume(phase: Float, weights: Weights, mask: Mask) -> Float:
    """The phase of :func:`grow`."""
    return grow(phase, weights, mask).phase


def grow(phase: Float, weights: Weights, mask: Mask) -> Grown:
    """Grow from the best voxel of each connected part; each part's median ends within half a turn of 0.

    Args:
        phase: (X, Y, Z), rad.
        weights: (X, Y, Z, 3), weight of the edge to the next voxel along each axis, 1..255, 0 for none.
        mask: (X, Y, Z).
    """
    unwrapped = np.array(phase, dtype=np.float32, order="C")
    index: Any = np.int32 if weights.size < 2**31 else np.int64
    flags = np.zeros(mask.shape, dtype=np.uint8)
    scores = np.zeros(mask.shape, dtype=np.uint16)
    in_slabs(_prepare, mask.shape[0], weights, mask, flags, scores)
    order: Voxels = np.empty(np.count_nonzero(mask), dtype=index)
    seeds = np.empty(order.size, dtype=index)
    _sort(scores.reshape(-1), mask.reshape(-1), seeds)
    starts = np.empty(order.size + 1, dtype=np.int64)
    following = np.empty(weights.size, dtype=index)
    strides = (mask.shape[1] * mask.shape[2], mask.shape[2], 1)
    flat = unwrapped.reshape(-1)
    count = _grow(flat, weights.reshape(-1), flags.reshape(-1), strides, seeds, following, order, starts)
    grown = Grown(unwrapped, order, starts[: count + 1].copy())
    turn = np.float32(2 * np.pi)
    for voxels in grown.parts():
        turns = np.round(np.median(flat[voxels]) / turn)
        if turns:
            flat[voxels] -= np.float32(turns) * turn
    return grown


@compiled
def _prepare(
    start: int, stop: int, weights: Weights, mask: Mask, flags: Flags, scores: npt.NDArray[np.uint16]
) -> None:
    """Which neighbours each voxel of the mask has there, and the sum of its edges' weights."""
    nx, ny, nz = mask.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                if not mask[x, y, z]:
                    continue
                flag, score = 0, 0
                if x > 0:
                    flag |= 1 * mask[x - 1, y, z]
                    score += weights[x - 1, y, z, 0]
                if x + 1 < nx:
                    flag |= 2 * mask[x + 1, y, z]
                    score += weights[x, y, z, 0]
                if y > 0:
                    flag |= 4 * mask[x, y - 1, z]
                    score += weights[x, y - 1, z, 1]
                if y + 1 < ny:
                    flag |= 8 * mask[x, y + 1, z]
                    score += weights[x, y, z, 1]
                if z > 0:
                    flag |= 16 * mask[x, y, z - 1]
                    score += weights[x, y, z - 1, 2]
                if z + 1 < nz:
                    flag |= 32 * mask[x, y, z + 1]
                    score += weights[x, y, z, 2]
                flags[x, y, z] = flag
                scores[x, y, z] = score


@compiled
def _sort(scores: npt.NDArray[np.uint16], mask: Mask, seeds: Voxels) -> None:
    """Voxels of the mask, those with the best edges first, in their own order among equals."""
    places = np.zeros(_SCORES + 1, np.int64)
    for voxel in range(mask.size):
        if mask[voxel]:
            places[_SCORES - scores[voxel]] += 1
    for score in range(1, _SCORES + 1):
        places[score] += places[score - 1]
    for voxel in range(mask.size):
        if mask[voxel]:
            rank = _SCORES - scores[voxel] - 1
            seeds[places[rank]] = voxel
            places[rank] += 1


@compiled
def _push(
    voxel: int, weights: Flags, flags: Flags, strides: tuple[int, int, int], heads: Indices, following: Voxels
) -> int:
    """Queue the edges from ``voxel`` to neighbours not reached yet; returns the highest bucket it used."""
    top = 0
    here = flags[voxel]
    for axis in range(3):
        stride = strides[axis]
        if here & (1 << (2 * axis)) and not flags[voxel - stride] & _REACHED:
            edge = 3 * (voxel - stride) + axis
            weight = min(weights[edge], _TRUSTED)
            following[edge] = heads[weight]
            heads[weight] = edge
            top = max(top, weight)
        if here & (2 << (2 * axis)) and not flags[voxel + stride] & _REACHED:
            edge = 3 * voxel + axis
            weight = min(weights[edge], _TRUSTED)
            following[edge] = heads[weight]
            heads[weight] = edge
            top = max(top, weight)
    return top


@compiled
def _grow(
    phase: Float,
    weights: Flags,
    flags: Flags,
    strides: tuple[int, int, int],
    seeds: Voxels,
    following: Voxels,
    order: Voxels,
    starts: Indices,
) -> int:
    """Unwrap ``phase`` in place; fills ``order`` part by part and returns their number. Arrays are flat."""
    turn = 2 * np.pi
    heads = np.full(_TRUSTED + 1, -1, np.int64)
    parts = 0
    count = 0
    for seed in seeds:
        if flags[seed] & _REACHED:
            continue
        starts[parts] = count
        parts += 1
        flags[seed] |= _REACHED
        order[count] = seed
        count += 1
        top = _push(np.int64(seed), weights, flags, strides, heads, following)
        while top >= 0:
            edge = heads[top]
            if edge < 0:
                top -= 1
                continue
            heads[top] = following[edge]
            near = edge // 3
            far = near + strides[edge - 3 * near]
            if flags[far] & _REACHED:
                if flags[near] & _REACHED:
                    continue
                near, far = far, near
            step = np.float64(phase[far]) - np.float64(phase[near])
            if abs(step) > np.pi:
                phase[far] -= np.float32(turn * np.round(step / turn))
            flags[far] |= _REACHED
            order[count] = far
            count += 1
            top = max(top, _push(far, weights, flags, strides, heads, following))
    starts[parts] = count
    return parts
