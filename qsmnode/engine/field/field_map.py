"""What a field step gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from qsmnode.engine.types import Float


@dataclass(frozen=True)
class FieldMap:
    """A field with what is known about its trustworthiness.

    Attributes:
        total_field_hz: (X, Y, Z), Hz, 0 outside the mask.
        weight: (X, Y, Z), 0..1, 1 / sigma relative to its 95th percentile; 0 where the field is not usable.
        residual: (X, Y, Z), signal that the fit left unexplained / signal, 0..2.
        sigma_hz: (X, Y, Z), standard deviation of the field in Hz, 0 outside the mask.
        noise: standard deviation of the signal's real and imaginary parts, in the magnitude's unit.
        numbers: what the method has to say about its fit; names begin with ``field_``.
    """

    total_field_hz: Float
    weight: Float
    residual: Float
    sigma_hz: Float
    noise: float
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def noise_at_full_trust_hz(self) -> float:
        """Standard deviation of the field in Hz where the weight is 1; elsewhere it is this / weight."""
        used = self.weight > 0
        return float(np.median((self.sigma_hz * self.weight)[used])) if used.any() else 0.0
