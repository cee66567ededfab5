"""What a scanner has measured before any vendor writes it, and its stored values in any vendor's steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.types import Float
from qsmnode.phantom.encoders.image import IMAGINARY, Pixels, Scaling
from qsmnode.phantom.pixels import Measured, stored_magnitude, stored_phase
from qsmnode.phantom.protocol import SliceGeometry


@dataclass(frozen=True)
class Signal:
    """Magnitude and phase on their grid.

    Attributes:
        magnitude, phase: (E, X, Y, Z); phase in rad with the sign of +gamma dB TE.
        echo_times_s: ascending.
        geometry: where the grid lies.
        slab: whether all slices were measured together (3-D).
        thickness_mm: of a slice, where it is not the distance of two.
        turns: over how many turns phase goes: 1 where it is wrapped.
    """

    magnitude: Float
    phase: Float
    echo_times_s: tuple[float, ...]
    geometry: SliceGeometry
    slab: bool = True
    thickness_mm: float | None = None
    turns: int = 1

    @classmethod
    def of(cls, measured: Measured) -> Signal:
        """The signal of a simulated head or sphere."""
        stack = measured.stack
        return cls(stack.magnitude, stack.phase, stack.echo_times_s, measured.geometry)


def coded_phase(
    signal: Signal, bits: int, half_turn: float, unit: str, *, signed: bool = False, closed: bool = False
) -> tuple[Pixels, Scaling]:
    """Phase in steps of its turns over the range of ``bits``.

    Args:
        signal: what was measured.
        bits: of a stored value.
        half_turn: what half a turn is in the vendor's unit.
        unit: its name in the header.
        signed: stored values lie around 0.
        closed: the last step stands for the end of the turn, not for the one before it.
    """
    count = (1 << bits) - (1 if closed else 0)
    half = 1 << (bits - 1)
    slope, intercept = 2.0 * half_turn * signal.turns / count, -half_turn * signal.turns
    if signal.turns == 1 and not closed:
        steps = stored_phase(signal.phase, bits).astype(np.int32)
    else:
        steps = np.rint((signal.phase.astype(np.float64) * (half_turn / math.pi) - intercept) / slope)
        steps = np.clip(steps, 0, (1 << bits) - 1).astype(np.int32)
    if signed:
        return (steps - half).astype(np.int16), Scaling(slope, intercept + half * slope, unit)
    return steps.astype(np.uint16), Scaling(slope, intercept, unit)


def coded_magnitude(signal: Signal, bits: int, *, signed: bool = False) -> Pixels:
    """Magnitude in whole numbers of ``bits``; of a signed type where the vendor has no other."""
    stored = stored_magnitude(signal.magnitude, bits)
    return stored.astype(np.int16) if signed else stored


def components(signal: Signal, kind: str, bits: int) -> npt.NDArray[np.int16]:
    """Real or imaginary part in signed whole numbers of ``bits``, on one scale for both and all echoes."""
    top = (1 << (bits - 1)) - 1
    bright = float(signal.magnitude.max())
    turned = np.sin(signal.phase) if kind == IMAGINARY else np.cos(signal.phase)
    scale = np.float32(top / bright if bright > 0 else 1.0)
    return np.asarray(np.rint(signal.magnitude * turned * scale), np.int16)


def coded_component(signal: Signal, kind: str, bits: int) -> tuple[Pixels, Scaling]:
    """Real or imaginary part around the middle of the range, as scanners with unsigned pixels store it."""
    half = 1 << (bits - 1)
    return (components(signal, kind, bits).astype(np.int32) + half).astype(np.uint16), Scaling(
        1.0, -half, "US"
    )
