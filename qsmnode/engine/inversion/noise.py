"""How noisy a field is, and how hard to regularise for it."""

from __future__ import annotations

import math

import numpy as np

from qsmnode.engine.measured import Measured
from qsmnode.engine.types import Float, Mask

# the uncertainty at which a method's own strength of regularisation is meant
REFERENCE_PPM = 0.001
# noise beyond this leaves nothing to see however hard it is smoothed
_WORST_PPM = 0.02


def uncertainty_factor(
    field_ppm: Float, mask: Mask, weight: Float | None, measured: Measured, model_error_ppm: float
) -> float:
    """What the regularisation is multiplied with: the field's uncertainty over 1 ppb.

    Noise and modelling errors (tissue that is not uniform within a voxel, background that was left) add up as
    their squares do.

    Args:
        field_ppm: (X, Y, Z), ppm.
        mask: (X, Y, Z), where it is known.
        weight: (X, Y, Z), 0..1; 1 everywhere if None.
        measured: its ``noise_ppm`` is taken where it is known.
        model_error_ppm: standard deviation of the modelling errors, ppm.
    """
    noise = measured.noise_ppm
    if noise is None:
        noise = field_noise(field_ppm, mask, weight)
    return math.hypot(min(noise, _WORST_PPM), model_error_ppm) / REFERENCE_PPM


def field_noise(field_ppm: Float, mask: Mask, weight: Float | None) -> float:
    """Standard deviation of the noise where the weight is 1, from the field's second differences.

    Along each axis the median size of weight x difference, of which structure makes up little; the least of
    the axes counts. 0 where no three neighbours lie in the mask.
    """
    trust = mask.astype(np.float32) if weight is None else weight
    found = []
    for axis, length in enumerate(field_ppm.shape):
        if length < 3:
            continue
        before, here, after = (
            tuple(slice(k, length - 2 + k) if a == axis else slice(None) for a in range(3)) for k in range(3)
        )
        inside = mask[before] & mask[here] & mask[after]
        if inside.any():
            bend = (field_ppm[before] - 2 * field_ppm[here] + field_ppm[after]) * trust[here]
            found.append(1.4826 * float(np.median(np.abs(bend[inside]))) / np.sqrt(6))
    return min(found, default=0.0)
