"""Unwrapping one volume by growing a region along the edges of highest weight first."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.unwrap.edges import Weights, edge_weights

Indices = npt.NDArray[np.int64]


def unwrap_alone(phase: Float, magnitude: Float, mask: Mask) -> Float:
    """Unwrap one volume (X, Y, Z), rad, that has no second echo to compare with."""
    return unwrap_volume(phase, edge_weights(phase[None], magnitude[None], (1.0,)), mask)


def unwrap_volume(phase: Float, weights: Weights, mask: Mask) -> Float:
    """Grow from the best voxel of each connected part; each part's median ends within half a turn of 0.

    Args:
        phase: (X, Y, Z), rad.
        weights: (3, X, Y, Z), weight of the edge to the next voxel along each axis, 1..255, 0 for none.
        mask: (X, Y, Z).
    """
    unwrapped = phase.copy()
    if not mask.any():
        return unwrapped
    seeds = _seed_order(weights, mask)
    order = np.empty(seeds.size, dtype=np.int64)
    starts = np.empty(seeds.size + 1, dtype=np.int64)
    following = np.empty(weights.size, dtype=np.int32 if weights.size < 2**31 else np.int64)
    parts = _grow(unwrapped.reshape(-1), weights, mask, seeds, following, order, starts)
    flat = unwrapped.reshape(-1)
    turn = np.float32(2 * np.pi)
    for part in range(parts):
        voxels = order[starts[part] : starts[part + 1]]
        turns = np.round(np.median(flat[voxels]) / turn)
        if turns:
            flat[voxels] -= np.float32(turns) * turn
    return unwrapped


def _seed_order(weights: Weights, mask: Mask) -> Indices:
    """Voxels of the mask as flat indices, those with the best edges first."""
    score = np.zeros(mask.shape, dtype=np.uint16)
    for axis in range(3):
        ahead = [slice(None)] * 3
        ahead[axis] = slice(1, None)
        score += weights[axis]
        score[tuple(ahead)] += np.take(weights[axis], range(mask.shape[axis] - 1), axis=axis)
    inside = np.flatnonzero(mask)
    return inside[np.argsort(score.reshape(-1)[inside] ^ np.uint16(0xFFFF), kind="stable")]


@compiled
def _push(
    voxel: int,
    weights: Weights,
    mask: Mask,
    visited: Mask,
    heads: Indices,
    following: npt.NDArray[np.signedinteger[Any]],
    top: int,
) -> int:
    """Queue the edges from ``voxel`` to neighbours not reached yet; returns the highest bucket in use."""
    nx, ny, nz = mask.shape
    strides = (ny * nz, nz, 1)
    place = (voxel // strides[0], (voxel // nz) % ny, voxel % nz)
    total = nx * ny * nz
    flat_mask = mask.reshape(-1)
    flat_weights = weights.reshape(-1)
    for axis in range(3):
        for step in (0, 1):
            if (place[axis] == 0) if step == 0 else (place[axis] == mask.shape[axis] - 1):
                continue
            other = voxel - strides[axis] if step == 0 else voxel + strides[axis]
            if visited[other] or not flat_mask[other]:
                continue
            edge = axis * total + min(voxel, other)
            weight = int(flat_weights[edge])
            following[edge] = heads[weight]
            heads[weight] = edge
            top = max(top, weight)
    return top


@compiled
def _grow(
    phase: Float,
    weights: Weights,
    mask: Mask,
    seeds: Indices,
    following: npt.NDArray[np.signedinteger[Any]],
    order: Indices,
    starts: Indices,
) -> int:
    """Unwrap ``phase`` (flat) in place; fills ``order`` part by part and returns their number."""
    total = phase.size
    _, ny, nz = mask.shape
    strides = (ny * nz, nz, 1)
    turn = 2 * np.pi
    visited = np.zeros(total, np.bool_)
    heads = np.full(256, -1, np.int64)
    parts = 0
    count = 0
    for seed in seeds:
        if visited[seed]:
            continue
        starts[parts] = count
        parts += 1
        visited[seed] = True
        order[count] = seed
        count += 1
        top = _push(seed, weights, mask, visited, heads, following, 0)
        while top >= 0:
            edge = heads[top]
            if edge < 0:
                top -= 1
                continue
            heads[top] = following[edge]
            near = edge % total
            far = near + strides[edge // total]
            if visited[near] and visited[far]:
                continue
            if visited[far]:
                near, far = far, near
            phase[far] -= np.float32(turn * np.round((phase[far] - phase[near]) / turn))
            visited[far] = True
            order[count] = far
            count += 1
            top = _push(far, weights, mask, visited, heads, following, top)
    starts[parts] = count
    return parts
