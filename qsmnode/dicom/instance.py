"""One received DICOM object, header only: everything that grouping, routing and completeness ask about it."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_has_tag, keyword_for_tag
from pydicom.valuerep import PersonName

from qsmnode.dicom.eligibility import reason_against
from qsmnode.dicom.encodings import ge, siemens
from qsmnode.dicom.encodings.encoding import PHASE, USABLE, Declared, Encoding, phase_to_radians
from qsmnode.dicom.encodings.registry import encoding_for
from qsmnode.dicom.frames import ImageView, views
from qsmnode.dicom.geometry import Vector, slice_normal
from qsmnode.dicom.reading import (
    BROKEN,
    MAX_INFLATED,
    Header,
    Scalar,
    as_number,
    element_value,
    items,
    number,
    numbers,
    quiet,
    read_header,
    text,
    whole,
)
from qsmnode.dicom.resonance import field_strength_t, imaging_frequency_mhz
from qsmnode.errors import NotEligible, UnreadableDicom

MAX_TEXT = 1024
MAX_VALUES = 64
_NAMES = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_NO_ROUTING_VR = frozenset({"SQ", "OB", "OW", "OF", "OD", "OL", "OV", "UN", "AT"})


@dataclass(frozen=True, slots=True)
class Frame:
    """One image of an instance.

    Attributes:
        kind: magnitude, phase, real, imaginary, phase_difference, field_map or other.
        echo_time_s: its own echo time; None where the header has none that is plausible.
        position: ImagePositionPatient, mm.
        orientation: ImageOrientationPatient.
        flags: which reconstruction of the scan it is (ND, DIS2D, NORM ...), sorted.
        acquisition_time_s: seconds since 0001-01-01 in scanner time, or None.
        started_s: the same for the start of its scan, where the header tells; else equal to the former.
    """

    kind: str
    echo_time_s: float | None
    position: Vector | None
    orientation: tuple[float, ...] | None
    flags: tuple[str, ...]
    acquisition_time_s: float | None
    started_s: float | None


@dataclass(frozen=True)
class Instance:
    """Header facts of one SOP instance; see the field names of DICOM.

    Attributes:
        pixel_spacing: DICOM order, (between rows, between columns), mm; None where frames differ.
        imaging_frequency_mhz: checked against the field strength; None where it cannot be believed.
        field_t: nominal field strength.
        start_is_exact: every image of one scan carries the same ``started_s``.
        field_map_sequence: made by a vendor's field map, whose phase may be a difference of two echoes.
        keywords: values of top-level public elements by DICOM keyword, for routing.
        not_source: why it can never be a source of a map, or None.
        phase_problem: why its phase cannot become radians for certain, or None.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_uid: str
    series_uid: str
    frame_of_reference_uid: str
    modality: str
    manufacturer: str
    transfer_syntax_uid: str
    rows: int
    columns: int
    pixel_spacing: tuple[float, float] | None
    slice_thickness_mm: float | None
    imaging_frequency_mhz: float | None
    field_t: float | None
    mr_acquisition_type: str
    acquisition_number: int | None
    sequence: tuple[str, ...]
    start_is_exact: bool
    field_map_sequence: bool
    declared: Declared
    not_source: str | None
    phase_problem: str | None
    frames: tuple[Frame, ...]
    keywords: dict[str, tuple[Scalar, ...]] = field(default_factory=dict)

    def to_json(self) -> str:
        """Compact JSON; equal instances give equal text."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        plain["declared"] = asdict(self.declared)
        plain["keywords"] = self.keywords
        orientations = sorted({frame.orientation for frame in self.frames}, key=repr)
        flags = sorted({frame.flags for frame in self.frames})
        plain["orientations"], plain["flags"] = orientations, flags
        plain["frames"] = [
            [
                frame.kind,
                frame.echo_time_s,
                frame.position,
                orientations.index(frame.orientation),
                flags.index(frame.flags),
                frame.acquisition_time_s,
                frame.started_s,
            ]
            for frame in self.frames
        ]
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, document: str) -> Instance:
        """The instance that ``to_json`` wrote.

        Raises:
            ValueError: not such a text.
        """
        try:
            plain: dict[str, Any] = json.loads(document)
            orientations = [_tuple(value) for value in plain.pop("orientations")]
            flags = [tuple(value) for value in plain.pop("flags")]
            plain["frames"] = tuple(
                Frame(kind, echo, _tuple(position), orientations[where], flags[which], at, start)
                for kind, echo, position, where, which, at, start in plain["frames"]
            )
            declared = plain["declared"]
            declared["echo_times_s"] = tuple(declared["echo_times_s"])
            plain["declared"] = Declared(**declared)
            plain["pixel_spacing"] = _tuple(plain["pixel_spacing"])
            plain["sequence"] = tuple(plain["sequence"])
            plain["keywords"] = {name: tuple(values) for name, values in plain["keywords"].items()}
            return cls(**plain)
        except (TypeError, KeyError, IndexError, AttributeError) as error:
            raise ValueError(f"no instance record: {type(error).__name__}") from error


def _tuple(value: list[Any] | None) -> Any:
    return None if value is None else tuple(value)


def read_instance(path: Path, most_inflated: int = MAX_INFLATED) -> Instance:
    """Header facts of a DICOM file; its pixels are never read.

    Args:
        path: a Part 10 file.
        most_inflated: bytes that a deflated data set may become.

    Raises:
        UnreadableDicom: no DICOM file, damaged, cut short, or without the UIDs that name it.
    """
    header = read_header(path, most_inflated)
    with quiet():
        try:
            return _instance(header)
        except (*BROKEN, MemoryError) as error:
            raise UnreadableDicom(f"{path.name}: damaged header ({type(error).__name__})") from error
        except UnreadableDicom as error:
            raise UnreadableDicom(f"{path.name}: {error}") from error


def _instance(header: Header) -> Instance:
    dataset = header.dataset
    uids = {name: text(dataset, name) for name in _NAMES}
    absent = [name for name, value in uids.items() if not value]
    if absent:
        raise UnreadableDicom(f"{', '.join(absent)} missing: damaged, cut short, or an object of no study")
    manufacturer = text(dataset, "Manufacturer")
    encoding = encoding_for(manufacturer)
    images = list(views(dataset))
    frames = tuple(_frame(image, encoding) for image in images)
    reason = reason_against(header, images, [frame.kind for frame in frames]) or _unusable(frames)
    spacings = {numbers(image.get("PixelSpacing"), 2) for image in images}
    spacing = spacings.pop() if len(spacings) == 1 else None
    if reason is None and (spacing is None or min(spacing) <= 0):
        reason = "PixelSpacing is missing, not positive or differs between frames"
    field_t = field_strength_t(number(dataset, "MagneticFieldStrength"))
    raw_frequency = as_number(images[0].get("ImagingFrequency")) or as_number(
        images[0].get("TransmitterFrequency")
    )
    return Instance(
        sop_class_uid=uids["SOPClassUID"],
        sop_instance_uid=uids["SOPInstanceUID"],
        study_uid=uids["StudyInstanceUID"],
        series_uid=uids["SeriesInstanceUID"],
        frame_of_reference_uid=text(dataset, "FrameOfReferenceUID"),
        modality=text(dataset, "Modality"),
        manufacturer=manufacturer,
        transfer_syntax_uid=text(dataset.file_meta, "TransferSyntaxUID"),
        rows=whole(dataset, "Rows") or 0,
        columns=whole(dataset, "Columns") or 0,
        pixel_spacing=(spacing[0], spacing[1]) if spacing is not None else None,
        slice_thickness_mm=as_number(images[0].get("SliceThickness")),
        imaging_frequency_mhz=imaging_frequency_mhz(raw_frequency, field_t),
        field_t=field_t,
        mr_acquisition_type=text(dataset, "MRAcquisitionType").upper(),
        acquisition_number=_acquisition_number(dataset, encoding),
        sequence=_sequence_facts(dataset, images[0]),
        start_is_exact=all(siemens.time_after_start_s(image) is not None for image in images[:1]),
        field_map_sequence=siemens.is_field_map_sequence(dataset) or ge.is_field_map_sequence(dataset),
        declared=_declared(dataset, encoding, frames),
        not_source=reason,
        phase_problem=_phase_problem(images, frames, encoding),
        frames=frames,
        keywords=_coded(images[0]) | _keywords(dataset),
    )


def _frame(image: ImageView, encoding: Encoding) -> Frame:
    echo_ms = as_number(image.get("EffectiveEchoTime" if image.enhanced else "EchoTime"))
    position = numbers(image.get("ImagePositionPatient"), 3)
    acquired = _acquired_s(image)
    after = siemens.time_after_start_s(image) if encoding is siemens.SIEMENS else None
    return Frame(
        kind=encoding.kind(image),
        echo_time_s=round(echo_ms * 1e-3, 9) if echo_ms is not None and 0 < echo_ms < 1000 else None,
        position=(position[0], position[1], position[2]) if position is not None else None,
        orientation=numbers(image.get("ImageOrientationPatient"), 6),
        flags=encoding.flags(image),
        acquisition_time_s=acquired,
        started_s=acquired if acquired is None or after is None else round(acquired - after, 4),
    )


def _unusable(frames: tuple[Frame, ...]) -> str | None:
    """What the usable images of an instance lack to be placed in space and time."""
    for frame in frames:
        if frame.kind not in USABLE:
            continue
        if frame.position is None or frame.orientation is None:
            return "ImagePositionPatient or ImageOrientationPatient is missing"
        if frame.echo_time_s is None:
            return "EchoTime is missing or not between 0 and 1000 ms"
        try:
            slice_normal(frame.orientation)
        except NotEligible as error:
            return str(error)
    return None


def _phase_problem(images: Sequence[ImageView], frames: Sequence[Frame], encoding: Encoding) -> str | None:
    """Asked of one phase image: frames of an object are scaled alike; each is asked again when it is read."""
    for image, frame in zip(images, frames, strict=True):
        if frame.kind == PHASE:
            try:
                phase_to_radians(image, encoding)
            except NotEligible as error:
                return str(error)
            return None
    return None


def _acquisition_number(dataset: Dataset, encoding: Encoding) -> int | None:
    number_ = whole(dataset, "AcquisitionNumber") if encoding.numbers_acquisitions else None
    return number_ or None


def _sequence_facts(dataset: Dataset, image: ImageView) -> tuple[str, ...]:
    """What all images of one scan share and another protocol need not."""
    timing = (as_number(image.get(name)) for name in ("RepetitionTime", "FlipAngle"))
    return (
        text(dataset, "SequenceName") or text(dataset, "PulseSequenceName"),
        *("" if value is None else f"{value:.4g}" for value in timing),
        text(dataset, "MRAcquisitionType").upper(),
    )


def _declared(dataset: Dataset, encoding: Encoding, frames: tuple[Frame, ...]) -> Declared:
    """The vendor's counts; an enhanced object also declares by what it holds itself."""
    declared = encoding.declared(dataset)
    if len(frames) < 2:
        return declared
    usable = [frame for frame in frames if frame.kind in USABLE]
    times = {frame.echo_time_s for frame in usable}
    places = {frame.position for frame in usable}
    return Declared(
        slices=declared.slices or len(places) or None,
        echoes=declared.echoes or (len(times) if len(times) > 1 else None),
        images=declared.images,
        echo_times_s=declared.echo_times_s,
    )


