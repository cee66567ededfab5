"""What every vendor's encoding answers, and the rules that hold for all of them.

Phase becomes radians in this order: the unit of the real-world value mapping, then RescaleType, then the
vendor's own rule. The data's smallest and largest values never scale anything: they say how far the phase of
one patient went, not what a turn is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from pydicom import Dataset

from qsmnode.dicom.frames import ImageView
from qsmnode.dicom.reading import as_number, items, number, text, texts
from qsmnode.errors import NotEligible

MAGNITUDE = "magnitude"
PHASE = "phase"
REAL = "real"
IMAGINARY = "imaginary"
PHASE_DIFFERENCE = "phase_difference"
FILTERED_PHASE = "filtered_phase"
FIELD_MAP = "field_map"
OTHER = "other"
KINDS = (MAGNITUDE, PHASE, REAL, IMAGINARY, PHASE_DIFFERENCE, FILTERED_PHASE, FIELD_MAP, OTHER)
USABLE = (MAGNITUDE, PHASE, REAL, IMAGINARY)

LETTERS = {"M": MAGNITUDE, "P": PHASE, "R": REAL, "I": IMAGINARY}
COMPONENTS = {"MAGNITUDE": MAGNITUDE, "PHASE": PHASE, "REAL": REAL, "IMAGINARY": IMAGINARY}

PROCESSED = frozenset(
    {"SWI", "SW", "MNIP", "MINIP", "MIP", "MPR", "SUM", "MEAN", "ADD", "SUB", "PROJECTION IMAGE", "QSM"}
)
"""ImageType values of pictures computed from the echoes, whatever else the image type says."""

DIFFERENCES = frozenset({"PHASE DIFFERENCE", "PHASE_DIFFERENCE", "PHASEDIFF", "PHASE_DIFF", "DIFFERENCE"})
FILTERED = frozenset(
    {"FILTERED", "PHASE_FILTERED", "HPF", "HP_FILTERED", "HIGHPASS", "HIGH_PASS", "HOMODYNE", "PHASE_MASK"}
)
UNWRAPPED = frozenset({"UNWRAPPED", "PHASE_UNWRAPPED", "UNWRAP"})
"""ImageType values by which a phase image says what was done to it."""

_RADIANS = {"RAD": 1.0, "MRAD": 1e-3, "DEG": math.pi / 180}
_FIELD_UNITS = frozenset({"HZ", "PPM", "[PPM]", "PPB", "[PPB]", "UT", "RAD/S"})
_VELOCITY_UNITS = frozenset({"CM/S", "MM/S", "M/S"})


@dataclass(frozen=True)
class Scaling:
    """Radians = stored value x slope + intercept; ``rule`` says where that comes from.

    Attributes:
        unit_named: the header itself names the unit, so that a value beyond one turn is what it says.
    """

    slope: float
    intercept: float
    rule: str
    unit_named: bool = False


@dataclass(frozen=True)
class Declared:
    """Counts that a header declares for its whole acquisition; None where it is silent.

    Attributes:
        slices: slice positions.
        echoes: echo times.
        images: images of every kind, echo and slice together.
        echo_times_s: the protocol's echo times, where it lists all of them.
    """

    slices: int | None = None
    echoes: int | None = None
    images: int | None = None
    echo_times_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class Encoding:
    """How one vendor says what an image is.

    Attributes:
        name: for messages and reports.
        kind: of an image; one of ``KINDS``.
        flags: which reconstruction of the scan an image is, beyond its kind.
        phase_scaling: the vendor's own rule, used where the header names no unit; None where there is none.
        phase_sign: +1 where phase rises with +gamma dB TE, else -1.
        declared: counts in the header.
        may_alternate: whether its 3-D images are known to change their sign from slice to slice.
        prefers_complex: whether real and imaginary images are more trustworthy than magnitude and phase.
        numbers_acquisitions: whether AcquisitionNumber tells scans apart.
        numbers_are_unique: whether AcquisitionNumber alone does, because every scan of an exam has its own.
        one_series: whether a scan's images of every kind come in one series, and no other scan's do.
        direction_checked: whether ``phase_sign`` was checked on images of that vendor's own scanners.
    """

    name: str
    kind: Callable[[ImageView], str]
    flags: Callable[[ImageView], tuple[str, ...]]
    phase_scaling: Callable[[ImageView], Scaling | None]
    declared: Callable[[Dataset], Declared]
    phase_sign: int = 1
    may_alternate: bool = False
    prefers_complex: bool = False
    numbers_acquisitions: bool = True
    numbers_are_unique: bool = False
    one_series: bool = False
    direction_checked: bool = True


def image_type(view: ImageView) -> tuple[str, ...]:
    """FrameType of a frame, ImageType of a classic image; upper case."""
    return texts(view.get("FrameType")) or texts(view.get("ImageType"))


def shows_field(view: ImageView) -> bool:
    """Whether the header gives the values in Hz or ppm: a field map, whatever its kind says."""
    units = {unit for unit, _, _ in _real_world_units(view)}
    rescale = texts(view.get("RescaleType"))
    return bool(units & _FIELD_UNITS) or bool(_FIELD_UNITS.intersection(rescale))


def shows_velocity(view: ImageView) -> bool:
    """Whether the header gives the values as a velocity: phase contrast, whatever its kind says."""
    units = {unit for unit, _, _ in _real_world_units(view)}
    return bool(_VELOCITY_UNITS.intersection((*units, *texts(view.get("RescaleType")))))


def says_unwrapped(view: ImageView) -> bool:
    """Whether the image type says that the scanner has unwrapped the phase."""
    return bool(UNWRAPPED.intersection(image_type(view)))


def refined(kind: str, view: ImageView) -> str:
    """The kind by what else the header says of a phase image: a difference, filtered, a velocity."""
    if kind != PHASE:
        return kind
    kinds = image_type(view)
    if shows_velocity(view):
        return OTHER
    if DIFFERENCES.intersection(kinds):
        return PHASE_DIFFERENCE
    return FILTERED_PHASE if FILTERED.intersection(kinds) else PHASE


def rescale(view: ImageView) -> tuple[float, float] | None:
    """RescaleSlope and RescaleIntercept, or None where either is absent or the slope is 0."""
    slope, intercept = as_number(view.get("RescaleSlope")), as_number(view.get("RescaleIntercept"))
    return None if slope is None or intercept is None or slope == 0 else (slope, intercept)


def phase_to_radians(view: ImageView, encoding: Encoding) -> Scaling:
    """How stored phase values become radians, sign of the vendor not yet applied.

    Raises:
        NotEligible: no unit, no rule, or a rule by which the stored values do not span one turn.
    """
    for unit, slope, intercept in _real_world_units(view):
        if unit in _RADIANS:
            factor = _RADIANS[unit]
            return _spanning(
                view, Scaling(slope * factor, intercept * factor, f"real-world value in {unit}", True)
            )
    factors = [_RADIANS[kind] for kind in texts(view.get("RescaleType")) if kind in _RADIANS]
    pair = rescale(view)
    if factors and pair is not None:
        return _spanning(view, Scaling(pair[0] * factors[0], pair[1] * factors[0], "RescaleType", True))
    if says_unwrapped(view):
        raise NotEligible(
            "unrecognised phase scaling: unwrapped phase without a unit; its range does not tell a turn",
            check="phase_scaling",
        )
    scaling = encoding.phase_scaling(view)
    if scaling is None:
        found = (
            "no rescale values" if pair is None else f"slope {pair[0]:g}, intercept {pair[1]:g} and no unit"
        )
        raise NotEligible(
            f"unrecognised phase scaling ({encoding.name}): expected a real-world value mapping or rescale "
            "values with unit rad or mrad, or stored values that span one turn; "
            f"found {found} for {bits_stored(view)} bits; send the images as the scanner made them",
            check="phase_scaling",
        )
    return scaling


def spans_one_turn(slope: float, bits: int) -> bool:
    """Whether ``bits`` of stored values reach over one turn, within one stored step."""
    step = abs(slope)
    reach = [abs(step * count - 2 * math.pi) for count in ((1 << bits) - 1, 1 << bits)]
    return min(reach) <= step


def bits_stored(view: ImageView) -> int:
    """BitsStored, 16 where the header is silent."""
    bits = number(view.dataset, "BitsStored")
    return int(bits) if bits is not None and 1 <= bits <= 32 else 16


def _spanning(view: ImageView, scaling: Scaling) -> Scaling:
    """A named unit is believed, unless one turn does not even fit into the stored values."""
    reach = abs(scaling.slope) * (1 << bits_stored(view))
    if reach < 2 * math.pi - abs(scaling.slope):
        raise NotEligible(
            f"unrecognised phase scaling: by the {scaling.rule} the stored values reach over "
            f"{reach:.3f} rad, less than one turn",
            check="phase_scaling",
        )
    return scaling


def _real_world_units(view: ImageView) -> list[tuple[str, float, float]]:
    """Unit, slope and intercept of each linear real-world value mapping."""
    found = []
    for mapping in view.items("RealWorldValueMappingSequence"):
        slope, intercept = number(mapping, "RealWorldValueSlope"), number(mapping, "RealWorldValueIntercept")
        unit = next(iter(items(mapping, "MeasurementUnitsCodeSequence")), None)
        if unit is not None and slope and intercept is not None:
            found.append((text(unit, "CodeValue").upper(), slope, intercept))
    return found
