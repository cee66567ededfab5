"""MCPC-3D-S: the phase at echo time 0, found from the first two echoes and smoothed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.offset.smooth import smoothed_direction
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.unwrap.growth import unwrap_alone
from qsmnode.engine.wrapping import wrapped


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
    joint = np.sqrt(magnitude[0] * magnitude[1])
    theta = unwrap_alone(wrapped(phase[1] - phase[0]), joint, mask)
    raw = phase[0] - theta * np.float32(echo_times_s[0] / (echo_times_s[1] - echo_times_s[0]))
    offset = smoothed_direction(raw, joint * joint * mask, grid.voxel_mm, parameters.sigma_mm)
    residual = float(np.median(np.abs(wrapped((raw - offset)[mask]))))
    corrected = np.empty_like(phase)
    for echo in range(len(echo_times_s)):
        in_slabs(_subtract, phase.shape[1], phase[echo], offset, corrected[echo])
    return corrected, {"offset_corrected": 1.0, "offset_residual_rad": residual}


@compiled
def _subtract(start: int, stop: int, phase: Float, offset: Float, corrected: Float) -> None:
    _, ny, nz = phase.shape
    turn = np.float32(2 * np.pi)
    half = np.float32(0.5)
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                angle = phase[x, y, z] - offset[x, y, z]
                corrected[x, y, z] = angle - turn * np.ceil(angle / turn - half)
