"""Field from several echoes: signal-weighted line, then Gauss-Newton steps on the complex signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.field.field_map import FieldMap
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Mask

Times = npt.NDArray[np.float64]

NOISE_FLOOR = 1e-4  # of the signal: what the storage of the phase as 12 bit and float32 leaves at best


@dataclass(frozen=True)
class Parameters:
    """Steps of the fit, and what makes a voxel unusable."""

    steps: int = parameter(2, "Gauss-Newton steps after the weighted line", low=0, high=10)
    offset_sd_rad: float = parameter(
        0.02, "how far the phase at echo time 0 may be from 0; 0 fixes it", unit="rad", low=0, high=10
    )
    residual_limit: float = parameter(
        0.3, "relative residual above which a voxel gets weight 0", low=0.01, high=2
    )
    noise_limit: float = parameter(
        4.0, "field noise, in medians of the mask, above which a voxel gets weight 0", low=1, high=1000
    )


@method("field", "weighted_fit", doi="10.1002/mrm.24272", parameters=Parameters)
def weighted_fit(
    unwrapped: Float,
    magnitude: Float,
    echo_times_s: Sequence[float],
    mask: Mask,
    parameters: Parameters,
) -> FieldMap:
    """Fit the field to all echoes, each weighted by its signal.

    Starts from the weighted line through the unwrapped phase and minimises
    sum m^2 |exp(i phase) - exp(i (offset + 2 pi f TE))|^2 + (noise offset / offset_sd)^2.

    Args:
        unwrapped: (E, X, Y, Z), rad, offset removed.
        magnitude: (E, X, Y, Z), arbitrary units, >= 0.
        echo_times_s: E echo times in s. With one echo the field is phase / (2 pi TE).
        mask: (X, Y, Z), where to fit.
        parameters: steps and limits.

    Returns:
        Field, weight, relative residual and field noise on the same grid.
    """
    times = np.asarray(echo_times_s, dtype=np.float64)
    shape = mask.shape
    field, residual, sigma = (np.zeros(shape, dtype=np.float32) for _ in range(3))
    typical = float(np.median(magnitude[0][mask])) if mask.any() else 0.0
    noise = max(signal_noise(unwrapped, magnitude, times, mask), NOISE_FLOOR * typical)
    steps = parameters.steps if times.size > 1 else 0
    free = parameters.offset_sd_rad > 0 and times.size > 1
    stiffness = (noise / parameters.offset_sd_rad) ** 2 if free else np.inf
    in_slabs(
        _fit, shape[0], unwrapped, magnitude, times, mask, steps, stiffness, noise, field, residual, sigma
    )
    usable = usable_voxels(residual, sigma, mask, parameters)
    return FieldMap(field, weight_of(sigma, usable), residual, sigma, noise)


def signal_noise(unwrapped: Float, magnitude: Float, times: Times, mask: Mask) -> float:
    """Standard deviation of the signal's real and imaginary parts, from the phase; 0 for an empty mask.

    With several echoes from what a line through 0 leaves, with one from the phase's second differences.
    """
    if not mask.any():
        return 0.0
    if times.size == 1:
        return _noise_of_one(unwrapped[0], magnitude[0], mask)
    misfit = np.zeros(mask.shape, dtype=np.float32)
    in_slabs(_misfit, mask.shape[0], unwrapped, magnitude, times, mask, misfit)
    # the median of chi-square with n degrees of freedom is about n (1 - 2 / 9n)^3
    free = times.size - 1
    return float(np.sqrt(np.median(misfit[mask]) / (free * (1 - 2 / (9 * free)) ** 3)))


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


def usable_voxels(residual: Float, sigma: Float, mask: Mask, parameters: Parameters) -> Mask:
    """Voxels whose field may be used: well explained, not too noisy, and not alone among unusable ones."""
    known = mask & (sigma > 0)
    if not known.any():
        return known
    limit = parameters.noise_limit * np.median(sigma[known])
    good = known & (residual <= parameters.residual_limit) & (sigma <= limit)
    core = scipy.ndimage.binary_erosion(good | ~mask, border_value=1) & mask
    opened: Mask = scipy.ndimage.binary_dilation(core) & good
    return opened


def weight_of(sigma: Float, usable: Mask) -> Float:
    """1 / sigma over its 95th percentile, at most 1; 0 where not usable."""
    weight = np.zeros(sigma.shape, dtype=np.float32)
    if usable.any():
        trust = 1 / np.maximum(sigma[usable], np.finfo(np.float32).tiny)
        weight[usable] = np.minimum(1, trust / np.percentile(trust, 95))
    return weight


@compiled
def _misfit(
    start: int, stop: int, phase: Float, magnitude: Float, times: Times, mask: Mask, misfit: Float
) -> None:
    """Signal-weighted squared distance of the phase from a line through 0, wraps left out."""
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
                    total += power * np.sin(phase[e, x, y, z] - slope * times[e]) ** 2
                misfit[x, y, z] = total


@compiled
def _fit(
    start: int,
    stop: int,
    phase: Float,
    magnitude: Float,
    times: Times,
    mask: Mask,
    steps: int,
    stiffness: float,
    noise: float,
    field: Float,
    residual: Float,
    sigma: Float,
) -> None:
    echoes, _, ny, nz = phase.shape
    power = np.empty(echoes)
    angle = np.empty(echoes)
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                if not mask[x, y, z]:
                    continue
                total = 0.0
                for e in range(echoes):
                    power[e] = np.float64(magnitude[e, x, y, z]) ** 2
                    angle[e] = phase[e, x, y, z]
                    total += power[e]
                if total <= 0:
                    # no signal: any field would do, so none is claimed
                    residual[x, y, z] = 2.0
                    continue
                slope, offset, kept = _line(power, angle, times, steps, stiffness)
                left = 0.0
                for e in range(echoes):
                    left += power[e] * (2 - 2 * np.cos(angle[e] - offset - slope * times[e]))
                field[x, y, z] = slope / (2 * np.pi)
                residual[x, y, z] = np.sqrt(left / total)
                sigma[x, y, z] = noise / (2 * np.pi * np.sqrt(kept))


@compiled
def _line(
    power: Times, angle: Times, times: Times, steps: int, stiffness: float
) -> tuple[float, float, float]:
    """Slope (rad/s) and offset (rad) of one voxel's phase, and the information on the slope."""
    total, first, second = 0.0, 0.0, 0.0
    for e in range(times.size):
        total += power[e]
        first += power[e] * times[e]
        second += power[e] * times[e] ** 2
    slope, offset = 0.0, 0.0
    # the information on the slope that is left once the offset is free within its prior
    kept = max(second - first * first / (total + stiffness), 1e-9 * second)
    for step in range(steps + 1):
        pull, twist = 0.0, 0.0
        for e in range(times.size):
            apart = angle[e] - offset - slope * times[e]
            # the first step is the line through the unwrapped phase itself
            apart = power[e] * (np.sin(apart) if step else apart)
            pull += apart
            twist += apart * times[e]
        if stiffness < np.inf:
            pull -= stiffness * offset
            change = (twist - first * pull / (total + stiffness)) / kept
            offset += (pull - first * change) / (total + stiffness)
        else:
            change = twist / second
        slope += change
    return slope, offset, kept
