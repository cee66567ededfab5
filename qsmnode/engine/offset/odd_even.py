"""Readouts that alternate in direction: the odd/even ramp, measured before it is removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsmnode.engine.coarse import Coarse
from qsmnode.engine.offset.phasors import Complex, echo_steps
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.unwrap.growth import unwrap_alone
from qsmnode.engine.wrapping import wrapped

BLOCK_MM = 3.0
# end to end of the object; monopolar data stay far below, and a ramp this small is harmless
LIMIT_RAD = 0.2


@dataclass(frozen=True)
class Ramp:
    """Phase of even against odd echoes: ``level + slope x index`` along ``axis``, in rad."""

    axis: int
    slope: float
    level: float
    extent: int

    @property
    def end_to_end_rad(self) -> float:
        """Change of the phase over the object's extent."""
        return abs(self.slope) * self.extent


def align_echoes(
    phase: Float,
    magnitude: Float,
    echo_times_s: Sequence[float],
    grid: Grid,
    mask: Mask,
    readout_axis: int | None,
    bipolar: bool | None,
) -> tuple[Float, dict[str, float]]:
    """Remove the odd/even ramp where it is there, or where the acquisition is known to be bipolar.

    Args:
        phase: (E, X, Y, Z), rad, wrapped.
        magnitude: (E, X, Y, Z).
        echo_times_s: E echo times in s; below three echoes nothing can be measured, and nothing is done.
        grid: voxel sizes.
        mask: (X, Y, Z), where there is signal.
        readout_axis: 0, 1, 2, or None: the axis along which the ramp is steepest.
        bipolar: True removes, False keeps, None removes a ramp of more than ``LIMIT_RAD`` end to end.

    Returns:
        The phase, wrapped, and the numbers ``offset_odd_even_rad`` and ``offset_odd_even_corrected``.

    Source: 10.1007/s10334-014-0470-3.
    """
    if len(echo_times_s) < 3 or not mask.any():
        return phase, {"offset_odd_even_corrected": 0.0}
    ramp = measured_ramp(phase, magnitude, echo_times_s, grid, mask, readout_axis)
    remove = ramp.end_to_end_rad > LIMIT_RAD if bipolar is None else bipolar
    found = {"offset_odd_even_rad": ramp.end_to_end_rad, "offset_odd_even_corrected": float(remove)}
    if not remove:
        return phase, found
    along = [1, 1, 1]
    along[ramp.axis] = grid.shape[ramp.axis]
    line = (ramp.level + ramp.slope * np.arange(grid.shape[ramp.axis])).reshape(along).astype(np.float32)
    aligned = phase.copy()
    aligned[1::2] = wrapped(phase[1::2] - line)
    return aligned, found


def measured_ramp(
    phase: Float,
    magnitude: Float,
    echo_times_s: Sequence[float],
    grid: Grid,
    mask: Mask,
    readout_axis: int | None,
) -> Ramp:
    """The ramp in the second echo against the line through the first and third, which were read alike."""
    times = echo_times_s
    coarse = Coarse.of(grid.shape, grid.voxel_mm, BLOCK_MM)
    middle = echo_steps(phase, magnitude, mask, coarse, 0, 1)
    outer = echo_steps(phase, magnitude, mask, coarse, 0, 2)
    inside = coarse.mean(mask.astype(np.float32)) >= 0.5
    if not inside.any():
        inside = np.ones(inside.shape, dtype=np.bool_)
    field = unwrap_alone(
        np.angle(outer).astype(np.float32), np.sqrt(np.abs(outer)).astype(np.float32), inside
    )
    share = (times[1] - times[0]) / (times[2] - times[0])
    apart = middle * np.exp(-1j * share * field) * inside
    slopes = [_slope(apart, axis) for axis in range(3)]
    extents = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != x))) for x in range(3)]
    spans = [int(e[-1] - e[0] + 1) for e in extents]
    per_voxel = [s / b for s, b in zip(slopes, coarse.blocks, strict=True)]
    steepest = int(np.argmax([abs(s) * n for s, n in zip(per_voxel, spans, strict=True)]))
    axis = steepest if readout_axis is None else readout_axis
    along = [1, 1, 1]
    along[axis] = apart.shape[axis]
    level = np.angle(np.sum(apart * np.exp(-1j * slopes[axis] * np.arange(apart.shape[axis]).reshape(along))))
    # a block's index is that of its middle voxel
    start = float(level) - per_voxel[axis] * (coarse.blocks[axis] - 1) / 2
    return Ramp(axis, float(per_voxel[axis]), start, spans[axis])


def _slope(values: Complex, axis: int) -> float:
    """Typical phase step between neighbours along ``axis``, in rad."""
    count = values.shape[axis]
    if count < 2:
        return 0.0
    pairs = np.take(values, range(1, count), axis=axis) * np.conj(
        np.take(values, range(count - 1), axis=axis)
    )
    return float(np.angle(pairs.sum()))
