"""What the numbers of a reconstruction say against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qsmnode.config import AcceptanceSettings
from qsmnode.dicom.acceptance.verdict import found
from qsmnode.engine.quality import BRAIN_ML, warnings
from qsmnode.errors import Finding

# by limits of their own, here or in what the headers and arrays say
_JUDGED_HERE = ("(field_residual ", "(inversion_streak ", "(input_ghosting ", "one echo")


def number_findings(quality: Mapping[str, float], limits: AcceptanceSettings) -> tuple[Finding, ...]:
    """Every departure, in a stable order; a number that is NaN is out of any range.

    Args:
        quality: ``Maps.quality``.
        limits: of the route that it takes.
    """
    return tuple(_findings(quality, limits))


def _findings(quality: Mapping[str, float], limits: AcceptanceSettings) -> Iterator[Finding]:
    if quality.get("offset_odd_even_corrected") == 1:
        ramp = quality.get("offset_odd_even_rad", 0.0)
        words = f"bipolar readout: odd and even echoes, {ramp:.2f} rad apart end to end, were aligned"
        yield from found(limits, "bipolar", "echoes read in one direction", words)
    if quality.get("mask_brain_plausible") == 0:
        volume = quality.get("mask_volume_ml", 0.0)
        words = f"values unreliable: the mask found ({volume:.0f} ml) is no plausible whole brain"
        yield from found(limits, "mask", f"one part of {BRAIN_ML[0]:g} to {BRAIN_ML[1]:g} ml", words)
    residual = quality.get("field_residual", 0.0)
    if not residual <= limits.max_fit_residual:
        words = f"the echoes do not lie on a line: residual {residual:.3g}; numbers are withheld"
        yield from found(limits, "fit", f"at most {limits.max_fit_residual:g}", words)
    streak = quality.get("inversion_streak", 0.0)
    if not streak <= limits.max_streak:
        words = f"streaks along the dipole's cone: {streak:.3g}; numbers are withheld"
        yield from found(limits, "streaks", f"at most {limits.max_streak:g}", words)
    for words in warnings(quality):
        if not any(mark in words for mark in _JUDGED_HERE):
            yield from found(limits, "quality", "", f"map may be wrong: {words}")
