"""What was measured beside the field: for methods that look at more than the field itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from qsmnode.engine.mask.intensity import combined
from qsmnode.engine.types import Float


@dataclass(frozen=True)
class Measured:
    """Signal and noise behind a field map, on the field's grid; every part may be missing.

    Attributes:
        magnitude: (E, X, Y, Z), arbitrary units, >= 0.
        phase: (E, X, Y, Z), rad, wrapped, offset at echo time 0 removed.
        echo_times_s: E echo times in s.
        imaging_frequency_mhz: centre frequency in MHz.
        noise_ppm: standard deviation of the field in ppm where the weight is 1; this / weight elsewhere.
        phase_per_ppm: phase of 1 ppm in rad where the caller knows it better than the echoes say.
    """

    magnitude: Float | None = None
    phase: Float | None = None
    echo_times_s: tuple[float, ...] = ()
    imaging_frequency_mhz: float | None = None
    noise_ppm: float | None = None
    phase_per_ppm: float | None = None

    @cached_property
    def combined(self) -> Float | None:
        """(X, Y, Z): root of the sum of squares of the echoes."""
        return None if self.magnitude is None else combined(self.magnitude)

    @cached_property
    def rad_per_ppm(self) -> float | None:
        """Phase of 1 ppm in rad at the echo time that the field rests on: the echoes' mean, by power."""
        if self.phase_per_ppm is not None:
            return self.phase_per_ppm
        if self.magnitude is None or not self.echo_times_s or self.imaging_frequency_mhz is None:
            return None
        power = [float(np.mean(echo.astype(np.float64) ** 2)) for echo in self.magnitude]
        weights = power if sum(power) > 0 else None
        return (
            2 * math.pi * self.imaging_frequency_mhz * float(np.average(self.echo_times_s, weights=weights))
        )


NOTHING = Measured()
