"""Why an instance can never be a source of a susceptibility map: plain reasons, the first one that holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydicom import Dataset
from pydicom.uid import UID, EnhancedMRImageStorage, MRImageStorage

from qsmnode.dicom.decoding import LOST, UNREAD, reason_against_syntax
from qsmnode.dicom.encodings.encoding import (
    FIELD_MAP,
    FILTERED_PHASE,
    PHASE_DIFFERENCE,
    USABLE,
    image_type,
)
from qsmnode.dicom.frames import ImageView
from qsmnode.dicom.reading import Header, element_value, number, text, texts, whole

OWN_MANUFACTURER = "qsmnode"
MAX_PIXEL_BYTES = 8 << 30
FILTERED_BY_SCANNER = "phase filtered by the scanner: the slow field is gone; switch its phase filter off"


def reason_against(header: Header, views: Sequence[ImageView], kinds: Sequence[str]) -> str | None:
    """The first reason why an instance is no source, or None.

    Args:
        header: the instance.
        views: its images.
        kinds: the kind of each of them.
    """
    dataset = header.dataset
    checks: tuple[Callable[[], str | None], ...] = (
        lambda: _object(dataset),
        lambda: "no pixel data" if header.pixel_bytes == 0 else None,
        lambda: _origin(dataset, views),
        lambda: _pixels(dataset, len(views), header.pixel_bytes),
        lambda: _sequence(dataset),
        lambda: _kind(kinds),
        # last: what is left out for these alone spoils the scan that it belongs to
        lambda: _lost(dataset),
        lambda: reason_against_syntax(_syntax_of(dataset), header.stream_head),
        lambda: None if any(kind in USABLE for kind in kinds) else FILTERED_BY_SCANNER,
    )
    return next((reason for check in checks if (reason := check()) is not None), None)


def spoils(reason: str | None) -> str | None:
    """The acceptance check by which an image that is no source for this reason spoils its scan, or None.

    It is an image of the scan in everything else: where no better one is there, the scan can be no map.
    """
    if reason == FILTERED_BY_SCANNER:
        return "filtered_phase"
    return "other" if reason is not None and reason.startswith((LOST, UNREAD)) else None


def _object(dataset: Dataset) -> str | None:
    sop_class = text(dataset, "SOPClassUID")
    if sop_class not in (MRImageStorage, EnhancedMRImageStorage):
        return f"no MR image: {UID(sop_class).name}"
    modality = text(dataset, "Modality").upper()
    return None if modality == "MR" else f"no MR image: Modality is {modality or 'empty'}"


def _origin(dataset: Dataset, views: Sequence[ImageView]) -> str | None:
    if text(dataset, "Manufacturer").lower() == OWN_MANUFACTURER:
        return "made by this node itself"
    types = [image_type(view) for view in views]
    if all(kind[:1] == ("DERIVED",) for kind in types) or texts(element_value(dataset, "ImageType"))[:1] == (
        "DERIVED",
    ):
        return "a derived image (ImageType DERIVED)"
    if any("LOCALIZER" in kind for kind in types):
        return "a localiser"
    return None


def _pixels(dataset: Dataset, frames: int, length: int | None) -> str | None:
    rows, columns = whole(dataset, "Rows") or 0, whole(dataset, "Columns") or 0
    if rows < 1 or columns < 1:
        return "no image: Rows or Columns is missing"
    allocated = whole(dataset, "BitsAllocated")
    if allocated not in (8, 16, 32) or (whole(dataset, "SamplesPerPixel") or 1) != 1:
        return "no grey-scale image of 8, 16 or 32 bits"
    expected = rows * columns * frames * (allocated // 8)
    if expected > MAX_PIXEL_BYTES or (length is not None and length < expected):
        return (
            f"absurd size: {rows} x {columns} pixels x {frames} frames of {allocated} bits, "
            f"{'compressed' if length is None else f'{length} bytes'} of pixel data"
        )
    declared = whole(dataset, "NumberOfFrames") or 1
    if declared == frames:
        return None
    return f"NumberOfFrames says {declared}, the functional groups describe {frames}"


def _lost(dataset: Dataset) -> str | None:
    if text(dataset, "LossyImageCompression") == "01":
        return f"{LOST}: phase values cannot be trusted; send it without loss"
    return None


def _syntax_of(dataset: Dataset) -> UID:
    return UID(text(getattr(dataset, "file_meta", Dataset()), "TransferSyntaxUID"))


def _sequence(dataset: Dataset) -> str | None:
    nucleus = text(dataset, "ResonantNucleus") or text(dataset, "ImagedNucleus")
    if nucleus.upper() not in ("", "1H", "H1", "H", "1 H"):
        return f"not a proton image: nucleus {nucleus}"
    if text(dataset, "SOPClassUID") == EnhancedMRImageStorage:
        return _enhanced_sequence(dataset)
    sequence = texts(element_value(dataset, "ScanningSequence"))
    if not sequence:
        return "ScanningSequence is missing: no proof of a gradient echo"
    shown = "\\".join(sequence)
    if "EP" in sequence:
        return f"echo planar, not a spoiled gradient echo (ScanningSequence {shown})"
    if "SE" in sequence or not {"GR", "RM"}.intersection(sequence):
        return f"not a gradient echo (ScanningSequence {shown})"
    return None


def _enhanced_sequence(dataset: Dataset) -> str | None:
    pulse = text(dataset, "EchoPulseSequence").upper()
    if pulse != "GRADIENT":
        return f"not a gradient echo (EchoPulseSequence {pulse or 'missing'})"
    if text(dataset, "EchoPlanarPulseSequence").upper() == "YES":
        return "echo planar, not a spoiled gradient echo"
    if text(dataset, "PhaseContrast").upper() == "YES":
        return "phase contrast: the phase shows velocity"
    return None


_NOT_PHASE = {
    FIELD_MAP: "a scanner's field map, not a phase image",
    PHASE_DIFFERENCE: "a phase difference of two echoes, not the phase of one",
}


def _kind(kinds: Sequence[str]) -> str | None:
    if any(kind in USABLE or kind == FILTERED_PHASE for kind in kinds):
        return None
    for kind, reason in _NOT_PHASE.items():
        if kind in kinds:
            return reason
    return "neither magnitude, phase, real nor imaginary (ImageType, ComplexImageComponent)"


def missing_geometry(dataset: Dataset, view: ImageView) -> str | None:
    """What an image lacks to be placed in space, or None."""
    lacking = [
        name
        for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
        if view.get(name) is None
    ]
    if text(dataset, "StudyInstanceUID") == "":
        lacking.append("StudyInstanceUID")
    if number(dataset, "Rows") is None:
        lacking.append("Rows")
    return f"{', '.join(lacking)} missing" if lacking else None
