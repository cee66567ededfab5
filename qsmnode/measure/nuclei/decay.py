"""How fast the signal decays, just well enough to tell fluid and grey matter from iron."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qsmnode.engine.types import Float

_FASTEST = 200.0


def decay_rate(magnitude: Float, echo_times_s: Sequence[float]) -> Float:
    """R2* by one straight line through the logarithm of the magnitude, weighted by its power.

    The step ``r2star`` of a recipe gives the map that may be reported; this one only guides borders.

    Args:
        magnitude: (E, X, Y, Z), E >= 2.
        echo_times_s: E echo times in s.

    Returns:
        (X, Y, Z) float32 in 1/s, 0 to 200; 0 where there is no signal.
    """
    times = np.asarray(echo_times_s, np.float32)[:, None, None, None]
    usable = np.isfinite(magnitude) & (magnitude > 0)
    weight = np.where(usable, magnitude, 0).astype(np.float32) ** 2
    log = np.log(np.where(usable, magnitude, 1)).astype(np.float32)
    total = np.maximum(weight.sum(axis=0), np.finfo(np.float32).tiny)
    mean_time, mean_log = (weight * times).sum(axis=0) / total, (weight * log).sum(axis=0) / total
    spread = (weight * (times - mean_time) ** 2).sum(axis=0)
    slope = (weight * (times - mean_time) * (log - mean_log)).sum(axis=0)
    rate = np.divide(-slope, spread, out=np.zeros_like(slope), where=spread > 0)
    return np.asarray(np.clip(rate, 0, _FASTEST), np.float32)
