"""Fringe lines that end inside the object: where whole turns cannot make the phase continuous.

Around such an end the phase winds by a turn, so every way of adding turns leaves a cut: a surface
across which neighbours that fit each other are a turn apart.
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.unwrap.edges import Weights

# neighbours that fit each other, as a weight of their edge
FITTING = 128
# noise leaves cuts of a few voxels, which are no fringe lines
LEAST_VOXELS = 64


def cut_voxels(unwrapped: Float, weights: Weights, mask: Mask) -> Mask:
    """Voxels beside a cut that is too large to come from noise.

    Args:
        unwrapped: (X, Y, Z), rad.
        weights: (X, Y, Z, 3), weights of the edges, 1..255, from the phase before unwrapping.
        mask: (X, Y, Z).
    """
    beside: Mask = np.zeros(mask.shape, dtype=np.bool_)
    in_slabs(_mark, mask.shape[0], unwrapped, weights, mask, beside)
    if np.count_nonzero(beside) < LEAST_VOXELS:
        return np.zeros_like(beside)
    labels, _ = scipy.ndimage.label(beside, np.ones((3, 3, 3)))
    large = np.bincount(labels.reshape(-1)) >= LEAST_VOXELS
    large[0] = False
    kept: Mask = large[labels]
    return kept


@compiled
def _mark(start: int, stop: int, phase: Float, weights: Weights, mask: Mask, beside: Mask) -> None:
    shape = phase.shape
    for x in range(start, stop):
        for y in range(shape[1]):
            for z in range(shape[2]):
                if not mask[x, y, z]:
                    continue
                for axis in range(3):
                    dx, dy, dz = int(axis == 0), int(axis == 1), int(axis == 2)
                    for side in (-1, 1):
                        i, j, k = x + side * dx, y + side * dy, z + side * dz
                        if i < 0 or j < 0 or k < 0 or i >= shape[0] or j >= shape[1] or k >= shape[2]:
                            continue
                        if not mask[i, j, k] or abs(phase[x, y, z] - phase[i, j, k]) <= np.pi:
                            continue
                        near = weights[i, j, k, axis] if side < 0 else weights[x, y, z, axis]
                        if near >= FITTING:
                            beside[x, y, z] = True
