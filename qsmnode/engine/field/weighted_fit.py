"""Field from several echoes: signal-weighted line, then Gauss-Newton steps on the complex signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.field.field_map import FieldMap
from qsmnode.engine.field.noise import Times, signal_noise
from qsmnode.engine.field.usable import judged
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.wrapping import sine


@dataclass(frozen=True)
class Parameters:
    """Steps of the fit, and what makes a voxel unusable."""

    steps: int = parameter(2, "Gauss-Newton steps after the weighted line", low=0, high=10)
    offset_sd_rad: float = parameter(
        0.005, "how far the phase at echo time 0 may be from 0; 0 fixes it", unit="rad", low=0, high=10
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
    noise = signal_noise(unwrapped, magnitude, times, mask)
    steps = parameters.steps if times.size > 1 else 0
    free = parameters.offset_sd_rad > 0 and times.size > 1
    stiffness = (noise / parameters.offset_sd_rad) ** 2 if free else np.inf
    in_slabs(
        _fit, shape[0], unwrapped, magnitude, times, mask, steps, stiffness, noise, field, residual, sigma
    )
    return judged(field, residual, sigma, magnitude, noise, mask, parameters)


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
                    left += power[e] * sine(0.5 * (angle[e] - offset - slope * times[e])) ** 2
                field[x, y, z] = slope / (2 * np.pi)
                residual[x, y, z] = 2 * np.sqrt(left / total)
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
            apart = power[e] * (sine(apart) if step else apart)
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
