"""What every way to R2* shares: its range, the spacing of the echoes, and numbers of the map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qsmnode.engine.types import Float, Mask

# in 1/s; faster decays leave nothing to measure at the shortest usual echo times
HIGHEST = 500.0
# of the mean spacing: headers round echo times to 0.01 ms
SPACING_TOLERANCE = 0.01


def is_equidistant(echo_times_s: Sequence[float]) -> bool:
    """Whether there are three echoes or more, one spacing apart within 1 %."""
    if len(echo_times_s) < 3:
        return False
    steps = np.diff(np.asarray(echo_times_s, dtype=np.float64))
    return bool(np.all(np.abs(steps - steps.mean()) <= SPACING_TOLERANCE * steps.mean()))


def map_numbers(r2star: Float, mask: Mask) -> dict[str, float]:
    """Median of the map in the mask, and the part of the mask at an end of the range; none for no mask."""
    values = r2star[mask]
    if not values.size:
        return {}
    limited = (values <= 0) | (values >= np.float32(HIGHEST))
    return {"r2star_median": float(np.median(values)), "r2star_limited_fraction": float(np.mean(limited))}
