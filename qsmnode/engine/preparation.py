"""The input of a reconstruction: checked, cleaned, and cut to the part with signal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qsmnode.engine.arguments import (
    echo_stack,
    finite,
    mask_of,
    not_negative,
    not_swapped,
    some_signal,
    within_one_turn,
)
from qsmnode.engine.box import Box
from qsmnode.engine.ghosts import ghosting
from qsmnode.engine.mask.intensity import bright, foreground
from qsmnode.engine.types import EchoStack, Float, Grid, Mask
from qsmnode.engine.wrapping import wrap
from qsmnode.errors import EngineInputError

MARGIN_MM = 2.0


@dataclass
class Working:
    """What the steps hand on, on the box around the signal."""

    phase: Float
    magnitude: Float
    times: tuple[float, ...]
    grid: Grid
    signal: Mask
    given: Mask | None
    reference: Mask | None
    box: Box
    frequency_mhz: float
    readout_axis: int | None
    bipolar: bool | None
    quality: dict[str, float] = field(default_factory=dict)


def prepare(given_stack: Any, mask: Any, reference_mask: Any, phase_is_unwrapped: bool) -> Working:
    """Check and clean the input, and cut out the part with signal."""
    stack: EchoStack = echo_stack("stack", given_stack)
    magnitude, bad_magnitude = finite(stack.magnitude)
    phase, bad_phase = finite(stack.phase)
    not_swapped(magnitude, phase)
    not_negative("magnitude", magnitude)
    some_signal(magnitude)
    bad = (bad_magnitude | bad_phase).any(axis=0)
    if bad.any():
        magnitude = np.where(bad, np.float32(0), magnitude)
        some_signal(magnitude)
    if not phase_is_unwrapped:
        within_one_turn(phase)
    given = None if mask is None else mask_of("mask", mask, stack.grid.shape)
    head = foreground(magnitude, stack.grid.voxel_mm) & ~bad
    signal = head if given is None else (magnitude[0] > 0) & given & ~bad
    refuse_empty(signal, "mask: expected voxels with signal inside, got none")
    zero = None if reference_mask is None else mask_of("reference_mask", reference_mask, stack.grid.shape)
    box = Box.around(signal, MARGIN_MM, stack.grid.voxel_mm)
    cut = box.crop(phase)
    if not phase_is_unwrapped:
        wrap(cut)
    work = Working(
        phase=cut,
        magnitude=box.crop(magnitude),
        times=stack.echo_times_s,
        grid=box.grid(stack.grid),
        signal=box.crop(signal),
        given=None if given is None else box.crop(given & signal),
        reference=None if zero is None else box.crop(zero),
        box=box,
        frequency_mhz=stack.imaging_frequency_mhz,
        readout_axis=stack.readout_axis,
        bipolar=stack.bipolar,
    )
    work.quality["input_nonfinite_voxels"] = float(np.count_nonzero(bad))
    work.quality["input_echoes"] = float(len(work.times))
    work.quality |= _ghosts(stack, magnitude, head)
    return work


def _ghosts(stack: EchoStack, magnitude: Float, head: Mask) -> dict[str, float]:
    if not head.any():
        return {}
    found = ghosting(magnitude[0], bright(magnitude, head), stack.grid, stack.readout_axis)
    return {} if found is None else {"input_ghosting": found}


def refuse_empty(mask: Mask, message: str) -> None:
    """Raise EngineInputError with ``message`` for a mask without voxels."""
    if not mask.any():
        raise EngineInputError(message)
