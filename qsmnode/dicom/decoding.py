"""Stored values of an image in any lossless transfer syntax: each has one decoder, and no other is tried."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from qsmnode.dicom.codestream import CodeStream, describe
from qsmnode.dicom.reading import MAY_LOSE, element_value, text, whole
from qsmnode.errors import NotEligible, UnreadableDicom

DECODERS = MappingProxyType(
    {
        RLELossless: "pydicom",
        JPEGLSLossless: "pyjpegls",
        JPEGLSNearLossless: "pyjpegls",
        JPEG2000Lossless: "pillow",
        JPEG2000: "pillow",
        JPEGLossless: "gdcm",
        JPEGLosslessSV1: "gdcm",
    }
)
"""The decoder of each compressed transfer syntax that is read; every other one is refused."""

LOST, UNREAD = "compressed with loss", "pixels are encoded as"
"""How a reason against compressed pixels begins."""

_END = b"\xff\xd9"  # of JPEG, JPEG-LS and JPEG 2000 alike; decoders fill up what is missing with anything
_MOST_GROWTH = 2
_SLACK_BYTES = 1 << 16


def reason_against_syntax(syntax: UID, stream_head: bytes) -> str | None:
    """Why pixels in this transfer syntax are not used, or None.

    Args:
        syntax: of the file.
        stream_head: how the bit stream of the first frame begins, where the syntax may lose detail.
    """
    if not syntax.is_encapsulated:
        return None
    if syntax not in DECODERS:
        return (
            f"{UNREAD} {syntax.name}, which is not read here; send them uncompressed or "
            "in a lossless transfer syntax"
        )
    return _lost(_glanced(stream_head)) if syntax in MAY_LOSE else None


def stored_values(dataset: Dataset) -> npt.NDArray[np.generic]:
    """Stored values of every frame: (rows, columns), or (frames, rows, columns).

    Raises:
        NotEligible: the bit stream says that something was lost.
        UnreadableDicom: the bit stream is another image than the header describes.
    """
    syntax = UID(text(getattr(dataset, "file_meta", Dataset()), "TransferSyntaxUID"))
    if not syntax.is_encapsulated:
        return np.asarray(dataset.pixel_array)
    reason = reason_against_syntax(syntax, b"")
    if reason is not None:
        raise NotEligible(reason)
    _check_frames(dataset, syntax)
    values, _ = get_decoder(syntax).as_array(dataset, raw=True, decoding_plugin=DECODERS[syntax])
    return values


def _check_frames(dataset: Dataset, syntax: UID) -> None:
    rows, columns = whole(dataset, "Rows") or 0, whole(dataset, "Columns") or 0
    frames = whole(dataset, "NumberOfFrames") or 1
    allocated = whole(dataset, "BitsAllocated") or 0
    longest = _MOST_GROWTH * rows * columns * (allocated // 8) + _SLACK_BYTES
    count = 0
    for frame in generate_frames(
        dataset.PixelData, number_of_frames=frames, extended_offsets=_extended_offsets(dataset)
    ):
        count += 1
        if count > frames:
            break
        if len(frame) > longest:
            raise UnreadableDicom(
                f"a compressed frame of {len(frame)} bytes for {rows} x {columns} pixels of {allocated} bits"
            )
        if syntax == RLELossless:
            continue  # its decoder counts what comes out
        if not frame.rstrip(b"\0").endswith(_END):
            raise UnreadableDicom("a compressed frame is cut short; send it again")
        _check(describe(frame), rows, columns, allocated)
    if count != frames:
        raise UnreadableDicom(
            f"expected {frames} compressed frames, got {count if count < frames else 'more'}"
        )


def _extended_offsets(dataset: Dataset) -> tuple[bytes, bytes] | None:
    """Where each frame begins and how long it is, in objects too large for the basic offset table."""
    found = [element_value(dataset, name) for name in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")]
    return (found[0], found[1]) if all(isinstance(value, bytes) for value in found) else None


def _check(stream: CodeStream, rows: int, columns: int, allocated: int) -> None:
    """The decoder will allocate what the bit stream says: it must be what the header says."""
    if (stream.rows, stream.columns, stream.components) != (rows, columns, 1) or stream.precision > allocated:
        raise UnreadableDicom(
            f"the header describes {rows} x {columns} pixels of {allocated} bits, its bit stream "
            f"{stream.rows} x {stream.columns} of {stream.precision} bits with {stream.components} components"
        )
    reason = _lost(stream)
    if reason is not None:
        raise NotEligible(reason)


def _lost(stream: CodeStream | None) -> str | None:
    if stream is None or stream.loss is None:
        return None
    return f"{LOST} ({stream.loss}): phase values cannot be trusted; send it without loss"


def _glanced(stream_head: bytes) -> CodeStream | None:
    """What the beginning of a bit stream tells; None where more of it is needed."""
    try:
        return describe(stream_head)
    except UnreadableDicom:
        return None
