"""Phase averaged over blocks of voxels as directions: one pass over the volume, no full-size temporaries."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qsmnode.engine.coarse import Coarse
from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.wrapping import in_one_turn, sine

Complex = npt.NDArray[np.complex128]
Blocks = npt.NDArray[np.int64]


def echo_steps(
    phase: Float, magnitude: Float, mask: Mask, coarse: Coarse, first: int, second: int
) -> Complex:
    """Mean over each block of m_first m_second exp(i (phase_second - phase_first)), voxels of the mask only.

    Args:
        phase: (E, X, Y, Z), rad.
        magnitude: (E, X, Y, Z).
        mask: (X, Y, Z).
        coarse: the blocks.
        first, second: indices of the two echoes.
    """
    sums = np.zeros(coarse.count, dtype=np.complex128)
    pairs = phase[first], phase[second], magnitude[first], magnitude[second]
    in_slabs(_step_sums, sums.shape[0], *pairs, mask, np.array(coarse.blocks), sums)
    return sums / coarse.sizes


def offset_directions(
    phase: Float, magnitude: Float, mask: Mask, coarse: Coarse, theta: Float, ratio: float
) -> Complex:
    """Mean over each block of m_1 m_2 exp(i offset), with offset = phase_1 - ratio x (phase_2 - phase_1).

    Args:
        phase, magnitude: (E, X, Y, Z), as above; the first two echoes are looked at.
        mask: (X, Y, Z).
        coarse: the blocks.
        theta: per block, rad: the step between the echoes, unwrapped; each voxel's is the nearest to it.
        ratio: TE_1 / (TE_2 - TE_1).
    """
    sums = np.zeros(coarse.count, dtype=np.complex128)
    pairs = phase[0], phase[1], magnitude[0], magnitude[1]
    in_slabs(_offset_sums, sums.shape[0], *pairs, mask, np.array(coarse.blocks), theta, ratio, sums)
    return sums / coarse.sizes


@compiled
def _step_sums(
    start: int,
    stop: int,
    before: Float,
    after: Float,
    strong: Float,
    weak: Float,
    mask: Mask,
    blocks: Blocks,
    sums: Complex,
) -> None:
    nx, ny, nz = mask.shape
    for i in range(start, stop):
        for x in range(i * blocks[0], min(nx, (i + 1) * blocks[0])):
            for y in range(ny):
                for z in range(nz):
                    if not mask[x, y, z]:
                        continue
                    power = np.float64(strong[x, y, z]) * np.float64(weak[x, y, z])
                    step = np.float64(after[x, y, z]) - np.float64(before[x, y, z])
                    sums[i, y // blocks[1], z // blocks[2]] += complex(
                        power * sine(step + 0.5 * np.pi), power * sine(step)
                    )


@compiled
def _offset_sums(
    start: int,
    stop: int,
    before: Float,
    after: Float,
    strong: Float,
    weak: Float,
    mask: Mask,
    blocks: Blocks,
    theta: Float,
    ratio: float,
    sums: Complex,
) -> None:
    nx, ny, nz = mask.shape
    for i in range(start, stop):
        for x in range(i * blocks[0], min(nx, (i + 1) * blocks[0])):
            for y in range(ny):
                for z in range(nz):
                    if not mask[x, y, z]:
                        continue
                    j, k = y // blocks[1], z // blocks[2]
                    power = np.float64(strong[x, y, z]) * np.float64(weak[x, y, z])
                    offset = raw_offset(before[x, y, z], after[x, y, z], theta[i, j, k], ratio)
                    sums[i, j, k] += complex(power * sine(offset + 0.5 * np.pi), power * sine(offset))


@compiled
def raw_offset(before: np.float32, after: np.float32, theta: np.float32, ratio: float) -> float:
    """Phase of one voxel at echo time 0 by a line through two echoes, the step taken nearest to ``theta``."""
    step = np.float64(after) - np.float64(before)
    near = np.float64(theta)
    near += in_one_turn(step - near)
    return float(np.float64(before) - ratio * near)
