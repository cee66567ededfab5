"""The offset of phase that is unwrapped already."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qsmnode.engine.offset.smooth import REFINEMENTS, smoothed_value
from qsmnode.engine.types import Float, Grid, Mask

SIGMA_MM = 7.0


def remove_offset(
    phase: Float, magnitude: Float, echo_times_s: Sequence[float], grid: Grid, mask: Mask
) -> tuple[Float, dict[str, float]]:
    """Subtract the smoothed phase at echo time 0 without any wrapping (see mcpc3ds).

    Args:
        phase: (E, X, Y, Z), rad, continuous.
        magnitude: (E, X, Y, Z).
        echo_times_s: E echo times in s.
        grid: voxel sizes.
        mask: (X, Y, Z), where there is signal.
    """
    if len(echo_times_s) < 2:
        return phase, {"offset_corrected": 0.0}
    share = np.float32(echo_times_s[0] / (echo_times_s[1] - echo_times_s[0]))
    raw = phase[0] - (phase[1] - phase[0]) * share
    weight = magnitude[0] * magnitude[1] * mask
    offset = smoothed_value(raw, weight, grid.voxel_mm, SIGMA_MM)
    for _ in range(REFINEMENTS):
        offset += smoothed_value(raw - offset, weight, grid.voxel_mm, SIGMA_MM)
    residual = float(np.median(np.abs((raw - offset)[mask])))
    return phase - offset, {"offset_corrected": 1.0, "offset_residual_rad": residual}
