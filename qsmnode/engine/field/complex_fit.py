"""Field from several echoes: field and phase offset of each voxel's complex signal, fitted to convergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.field.field_map import FieldMap
from qsmnode.engine.field.noise import Times, noise_floor, noise_of_misfit, signal_noise
from qsmnode.engine.field.usable import judged
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.wrapping import in_one_turn, sine

Counts = npt.NDArray[np.int16]

STARTS = ("line", "difference")


@dataclass(frozen=True)
class Parameters:
    """Where the fit starts and ends, and what makes a voxel unusable."""

    start: str = parameter(
        "line",
        "line: from the weighted line through the unwrapped phase; difference: from the step between the "
        "first two echoes, for wrapped phase of fields within half a turn per echo spacing",
        choices=STARTS,
    )
    tolerance_rad: float = parameter(
        1e-4,
        "a voxel has converged when no echo's phase changes by more",
        unit="rad",
        low=1e-7,
        high=0.1,
    )
    max_iterations: int = parameter(30, "most Levenberg-Marquardt steps of a voxel", low=1, high=1000)
    residual_limit: float = parameter(
        0.3, "relative residual above which a voxel gets weight 0", low=0.01, high=2
    )
    noise_limit: float = parameter(
        4.0, "field noise, in medians of the mask, above which a voxel gets weight 0", low=1, high=1000
    )


@method("field", "complex_fit", doi="10.1002/mrm.24272", parameters=Parameters)
def complex_fit(
    unwrapped: Float,
    magnitude: Float,
    echo_times_s: Sequence[float],
    mask: Mask,
    parameters: Parameters,
) -> FieldMap:
    """Fit field and phase offset to the complex signal of all echoes, each voxel until it has converged.

    Minimises sum m^2 |exp(i phase) - exp(i (offset + 2 pi f TE))|^2 with a free offset (Levenberg-Marquardt).

    Args:
        unwrapped: (E, X, Y, Z), rad; may be wrapped where ``start`` is ``difference``.
        magnitude: (E, X, Y, Z), arbitrary units, >= 0.
        echo_times_s: E echo times in s. With one echo nothing is left to fit: the field is phase / (2 pi TE).
        mask: (X, Y, Z), where to fit.
        parameters: start, end and limits.

    Returns:
        Field, weight, relative residual and field noise on the same grid; ``numbers`` holds
        ``field_iterations`` (most steps of any voxel) and ``field_unconverged_fraction``.
    """
    times = np.asarray(echo_times_s, dtype=np.float64)
    field, residual, sigma, misfit = (np.zeros(mask.shape, dtype=np.float32) for _ in range(4))
    taken = np.zeros(mask.shape, dtype=np.int16)
    in_slabs(
        _fit,
        mask.shape[0],
        unwrapped,
        magnitude,
        times,
        mask,
        parameters.start == "line",
        parameters.tolerance_rad,
        parameters.max_iterations,
        (field, residual, misfit, taken),
    )
    if times.size > 2 and mask.any():
        noise = max(noise_of_misfit(misfit, mask, times.size - 2), noise_floor(magnitude, mask))
    else:
        # two echoes leave nothing over from which to tell the noise: a line through 0 does
        noise = signal_noise(unwrapped, magnitude, times, mask)
    in_slabs(_spread, mask.shape[0], magnitude, times, mask, noise, sigma)
    steps = np.abs(taken[mask])
    numbers = {
        "field_iterations": float(steps.max(initial=0)),
        "field_unconverged_fraction": float(np.mean(taken[mask] < 0)) if mask.any() else 0.0,
    }
    return judged(field, residual, sigma, magnitude, noise, mask, parameters, numbers)


@compiled
def _spread(
    start: int, stop: int, magnitude: Float, times: Times, mask: Mask, noise: float, sigma: Float
) -> None:
    """Standard deviation of the field, the offset being free."""
    echoes, _, ny, nz = magnitude.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                total, first, second = 0.0, 0.0, 0.0
                for e in range(echoes):
                    power = np.float64(magnitude[e, x, y, z]) ** 2
                    total += power
                    first += power * times[e]
                    second += power * times[e] ** 2
                if mask[x, y, z] and total > 0:
                    sigma[x, y, z] = noise / (2 * np.pi * np.sqrt(_information(total, first, second)))


@compiled
def _information(total: float, first: float, second: float) -> float:
    """What the echoes say about the slope once the offset is free; all of it where there is one echo only."""
    left = second - first * first / total
    return float(left if left > 1e-9 * second else second)


@compiled
def _fit(
    start: int,
    stop: int,
    phase: Float,
    magnitude: Float,
    times: Times,
    mask: Mask,
    from_line: bool,
    tolerance: float,
    most: int,
    out: tuple[Float, Float, Float, Counts],
) -> None:
    field, residual, misfit, taken = out
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
                for e in range(echoes):
                    power[e] /= total
                slope, offset = _begin(power, angle, times, from_line)
                if echoes > 1:
                    slope, offset, steps = _converge(power, angle, times, slope, offset, tolerance, most)
                    taken[x, y, z] = steps
                field[x, y, z] = slope / (2 * np.pi)
                left = _cost(power, angle, times, slope, offset)
                residual[x, y, z] = np.sqrt(left)
                # the part of the distance that is in the phase
                aside = 0.0
                for e in range(echoes):
                    aside += power[e] * sine(angle[e] - offset - slope * times[e]) ** 2
                misfit[x, y, z] = np.sqrt(total) * np.sqrt(aside)


@compiled
def _begin(power: Times, angle: Times, times: Times, from_line: bool) -> tuple[float, float]:
    """First slope (rad/s) and offset (rad) of one voxel."""
    if times.size == 1:
        return angle[0] / times[0], 0.0
    if not from_line:
        slope = in_one_turn(angle[1] - angle[0]) / (times[1] - times[0])
        return slope, angle[0] - slope * times[0]
    mean, middle = 0.0, 0.0
    for e in range(times.size):
        mean += power[e] * angle[e]
        middle += power[e] * times[e]
    above, below = 0.0, 0.0
    for e in range(times.size):
        above += power[e] * (times[e] - middle) * (angle[e] - mean)
        below += power[e] * (times[e] - middle) ** 2
    if below <= 1e-9 * times[0] ** 2:
        # all the signal is in one echo: the line through 0
        return mean / middle, 0.0
    slope = above / below
    return slope, mean - slope * middle


@compiled
def _cost(power: Times, angle: Times, times: Times, slope: float, offset: float) -> float:
    """sum power |exp(i angle) - exp(i (offset + slope t))|^2."""
    total = 0.0
    for e in range(times.size):
        total += 4 * power[e] * sine(0.5 * (angle[e] - offset - slope * times[e])) ** 2
    return total


@compiled
def _converge(
    power: Times, angle: Times, times: Times, slope: float, offset: float, tolerance: float, most: int
) -> tuple[float, float, int]:
    """Levenberg-Marquardt steps on slope and offset; their number, negative where the cap ended them."""
    total, first, second = 0.0, 0.0, 0.0
    for e in range(times.size):
        total += power[e]
        first += power[e] * times[e]
        second += power[e] * times[e] ** 2
    damping = 1e-6
    cost = _cost(power, angle, times, slope, offset)
    for step in range(1, most + 1):
        pull, twist = 0.0, 0.0
        for e in range(times.size):
            apart = power[e] * sine(angle[e] - offset - slope * times[e])
            pull += apart
            twist += apart * times[e]
        a, b = total * (1 + damping), second * (1 + damping)
        below = a * b - first * first
        turn = (a * twist - first * pull) / below
        shift = (b * pull - first * twist) / below
        after = _cost(power, angle, times, slope + turn, offset + shift)
        moved = abs(shift) + abs(turn) * times[times.size - 1]
        if after <= cost:
            slope, offset, cost = slope + turn, offset + shift, after
            damping = max(1e-9, 0.1 * damping)
        else:
            damping = 10 * damping if damping > 1e-4 else 1e-3
        if moved < tolerance:
            return slope, offset, step
    return slope, offset, -most
