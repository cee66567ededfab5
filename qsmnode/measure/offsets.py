"""Where whole brain and fluid lie on the scale of a map, so that a reader can go from one zero to another.

A number relative to the whole brain is the map's own number minus the offset of the whole brain; relative to
the cerebrospinal fluid, minus the offset of the fluid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydicom.sr.coding import Code

from qsmnode.engine.r2star.decay import is_equidistant
from qsmnode.engine.reference.csf import MEANING
from qsmnode.engine.types import Maps
from qsmnode.measure.statistics import WHOLE_BRAIN, Measurement, stated
from qsmnode.measure.structures import BRAIN, named

FLUID = "cerebrospinal fluid"
_FLUID_NUMBER = "reference_csf_offset_ppm"


@dataclass(frozen=True)
class Offset:
    """The mean of one reference in a map, relative to the map's own zero.

    Attributes:
        name: of the reference.
        structure: its code.
        ppb: None where it is not known.
        reason: why not, "" where it is; never both.
    """

    name: str
    structure: Code
    ppb: float | None
    reason: str = ""

    @property
    def meaning(self) -> str:
        """What to do with it, in words."""
        return (
            f"mean of the {self.name} relative to the zero of this map: what to subtract from a number so "
            f"that the {self.name} is its zero"
        )

    def __str__(self) -> str:
        value = f"not known: {self.reason}" if self.ppb is None else f"{self.ppb:g} ppb"
        return f"{self.name} relative to the zero of the scale: {value}"


def reference_offsets(
    maps: Maps, brain: Measurement | None, echo_times_s: tuple[float, ...]
) -> tuple[Offset, Offset]:
    """Of the whole brain and of the cerebrospinal fluid in the ventricles.

    Args:
        maps: the reconstruction.
        brain: what was measured in its whole mask; None where that is empty.
        echo_times_s: of the source; the fluid is found by its slow decay.
    """
    whole = Offset(
        WHOLE_BRAIN,
        BRAIN,
        None if brain is None else stated(brain.mean_ppb),
        "the map's mask is empty" if brain is None else "",
    )
    ppb, reason = _of_fluid(maps, echo_times_s)
    return whole, Offset(FLUID, named(FLUID), ppb, reason)


def _of_fluid(maps: Maps, echo_times_s: tuple[float, ...]) -> tuple[float | None, str]:
    if maps.reference == MEANING:
        return 0.0, ""  # by definition
    found = maps.quality.get(_FLUID_NUMBER)
    if found is not None:
        if math.isfinite(found):
            return stated(1000.0 * found), ""
        return None, "the map has no finite value in the fluid"
    if not is_equidistant(echo_times_s):
        return None, "the fluid is looked for in three or more equally spaced echoes only"
    return None, "no fluid of the ventricles was found"
