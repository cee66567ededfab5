"""R2* by non-linear least squares: for any echo times, two or more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.r2star.decay import HIGHEST, map_numbers
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Mask
from qsmnode.errors import EngineInputError

Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint8]

HALVINGS = 5


@dataclass(frozen=True)
class Parameters:
    """Noise in the model, and when the steps end."""

    noise_floor: float = parameter(
        1.0, "noise that the magnitude of no signal shows, in its standard deviations", low=0, high=10
    )
    steps: int = parameter(20, "Gauss-Newton steps at most", low=0, high=200)
    tolerance: float = parameter(0.01, "change of R2* at which the steps end", unit="1/s", low=0, high=10)


@method("r2star", "nlls", doi="10.1002/mrm.1910340618", parameters=Parameters)
def nlls(
    magnitude: Float,
    echo_times_s: Sequence[float],
    mask: Mask,
    noise: float,
    parameters: Parameters,
) -> tuple[Float, dict[str, float]]:
    """R2* by least squares on the magnitude with its noise floor, for any echo times.

    Minimises sum (m - sqrt(s^2 exp(-2 R2* TE) + floor^2))^2 by Gauss-Newton steps, halved where they would
    climb, from the line through log m, weighted with m^2.

    Args:
        magnitude: (E, X, Y, Z), arbitrary units, >= 0, E >= 2.
        echo_times_s: E echo times in s, ascending.
        mask: (X, Y, Z), where to fit.
        noise: standard deviation of the signal's real and imaginary parts, in the magnitude's unit.
        parameters: noise floor, and when the steps end.

    Returns:
        R2* (X, Y, Z) in 1/s, 0 to 500, 0 outside the mask and where there is no signal; numbers of the map,
        with ``r2star_iterations``, the mean count of steps.

    Raises:
        EngineInputError: there is only one echo.

    Source: the magnitude's noise floor, 10.1002/mrm.1910340618.
    """
    if len(echo_times_s) < 2:
        raise EngineInputError("r2star: nlls needs at least 2 echoes, got 1")
    times = np.asarray(echo_times_s, dtype=np.float64)
    r2star = np.zeros(mask.shape, dtype=np.float32)
    taken = np.zeros(mask.shape, dtype=np.uint8)
    floor = (parameters.noise_floor * noise) ** 2
    steps, tolerance = parameters.steps, parameters.tolerance
    in_slabs(_fit, mask.shape[0], magnitude, times, mask, floor, steps, tolerance, r2star, taken)
    numbers = map_numbers(r2star, mask)
    if numbers:
        numbers["r2star_iterations"] = float(np.mean(taken[mask], dtype=np.float64))
    return r2star, numbers


@compiled
def _fit(
    start: int,
    stop: int,
    magnitude: Float,
    times: Doubles,
    mask: Mask,
    floor: float,
    steps: int,
    tolerance: float,
    out: Float,
    taken: Counts,
) -> None:
    echoes, _, ny, nz = magnitude.shape
    signal = np.empty(echoes)
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                if not mask[x, y, z]:
                    continue
                peak = 0.0
                for e in range(echoes):
                    peak = max(peak, np.float64(magnitude[e, x, y, z]))
                if peak * peak <= floor or peak <= 0:
                    continue
                # in units of the largest echo, so that no power can leave the range of numbers
                for e in range(echoes):
                    signal[e] = magnitude[e, x, y, z] / peak
                level = floor / (peak * peak)
                rate, size = _line(signal, times, level)
                rate, count = _descend(signal, times, level, rate, size, steps, tolerance)
                out[x, y, z] = rate
                taken[x, y, z] = count


@compiled
def _line(signal: Doubles, times: Doubles, floor: float) -> tuple[float, float]:
    """R2* (1/s) and signal at echo time 0, from the line through the logarithms, weighted with power."""
    total, first, second, sums, moment = 0.0, 0.0, 0.0, 0.0, 0.0
    for e in range(times.size):
        power = signal[e] ** 2 - floor
        if power > 0:
            log = 0.5 * np.log(power)
            total += power
            first += power * times[e]
            second += power * times[e] ** 2
            sums += power * log
            moment += power * times[e] * log
    spread = second - first * first / total
    if spread <= 1e-12 * second:
        # one echo alone is above the noise: the others say that the decay is fast
        return HIGHEST, np.exp(sums / total + HIGHEST * first / total)
    rate = min(max(-(moment - first * sums / total) / spread, 0.0), HIGHEST)
    return rate, np.exp((sums + rate * first) / total)


@compiled
def _misfit(signal: Doubles, times: Doubles, floor: float, rate: float, size: float) -> float:
    total = 0.0
    for e in range(times.size):
        total += (signal[e] - np.sqrt((size * np.exp(-rate * times[e])) ** 2 + floor)) ** 2
    return total


@compiled
def _descend(
    signal: Doubles, times: Doubles, floor: float, rate: float, size: float, steps: int, tolerance: float
) -> tuple[float, int]:
    """R2* (1/s) at the least misfit, and how many steps that took."""
    now = _misfit(signal, times, floor, rate, size)
    for step in range(steps):
        aa, ar, rr, ga, gr = 0.0, 0.0, 0.0, 0.0, 0.0
        for e in range(times.size):
            decay = np.exp(-rate * times[e])
            model = np.sqrt((size * decay) ** 2 + floor)
            slope = size * decay / model * decay if model > 0 else 0.0
            along = -size * times[e] * slope
            left = signal[e] - model
            aa += slope * slope
            ar += slope * along
            rr += along * along
            ga += slope * left
            gr += along * left
        determinant = aa * rr - ar * ar
        if determinant <= 1e-12 * aa * rr:
            return rate, step
        by_size = (rr * ga - ar * gr) / determinant
        by_rate = (aa * gr - ar * ga) / determinant
        part, better = 1.0, False
        for _ in range(HALVINGS):
            new_rate = min(max(rate + part * by_rate, 0.0), HIGHEST)
            new_size = max(size + part * by_size, 0.0)
            then = _misfit(signal, times, floor, new_rate, new_size)
            if then < now:
                better = True
                break
            part *= 0.5
        if not better:
            return rate, step
        moved = abs(new_rate - rate)
        rate, size, now = new_rate, new_size, then
        if moved <= tolerance:
            return rate, step + 1
    return rate, steps
