"""How far to trust the phase step between neighbouring voxels: ROMEO's weights (10.1002/mrm.28563)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float

Weights = npt.NDArray[np.uint8]


def edge_weights(phase: Float, magnitude: Float, echo_times_s: Sequence[float]) -> Weights:
    """Weights of the edges from each voxel to the next one along X, Y and Z.

    The product of (0.1 + 0.9 w) over phase coherence, gradient coherence between the first two echoes (where
    there are two), linearity on both sides and similarity of magnitude, quantised to 1..255.

    Args:
        phase: (E, X, Y, Z), rad; echoes after the second are not looked at.
        magnitude: (E, X, Y, Z); only the first echo is looked at.
        echo_times_s: E echo times in s.

    Returns:
        (X, Y, Z, 3) uint8; 0 where there is no next voxel.
    """
    shape = phase.shape[1:]
    weights: Weights = np.zeros((*shape, 3), dtype=np.uint8)
    second = phase[1] if len(echo_times_s) > 1 else phase[0]
    ratio = np.float32(echo_times_s[0] / echo_times_s[1]) if len(echo_times_s) > 1 else np.float32(0)
    in_slabs(_fill_weights, shape[0], phase[0], second, magnitude[0], ratio, weights)
    return weights


def voxel_quality(weights: Weights) -> Float:
    """Mean weight of each voxel's edges, (X, Y, Z), 0..1."""
    quality: Float = np.zeros(weights.shape[:3], dtype=np.float32)
    in_slabs(_mean_weight, quality.shape[0], weights, quality)
    return quality


@compiled
def _wrapped(angle: np.float32) -> Any:
    """To (-pi, pi]."""
    return angle - np.float32(2 * np.pi) * np.ceil(angle * np.float32(0.5 / np.pi) - np.float32(0.5))


@compiled
def _linearity(before: np.float32, here: np.float32, after: np.float32) -> Any:
    """1 where three voxels lie on a line, 0 where the step changes by 2 rad or more; as a factor 0.1..1."""
    bend = abs(_wrapped(before - np.float32(2) * here + after)) * np.float32(0.5)
    return np.float32(0.1) + np.float32(0.9) * max(np.float32(0), np.float32(1) - bend)


@compiled
def _edge(
    here: np.float32,
    there: np.float32,
    second_here: np.float32,
    second_there: np.float32,
    near: np.float32,
    far: np.float32,
    ratio: np.float32,
) -> Any:
    """Phase coherence, gradient coherence and magnitude similarity of one edge, multiplied."""
    low, high, one = np.float32(0.1), np.float32(0.9), np.float32(1)
    step = _wrapped(here - there)
    weight = low + high * (one - abs(step) * np.float32(1 / np.pi))
    if ratio > 0:
        apart = abs(step - _wrapped(second_here - second_there) * ratio)
        weight *= low + high * max(np.float32(0), one - apart)
    largest = max(near, far)
    similar = min(near, far) / largest if largest > 0 else np.float32(0)
    return weight * (low + high * similar * similar)


@compiled
def _fill_weights(
    start: int, stop: int, first: Float, second: Float, magnitude: Float, ratio: np.float32, weights: Weights
) -> None:
    nx, ny, nz = first.shape
    border = np.float32(0.9)
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                here = first[x, y, z]
                for axis in range(3):
                    dx, dy, dz = int(axis == 0), int(axis == 1), int(axis == 2)
                    i, j, k = x + dx, y + dy, z + dz
                    if i >= nx or j >= ny or k >= nz:
                        continue
                    there = first[i, j, k]
                    weight = _edge(
                        here,
                        there,
                        second[x, y, z],
                        second[i, j, k],
                        magnitude[x, y, z],
                        magnitude[i, j, k],
                        ratio,
                    )
                    if x >= dx and y >= dy and z >= dz:
                        weight *= _linearity(first[x - dx, y - dy, z - dz], here, there)
                    else:
                        weight *= border
                    if i + dx < nx and j + dy < ny and k + dz < nz:
                        weight *= _linearity(here, there, first[i + dx, j + dy, k + dz])
                    else:
                        weight *= border
                    weights[x, y, z, axis] = max(1, min(255, int(weight * np.float32(255) + np.float32(0.5))))


@compiled
def _mean_weight(start: int, stop: int, weights: Weights, quality: Float) -> None:
    nx, ny, nz = quality.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                total = 0
                edges = 0
                if x > 0:
                    total += weights[x - 1, y, z, 0]
                    edges += 1
                if y > 0:
                    total += weights[x, y - 1, z, 1]
                    edges += 1
                if z > 0:
                    total += weights[x, y, z - 1, 2]
                    edges += 1
                if x + 1 < nx:
                    total += weights[x, y, z, 0]
                    edges += 1
                if y + 1 < ny:
                    total += weights[x, y, z, 1]
                    edges += 1
                if z + 1 < nz:
                    total += weights[x, y, z, 2]
                    edges += 1
                if edges:
                    quality[x, y, z] = np.float32(total) / np.float32(255 * edges)
