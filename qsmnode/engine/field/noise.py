"""How noisy the signal is, told by its phase."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.order import median
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.wrapping import sine

Times = npt.NDArray[np.float64]

FLOOR = 1e-4  # of the signal: what the storage of the phase as 12 bit and float32 leaves at best


def signal_noise(unwrapped: Float, magnitude: Float, times: Times, mask: Mask) -> float:
    """Standard deviation of the signal's real and imaginary parts, at least ``FLOOR`` of it; 0 without any.

    With several echoes from what a line through 0 leaves, with one from the phase's second differences.

    Args:
        unwrapped: (E, X, Y, Z), rad.
        magnitude: (E, X, Y, Z).
        times: E echo times in s.
        mask: (X, Y, Z), where to look.
    """
    if not mask.any():
        return 0.0
    if times.size == 1:
        noise = _noise_of_one(unwrapped[0], magnitude[0], mask)
    else:
        misfit = np.zeros(mask.shape, dtype=np.float32)
        in_slabs(_misfit, mask.shape[0], unwrapped, magnitude, times, mask, misfit)
        noise = noise_of_misfit(misfit, mask, times.size - 1)
    return max(noise, noise_floor(magnitude, mask))


def noise_floor(magnitude: Float, mask: Mask) -> float:
    """The least noise that is believed, from the first echo's median in the mask."""
    return FLOOR * median(magnitude[0], mask)


def noise_of_misfit(misfit: Float, mask: Mask, freedom: int) -> float:
    """Noise from distances (X, Y, Z) between signal and fit that have ``freedom`` degrees of freedom each."""
    # the median of chi-square with n degrees of freedom is about n (1 - 2 / 9n)^3
    return float(median(misfit, mask) / np.sqrt(freedom * (1 - 2 / (9 * freedom)) ** 3))


def _noise_of_one(phase: Float, magnitude: Float, mask: Mask) -> float:
    axis = int(np.argmax(phase.shape))
    if phase.shape[axis] < 3:
        return 0.0
    before, here, after = (np.take(phase, range(k, phase.shape[axis] - 2 + k), axis=axis) for k in range(3))
    inside = np.logical_and.reduce(
        [np.take(mask, range(k, mask.shape[axis] - 2 + k), axis=axis) for k in range(3)]
    )
    if not inside.any():
        return 0.0
    bend = np.abs(before - 2 * here + after)[inside]
    signal = np.take(magnitude, range(1, phase.shape[axis] - 1), axis=axis)[inside]
    return float(1.4826 * np.median(bend * signal) / np.sqrt(6))


@compiled
def _misfit(
    start: int, stop: int, phase: Float, magnitude: Float, times: Times, mask: Mask, misfit: Float
) -> None:
    """Signal-weighted distance of the phase from a line through 0, wraps left out."""
    echoes, _, ny, nz = phase.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                if not mask[x, y, z]:
                    continue
                above, below = 0.0, 0.0
                for e in range(echoes):
                    power = np.float64(magnitude[e, x, y, z]) ** 2
                    above += power * times[e] * phase[e, x, y, z]
                    below += power * times[e] ** 2
                slope = above / below if below > 0 else 0.0
                total = 0.0
                for e in range(echoes):
                    power = np.float64(magnitude[e, x, y, z]) ** 2
                    total += power * sine(phase[e, x, y, z] - slope * times[e]) ** 2
                misfit[x, y, z] = np.sqrt(total)
