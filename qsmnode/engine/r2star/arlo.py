"""R2* by auto-regression on linear operations: no iterations, for echoes that are equally far apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.r2star.decay import HIGHEST, is_equidistant, map_numbers
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Mask
from qsmnode.errors import EngineInputError


@dataclass(frozen=True)
class Parameters:
    """What noise adds to the magnitude."""

    noise_floor: float = parameter(
        1.0, "noise that is taken out of the magnitude's power, in its standard deviations", low=0, high=10
    )


@method("r2star", "arlo", doi="10.1002/mrm.25137", parameters=Parameters)
def arlo(
    magnitude: Float,
    echo_times_s: Sequence[float],
    mask: Mask,
    noise: float,
    parameters: Parameters,
) -> tuple[Float, dict[str, float]]:
    """R2* of equidistant echoes without iterations (ARLO).

    Over two spacings a decay's integral is its loss divided by R2*. Simpson's rule gives the integral, least
    squares over all such pairs the R2*. What Simpson's rule itself misses of an exponential (nothing at
    20 1/s, a fifth at 500 1/s) is known and undone. The noise's mean power is taken out first
    (10.1002/mrm.1910340618).

    Args:
        magnitude: (E, X, Y, Z), arbitrary units, >= 0, E >= 3.
        echo_times_s: E echo times in s, equally far apart within 1 %.
        mask: (X, Y, Z), where to fit.
        noise: standard deviation of the signal's real and imaginary parts, in the magnitude's unit.
        parameters: how much noise is taken out.

    Returns:
        R2* (X, Y, Z) in 1/s, 0 to 500, 0 outside the mask and where there is no signal; numbers of the map.

    Raises:
        EngineInputError: there are fewer than three echoes, or they are not equidistant: use nlls.
    """
    if not is_equidistant(echo_times_s):
        listed = ", ".join(f"{1000 * t:g}" for t in echo_times_s)
        raise EngineInputError(
            f"r2star: arlo needs at least 3 echoes equally far apart, got {listed} ms; use nlls"
        )
    spacing = (echo_times_s[-1] - echo_times_s[0]) / (len(echo_times_s) - 1)
    r2star = np.zeros(mask.shape, dtype=np.float32)
    floor = (parameters.noise_floor * noise) ** 2
    in_slabs(_fit, mask.shape[0], magnitude, mask, spacing, floor, r2star)
    return r2star, map_numbers(r2star, mask)


@compiled
def _fit(
    start: int, stop: int, magnitude: Float, mask: Mask, spacing: float, floor: float, out: Float
) -> None:
    echoes, _, ny, nz = magnitude.shape
    signal = np.empty(echoes)
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                if not mask[x, y, z]:
                    continue
                for e in range(echoes):
                    signal[e] = np.sqrt(max(np.float64(magnitude[e, x, y, z]) ** 2 - floor, 0.0))
                loss, area = 0.0, 0.0
                for e in range(echoes - 2):
                    pull = signal[e] + 2 * signal[e + 1]
                    loss += pull * (signal[e] - signal[e + 2])
                    area += pull * (signal[e] + 4 * signal[e + 1] + signal[e + 2])
                if area > 0 and loss > 0:
                    out[x, y, z] = _rate(loss / area, spacing)


@compiled
def _rate(ratio: float, spacing: float) -> float:
    """R2* (1/s) whose exponential has this loss / (3 Simpson integral / spacing)."""
    if ratio >= 1:
        return HIGHEST
    # the exponential's factor q from one echo to the next: ratio = (1 - q^2) / (1 + 4 q + q^2)
    kept = (np.sqrt(1 + 3 * ratio * ratio) - 2 * ratio) / (1 + ratio)
    return min(-np.log(kept) / spacing, HIGHEST) if kept > 0 else HIGHEST
