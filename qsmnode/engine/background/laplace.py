"""The harmonic function in a mask that has given values on the mask's rim."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float, Mask

Sums = npt.NDArray[np.float64]

_COARSEST = 8
_CHECK_EVERY = 10


def rim_of(mask: Mask) -> Mask:
    """Voxels of ``mask`` that touch a voxel outside it (or the array's end) with a face."""
    padded = np.pad(mask, 1)
    inner = padded[1:-1, 1:-1, 1:-1].copy()
    for axis in range(3):
        for shift in (-1, 1):
            inner &= np.roll(padded, shift, axis=axis)[1:-1, 1:-1, 1:-1]
    return mask & ~inner


def harmonic(
    values: Float, mask: Mask, rim: Mask, voxel_mm: tuple[float, float, float], tolerance: float, sweeps: int
) -> tuple[Float, float]:
    """Solve Laplace's equation in ``mask`` without ``rim``, where ``values`` hold.

    Successive over-relaxation in two colours, started from the solution on a grid of half the resolution.

    Args:
        values: (X, Y, Z); used on ``rim``, and elsewhere in ``mask`` as the first guess of the coarsest grid.
        mask, rim: (X, Y, Z).
        voxel_mm: voxel edges in mm.
        tolerance: residual relative to the rim's root mean square that ends it.
        sweeps: most sweeps on each grid.

    Returns:
        (X, Y, Z) float32: harmonic in the mask, ``values`` on the rim, 0 outside; and the residual reached.
    """
    solution = np.where(mask, values, np.float32(0)).astype(np.float32)
    free = mask & ~rim
    if not free.any():
        return solution, 0.0
    if min(mask.shape) > _COARSEST:
        guess = _guess_from_coarse(solution, mask, rim, voxel_mm, tolerance, sweeps)
        solution[free] = guess[free]
    rates = np.array([1.0 / v**2 for v in voxel_mm], dtype=np.float32)
    rates /= np.float32(2 * rates.sum())
    size = float(np.sqrt(np.mean(values[rim].astype(np.float64) ** 2))) if rim.any() else 0.0
    longest = max(np.ptp(np.flatnonzero(mask.any(axis=axes))) + 1 for axes in ((1, 2), (0, 2), (0, 1)))
    relaxation = 2.0 / (1.0 + np.sin(np.pi / max(3, int(longest))))
    sums = np.zeros((mask.shape[0], 2))
    reached = np.inf
    for sweep in range(sweeps):
        for colour in (0, 1):
            in_slabs(_sweep, mask.shape[0], solution, free, rates, relaxation, colour, sums)
        if sweep % _CHECK_EVERY == _CHECK_EVERY - 1:
            reached = float(np.sqrt(sums.sum() / np.count_nonzero(free))) / size if size > 0 else 0.0
            if reached < tolerance:
                break
    return solution, reached


def _guess_from_coarse(
    values: Float,
    mask: Mask,
    rim: Mask,
    voxel_mm: tuple[float, float, float],
    tolerance: float,
    sweeps: int,
) -> Float:
    """The solution on blocks of 2 x 2 x 2 voxels: a block with a rim voxel is rim."""
    counts, on_rim = _block_sum(mask.astype(np.float32)), _block_sum(rim.astype(np.float32))
    coarse_mask, coarse_rim = counts > 0, on_rim > 0
    rim_mean = _block_sum(values * rim) / np.maximum(on_rim, 1)
    mean = _block_sum(values) / np.maximum(counts, 1)
    coarse_values = np.where(coarse_rim, rim_mean, mean).astype(np.float32)
    edges = (2 * voxel_mm[0], 2 * voxel_mm[1], 2 * voxel_mm[2])
    coarse, _ = harmonic(coarse_values, coarse_mask, coarse_rim, edges, tolerance, sweeps)
    fine = coarse
    for axis, length in enumerate(mask.shape):
        fine = np.repeat(fine, 2, axis=axis).take(np.arange(length), axis=axis)
    return fine


def _block_sum(values: Float) -> Float:
    padded = np.pad(values, [(0, n % 2) for n in values.shape])
    x, y, z = (n // 2 for n in padded.shape)
    total: Float = padded.reshape(x, 2, y, 2, z, 2).sum(axis=(1, 3, 5))
    return total


@compiled
def _sweep(
    start: int,
    stop: int,
    values: Float,
    free: Mask,
    rates: Float,
    relaxation: float,
    colour: int,
    sums: Sums,
) -> None:
    """Relax the free voxels of one colour; ``sums`` (X, 2) gets the squared corrections per slab."""
    _, ny, nz = values.shape
    omega = np.float32(relaxation)
    for x in range(start, stop):
        total = 0.0
        for y in range(ny):
            for z in range((x + y + colour) % 2, nz, 2):
                if free[x, y, z]:
                    mean = (
                        (values[x - 1, y, z] + values[x + 1, y, z]) * rates[0]
                        + (values[x, y - 1, z] + values[x, y + 1, z]) * rates[1]
                        + (values[x, y, z - 1] + values[x, y, z + 1]) * rates[2]
                    )
                    correction = mean - values[x, y, z]
                    total += correction * correction
                    values[x, y, z] += omega * correction
        sums[x, colour] = total