def _acquired_s(image: ImageView) -> float | None:
    stamp = image.get("FrameAcquisitionDateTime") if image.enhanced else None
    time = element_value(image.dataset, "AcquisitionTime")
    if stamp is None and time is not None:
        day = _days(text(image.dataset, "AcquisitionDate")) or _days(text(image.dataset, "StudyDate")) or 0
        clock = _clock_s(str(time))
        return None if clock is None else day * 86400.0 + clock
    stamp = str(stamp or text(image.dataset, "AcquisitionDateTime"))
    days, clock = _days(stamp[:8]), _clock_s(stamp[8:])
    return None if days is None or clock is None else days * 86400.0 + clock


def _days(date: str) -> int | None:
    try:
        return dt.datetime.strptime(date.strip().replace(".", ""), "%Y%m%d").date().toordinal()  # noqa: DTZ007
    except ValueError:
        return None


def _clock_s(time: str) -> float | None:
    """Seconds since midnight of HHMMSS.FFFFFF, which may be cut short."""
    digits = time.strip().replace(":", "").partition("+")[0].partition("-")[0]
    head, _, tail = digits.partition(".")
    if not head.isdigit() or len(head) not in (4, 6) or (tail and not tail.isdigit()):
        return None
    head = head.ljust(6, "0")
    seconds = int(head[:2]) * 3600 + int(head[2:4]) * 60 + int(head[4:6])
    return seconds + float(f"0.{tail[:6] or 0}")


