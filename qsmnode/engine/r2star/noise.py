"""Noise of the magnitude, from how far three echoes are from one exponential."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qsmnode.engine.types import Float, Mask

# of normal noise, standard deviation over median size
MEDIAN_TO_SD = 1.4826


def magnitude_noise(magnitude: Float, echo_times_s: Sequence[float], mask: Mask) -> float | None:
    """Standard deviation of the magnitude's noise; an upper limit where the decay is no exponential.

    Two echoes predict a third, m2 = m1^a m0^(1 - a) with a = (TE2 - TE0) / (TE1 - TE0). What the third one
    differs by is noise of all three, in known parts.

    Args:
        magnitude: (E, X, Y, Z), >= 0; the first three echoes are looked at.
        echo_times_s: E echo times in s, ascending.
        mask: (X, Y, Z).

    Returns:
        The median over the mask, in the magnitude's unit; None for fewer than three echoes or no signal.
    """
    if len(echo_times_s) < 3:
        return None
    first, second, third = (magnitude[e][mask].astype(np.float64) for e in range(3))
    known = (first > 0) & (second > 0)
    if not known.any():
        return None
    first, second, third = first[known], second[known], third[known]
    a = (echo_times_s[2] - echo_times_s[0]) / (echo_times_s[1] - echo_times_s[0])
    with np.errstate(over="ignore", invalid="ignore"):  # of voxels that are nothing like a decay
        predicted = first * (second / first) ** a
        spread = np.sqrt(1 + (a * predicted / second) ** 2 + ((a - 1) * predicted / first) ** 2)
        apart = np.abs(third - predicted) / spread
    apart = apart[np.isfinite(apart)]
    return float(MEDIAN_TO_SD * np.median(apart)) if apart.size else None
