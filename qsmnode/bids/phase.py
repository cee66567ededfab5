"""What a turn of phase is in a NIfTI file: by what it declares, never by its smallest and largest values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.bids.sidecar import Sidecar
from qsmnode.errors import NotEligible

UNITS = "Units"
RANGE = "PhaseRange"
_CHECK = "phase_scaling"
_TOLERANCE = 0.01  # part of a turn: stored values have a last step
_REMEDY = (
    'write "Units": "rad" where the values are radians, or "Units": "arbitrary" with "PhaseRange": '
    "[the value of -pi, the value of pi], such as [-4096, 4096]"
)
# whole numbers of Siemens' 12 bits: slope and intercept of the file to the values of -pi and pi
_SIEMENS = {(2.0, -4096.0): (-4096.0, 4096.0), (1.0, 0.0): (0.0, 4096.0)}


@dataclass(frozen=True)
class Stored:
    """Values as they stand in a file, and how its header scales them: value = stored * slope + intercept."""

    values: npt.NDArray[np.generic]
    slope: float
    intercept: float

    @property
    def whole(self) -> bool:
        """Whether whole numbers are stored."""
        return self.values.dtype.kind in "iu"

    def of(self, echo: int) -> Stored:
        """Those of one echo."""
        return Stored(self.values[echo], self.slope, self.intercept)


@dataclass(frozen=True)
class Turn:
    """The values that stand for -pi and pi; ``rule`` says where that comes from."""

    low: float
    high: float
    rule: str


def turn_of(sidecar: Sidecar, stored: Stored) -> Turn:
    """What a turn is.

    Raises:
        NotEligible: the sidecar does not say it, and the file does not declare a known range.
    """
    unit = sidecar.text(UNITS)
    if unit == "rad":
        return Turn(-math.pi, math.pi, '"Units": "rad"')
    if unit != "arbitrary":
        raise sidecar.refusal(UNITS, '"rad" or "arbitrary"', _REMEDY, _CHECK)
    if RANGE in sidecar.values:
        pair = sidecar.numbers(RANGE, "the values of -pi and pi", _REMEDY)
        if len(pair) != 2 or not pair[0] < pair[1]:
            raise sidecar.refusal(RANGE, "the values of -pi and pi, ascending", _REMEDY, _CHECK)
        return Turn(*pair, f'"{RANGE}"')
    known = _SIEMENS.get((stored.slope, stored.intercept)) if stored.whole else None
    maker = sidecar.text("Manufacturer")
    if known is not None and maker.upper().startswith("SIEMENS"):
        return Turn(*known, f"Siemens' whole numbers, slope {stored.slope:g}, intercept {stored.intercept:g}")
    raise sidecar.refusal(
        UNITS,
        "radians, or values of a known range (Siemens' whole numbers with slope 2 and intercept -4096, or 1 "
        f"and 0), but the file holds {stored.values.dtype} with slope {stored.slope:g} and intercept "
        f"{stored.intercept:g}, and Manufacturer is {maker or 'not known'}",
        _REMEDY,
        _CHECK,
    )


def radians(file: str, stored: Stored, turn: Turn) -> npt.NDArray[np.float32]:
    """Phase in rad, within one turn around 0; what is not finite stays so.

    Raises:
        NotEligible: the values leave the range that was declared.
    """
    factor = 2 * math.pi / (turn.high - turn.low)
    middle = (turn.low + turn.high) / 2
    slope, intercept = stored.slope * factor, (stored.intercept - middle) * factor
    phase = stored.values.astype(np.float64) * slope + intercept
    finite = phase[np.isfinite(phase)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    slack = _TOLERANCE * 2 * math.pi
    from_zero = turn.low == -math.pi and low >= -slack and high <= 2 * math.pi + slack
    if not from_zero and (low < -math.pi - slack or high > math.pi + slack):
        found = [value / factor + middle for value in (low, high)]
        raise NotEligible(
            f"{file}: expected values from {turn.low:g} to {turn.high:g} (by {turn.rule}), found "
            f"{found[0]:g} to {found[1]:g}: unwrapped, or scaled in another way; {_REMEDY}",
            check=_CHECK,
        )
    if from_zero:
        phase = np.where(phase > math.pi, phase - 2 * math.pi, phase)
    return np.asarray(phase, dtype=np.float32)