def _keywords(dataset: Dataset) -> dict[str, tuple[Scalar, ...]]:
    """Values that a route may ask for; sequences, bytes, private elements and novels are left out."""
    found: dict[str, tuple[Scalar, ...]] = {}
    for tag in sorted(dataset.keys()):
        if tag.is_private or tag.group == 0x7FE0 or not dictionary_has_tag(tag):
            continue
        try:
            element = dataset[tag]
            if element.VR in _NO_ROUTING_VR or element.VM > MAX_VALUES:
                continue
            values: Any = element.value if element.VM > 1 else [element.value]
            plain = tuple(_scalar(item) for item in values)
        except (*BROKEN, MemoryError):
            continue
        kept = tuple(item for item in plain if item is not None and item != "")
        if kept and not any(isinstance(item, str) and len(item) > MAX_TEXT for item in kept):
            found[keyword_for_tag(tag)] = kept
    return found


def _coded(image: ImageView) -> dict[str, tuple[Scalar, ...]]:
    """What enhanced objects say by codes and classic ones in words: a contrast agent, and the body part."""
    usages = [
        text(item, "ContrastBolusAgentAdministered") for item in image.items("ContrastBolusUsageSequence")
    ]
    given = not usages or any(usage.upper() != "NO" for usage in usages)
    agents = items(image.dataset, "ContrastBolusAgentSequence") if given else ()
    regions = [
        region
        for anatomy in image.items("FrameAnatomySequence")
        for region in items(anatomy, "AnatomicRegionSequence")
    ]
    named = {
        # an agent whose name is empty is an agent all the same
        "ContrastBolusAgent": [text(agent, "CodeMeaning") or "CODED" for agent in agents],
        "BodyPartExamined": [meaning for region in regions if (meaning := text(region, "CodeMeaning"))],
    }
    return {
        keyword: tuple(value[:MAX_TEXT] for value in values[:MAX_VALUES])
        for keyword, values in named.items()
        if values
    }


def _scalar(value: Any) -> Scalar | None:
    if isinstance(value, PersonName):
        return str(value).strip()
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    # undecodable bytes become surrogates, which no JSON may hold
    return str(value).encode("utf-8", errors="replace").decode("utf-8").strip()
