"""MCPC-3D-S for readouts that are known to alternate in direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qsmnode.engine.offset import mcpc3ds
from qsmnode.engine.offset.odd_even import align_echoes
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.errors import EngineInputError

AXES = ("steepest", "x", "y", "z")


@dataclass(frozen=True)
class Parameters(mcpc3ds.Parameters):
    """Along which axis the echoes were read, beside how smooth the offset is taken to be."""

    readout_axis: str = parameter(
        "steepest", "array axis of the readout; steepest: the one along which the ramp is", choices=AXES
    )


@method("offset", "bipolar", doi="10.1007/s10334-014-0470-3", parameters=Parameters)
def bipolar(
    phase: Float,
    magnitude: Float,
    echo_times_s: Sequence[float],
    grid: Grid,
    mask: Mask,
    parameters: Parameters,
) -> tuple[Float, dict[str, float]]:
    """Remove the odd/even ramp, however small it is measured, and then the offset at echo time 0 (MCPC-3D-S).

    Args:
        phase: (E, X, Y, Z), rad, wrapped.
        magnitude: (E, X, Y, Z), arbitrary units.
        echo_times_s: E echo times in s, at least three.
        grid: voxel sizes.
        mask: (X, Y, Z), where there is signal.
        parameters: axis of the readout and width of the smoothing.

    Returns:
        The phase (E, X, Y, Z) without ramp and offset, wrapped to (-pi, pi], and the numbers of
        ``mcpc3ds`` with ``offset_odd_even_rad`` and ``offset_odd_even_corrected``.

    Raises:
        EngineInputError: there are fewer than three echoes, from which no ramp can be told.

    Source: 10.1007/s10334-014-0470-3, 10.1002/mrm.26963.
    """
    if len(echo_times_s) < 3:
        raise EngineInputError(
            f"offset: bipolar expected at least 3 echoes, got {len(echo_times_s)}; take mcpc3ds"
        )
    axis = None if parameters.readout_axis == "steepest" else AXES.index(parameters.readout_axis) - 1
    aligned, ramp = align_echoes(phase, magnitude, echo_times_s, grid, mask, axis, True)
    corrected, found = mcpc3ds.mcpc3ds(aligned, magnitude, echo_times_s, grid, mask, parameters)
    return corrected, ramp | found
