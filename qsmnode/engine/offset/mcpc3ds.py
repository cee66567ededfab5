"""MCPC-3D-S: the phase at echo time 0, found from the first two echoes and smoothed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsmnode.engine.coarse import Coarse
from qsmnode.engine.offset.phasors import echo_steps, offset_directions
from qsmnode.engine.offset.smooth import smoothed_angle
from qsmnode.engine.offset.subtraction import median_left, without_offset
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.unwrap.growth import unwrap_alone

# the step between two echoes is unwrapped on blocks of this size, at most half the smoothing
BLOCK_MM = 3.0


@dataclass(frozen=True)
class Parameters:
    """How smooth the offset is taken to be."""

    sigma_mm: float = parameter(
        7.0, "width of the Gaussian that smooths the offset", unit="mm", low=1, high=40
    )


@method("offset", "mcpc3ds", doi="10.1002/mrm.26963", parameters=Parameters)
def mcpc3ds(
    phase: Float,
    magnitude: Float,
    echo_times_s: Sequence[float],
    grid: Grid,
    mask: Mask,
    parameters: Parameters,
) -> tuple[Float, dict[str, float]]:
    """Subtract the smoothed phase at echo time 0 from every echo of a monopolar acquisition.

    With theta the unwrapped phase between the first two echoes, the offset is phase_1 - theta TE_1 / dTE.

    Args:
        phase: (E, X, Y, Z), rad, wrapped.
        magnitude: (E, X, Y, Z), arbitrary units.
        echo_times_s: E echo times in s.
        grid: voxel sizes for the smoothing.
        mask: (X, Y, Z), where there is signal.
        parameters: width of the smoothing.

    Returns:
        The phase (E, X, Y, Z) with the offset removed, wrapped to (-pi, pi], and the numbers
        ``offset_corrected`` (0 for a single echo, whose phase comes back unchanged) and
        ``offset_residual_rad`` (median size of what the smoothing left in the first echo).
    """
    if len(echo_times_s) < 2 or not mask.any():
        return phase, {"offset_corrected": 0.0}
    coarse = Coarse.of(grid.shape, grid.voxel_mm, min(BLOCK_MM, parameters.sigma_mm / 2))
    steps = echo_steps(phase, magnitude, mask, coarse, 0, 1)
    strength = np.abs(steps)
    theta = unwrap_alone(
        np.angle(steps).astype(np.float32),
        np.sqrt(strength / max(strength.max(), np.finfo(np.float64).tiny)).astype(np.float32),
        strength > 0,
    )
    ratio = float(echo_times_s[0] / (echo_times_s[1] - echo_times_s[0]))
    raw = offset_directions(phase, magnitude, mask, coarse, theta, ratio)
    angle = smoothed_angle(raw, coarse.edge_mm, parameters.sigma_mm)
    residual = median_left(phase, mask, angle, coarse, theta, ratio)
    return without_offset(phase, angle, coarse), {"offset_corrected": 1.0, "offset_residual_rad": residual}
