"""Taking an offset that is known on blocks off every echo, voxel by voxel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qsmnode.engine.coarse import Coarse, Indices, between_centres
from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.offset.phasors import raw_offset
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.wrapping import in_one_turn

Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Axes = tuple[tuple[Indices, Indices, Float], ...]

BINS = 4096


def without_offset(phase: Float, angle: Doubles, coarse: Coarse) -> Float:
    """The phase of all echoes less an offset, wrapped to (-pi, pi].

    Args:
        phase: (E, X, Y, Z), rad.
        angle: per block, rad; whole turns do not matter. Interpolated linearly between blocks' centres.
        coarse: the blocks.
    """
    corrected = np.empty_like(phase)
    in_slabs(_subtract, phase.shape[1], phase, *_places(angle, coarse), corrected)
    return corrected


def median_left(
    phase: Float, mask: Mask, angle: Doubles, coarse: Coarse, theta: Float, ratio: float
) -> float:
    """Median over the mask of |each voxel's own offset - the smooth one|, rad; arguments as above.

    Args:
        theta, ratio: as in :func:`qsmnode.engine.offset.phasors.offset_directions`.
    """
    counts = np.zeros((phase.shape[1], BINS), dtype=np.int64)
    in_slabs(
        _count_left,
        phase.shape[1],
        phase,
        mask,
        *_places(angle, coarse),
        np.array(coarse.blocks),
        theta,
        ratio,
        counts,
    )
    total = np.cumsum(counts.sum(axis=0))
    if not total[-1]:
        return 0.0
    at = int(np.searchsorted(total, total[-1] / 2))
    before = float(total[at - 1]) if at else 0.0
    return float((at + (total[-1] / 2 - before) / (total[at] - before)) * np.pi / BINS)


def _places(angle: Doubles, coarse: Coarse) -> tuple[Doubles, Axes]:
    x, y, z = (between_centres(n, b) for n, b in zip(coarse.shape, coarse.blocks, strict=True))
    return angle, (x, y, z)


@compiled
def _nodes(x: int, y: int, angle: Doubles, places: Axes, nodes: Doubles) -> None:
    """The angle at the blocks' centres along Z in column (x, y), continuous from one to the next."""
    (low_x, high_x, share_x), (low_y, high_y, share_y), _ = places
    for k in range(nodes.size):
        corner = angle[low_x[x], low_y[y], k]
        here = corner + share_x[x] * in_one_turn(angle[high_x[x], low_y[y], k] - corner)
        other = angle[low_x[x], high_y[y], k]
        there = other + share_x[x] * in_one_turn(angle[high_x[x], high_y[y], k] - other)
        nodes[k] = here + share_y[y] * in_one_turn(there - here)
        if k > 0:
            nodes[k] = nodes[k - 1] + in_one_turn(nodes[k] - nodes[k - 1])


@compiled
def _subtract(start: int, stop: int, phase: Float, angle: Doubles, places: Axes, corrected: Float) -> None:
    echoes, _, ny, nz = phase.shape
    low, high, share = places[2]
    nodes = np.empty(angle.shape[2])
    line = np.empty(nz)
    for x in range(start, stop):
        for y in range(ny):
            _nodes(x, y, angle, places, nodes)
            for z in range(nz):
                line[z] = nodes[low[z]] + share[z] * (nodes[high[z]] - nodes[low[z]])
            for e in range(echoes):
                for z in range(nz):
                    corrected[e, x, y, z] = np.float32(in_one_turn(np.float64(phase[e, x, y, z]) - line[z]))


@compiled
def _count_left(
    start: int,
    stop: int,
    phase: Float,
    mask: Mask,
    angle: Doubles,
    places: Axes,
    blocks: Indices,
    theta: Float,
    ratio: float,
    counts: Counts,
) -> None:
    _, _, ny, nz = phase.shape
    low, high, share = places[2]
    nodes = np.empty(angle.shape[2])
    for x in range(start, stop):
        for y in range(ny):
            _nodes(x, y, angle, places, nodes)
            for z in range(nz):
                if not mask[x, y, z]:
                    continue
                near = theta[x // blocks[0], y // blocks[1], z // blocks[2]]
                smooth = nodes[low[z]] + share[z] * (nodes[high[z]] - nodes[low[z]])
                left = in_one_turn(raw_offset(phase[0, x, y, z], phase[1, x, y, z], near, ratio) - smooth)
                counts[x, min(counts.shape[1] - 1, int(abs(left) / np.pi * counts.shape[1]))] += 1
