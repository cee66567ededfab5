"""Opening DICOM files that may be anything: one exception for the unreadable, no value that can surprise."""

from __future__ import annotations

import io
import logging
import math
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset, read_preamble
from pydicom.multival import MultiValue
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLSNearLossless,
)

from qsmnode.dicom.deferred import DEFER_BYTES, settle_deferred
from qsmnode.dicom.fragments import check_fragments
from qsmnode.dicom.streams import Inflated, Piecewise
from qsmnode.errors import UnreadableDicom

Scalar = str | int | float

BROKEN = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    NotImplementedError,
    ArithmeticError,
    EOFError,
    OSError,
    RecursionError,
    AssertionError,
    struct.error,
    zlib.error,
    InvalidDicomError,
    BytesLengthException,
)
"""What pydicom raises on damaged bytes: it converts values only when they are asked for."""

READ_AHEAD_BYTES = 8192
"""What the system gives at a time: newer Pythons ask for a whole image when a header is wanted."""

MAX_INFLATED_HEADER = 1 << 25
"""Bytes of a deflated data set before its pixels; an enhanced object with a thousand frames has a tenth."""

MAX_INFLATED = 4_400_000_000
"""Bytes of a deflated data set with its pixels: a length of 32 bits cannot say much more."""

MAX_BEHIND_PIXELS = 1 << 24
"""Inflated bytes that may follow the pixels of a deflated data set; padding is all that usually does."""

STREAM_HEAD_BYTES = 4096
"""Of a compressed image where only its bit stream says whether it was compressed without loss."""

MAY_LOSE = frozenset({JPEGLSNearLossless, JPEG2000})
"""Transfer syntaxes of which only the bit stream says whether anything was lost."""

_ITEM = 0xE000FFFE

PIXEL_TAGS = (0x7FE00008, 0x7FE00009, 0x7FE00010)


class _Quiet:
    """Counts how many readers are at work: the first silences warnings, the last lets them speak again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = 0
        self._silence: warnings.catch_warnings[None] | None = None
        self._log = logging.getLogger("pydicom")
        self._level = logging.NOTSET

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            self._readers += 1
            if self._readers == 1:
                self._silence = warnings.catch_warnings()
                self._silence.__enter__()
                warnings.simplefilter("ignore")
                self._level = self._log.level
                self._log.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1
                if self._readers == 0 and self._silence is not None:
                    self._silence.__exit__(None, None, None)
                    self._silence = None
                    self._log.setLevel(self._level)


quiet = _Quiet()
"""Context in which pydicom neither warns nor logs: it quotes values, and values can be names of patients."""


@dataclass(frozen=True)
class Header:
    """A data set up to its pixels.

    Attributes:
        pixel_bytes: length of the pixel data that follow, 0 for none, None where they are encapsulated.
        stream_head: how the bit stream of the first frame begins, read only where the transfer syntax leaves
            it to the bit stream whether anything was lost.
    """

    dataset: FileDataset
    pixel_bytes: int | None
    stream_head: bytes = b""


def read_header(path: Path, most_inflated: int = MAX_INFLATED) -> Header:
    """The data set of a Part 10 file without its pixels.

    Args:
        path: a file; read only.
        most_inflated: bytes that a deflated data set may become, its pixels included.

    Raises:
        UnreadableDicom: no Part 10 file, damaged, cut short, or deflated to a header beyond any measure.
    """
    try:
        with quiet(), path.open("rb", buffering=READ_AHEAD_BYTES) as stream:
            return _header(stream, os.fstat(stream.fileno()).st_size, most_inflated)
    except UnreadableDicom as error:
        raise UnreadableDicom(f"{path.name}: {error}") from error
    except InvalidDicomError as error:
        raise UnreadableDicom(
            f"{path.name}: expected a DICOM Part 10 file, found no DICM prefix; "
            "send the object over DICOM or save it with its file meta information"
        ) from error
    except MemoryError as error:
        raise UnreadableDicom(f"{path.name}: an element claims more bytes than there is memory") from error
    except BROKEN as error:
        raise UnreadableDicom(f"{path.name}: damaged header ({type(error).__name__})") from error


def read_pixels(path: Path) -> FileDataset:
    """The whole data set of a file, pixels included.

    Raises:
        UnreadableDicom: missing, damaged, or deflated from more pixels than its header describes.
    """
    try:
        with quiet(), path.open("rb") as stream:
            meta = _meta(stream)
            if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
                return _with_pixels(stream, meta)
            stream.seek(0)
            return dcmread(stream)
    except UnreadableDicom as error:
        raise UnreadableDicom(f"{path.name}: {error}") from error
    except (*BROKEN, MemoryError) as error:
        raise UnreadableDicom(f"{path.name}: cannot be read ({type(error).__name__})") from error


def _header(stream: BinaryIO, size: int, most_inflated: int) -> Header:
    meta = _meta(stream)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return _deflated_header(stream, meta, most_inflated)
    stream.seek(0)
    dataset = dcmread(cast(BinaryIO, Piecewise(stream)), stop_before_pixels=True, defer_size=DEFER_BYTES)
    settle_deferred(stream, dataset)
    pixels = _pixels_follow(stream, dataset, size)
    if pixels is not None:
        return Header(dataset, pixels)
    syntax, start = UID(meta.get("TransferSyntaxUID") or ""), stream.tell()
    if not syntax.is_encapsulated:
        raise UnreadableDicom("damaged: pixel data without a length in an uncompressed transfer syntax")
    check_fragments(stream, size, whole(dataset, "NumberOfFrames") or 1, syntax)
    stream.seek(start)
    return Header(dataset, None, _stream_head(stream) if syntax in MAY_LOSE else b"")


def _meta(stream: BinaryIO) -> Dataset:
    """The file meta information; afterwards the stream stands behind it."""
    read_preamble(stream, force=False)
    return read_dataset(
        stream, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, vr, length: tag.group != 2
    )


def _deflated(inflated: Inflated, meta: Dataset) -> tuple[FileDataset, int]:
    """The data set up to its pixels, and the length of these; the stream stands before their value."""
    found = read_dataset(
        cast(BinaryIO, inflated),
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, vr, length: tag in PIXEL_TAGS,
        defer_size=DEFER_BYTES,
    )
    dataset = FileDataset(
        io.BytesIO(), found, file_meta=FileMetaDataset(meta), is_implicit_VR=False, is_little_endian=True
    )
    settle_deferred(inflated, dataset)
    head = inflated.read(12)
    if len(head) < 12:
        return dataset, 0
    (length,) = struct.unpack("<L", head[8:])
    if length == 0xFFFFFFFF:
        raise UnreadableDicom("encapsulated pixel data in a deflated data set")
    return dataset, int(length)


def _deflated_header(stream: BinaryIO, meta: Dataset, most_inflated: int) -> Header:
    """The header, once the data set has been followed to its end: nothing else tells whether it is whole."""
    try:
        inflated = Inflated(stream, MAX_INFLATED_HEADER)
        dataset, length = _deflated(inflated, meta)
        expected = _pixel_bytes(dataset)
        if length > expected + 1 and expected > 0:
            raise UnreadableDicom(
                f"deflated: expected {expected} bytes of pixel data, its header claims {length}"
            )
        if inflated.tell() + length > most_inflated:
            raise UnreadableDicom(
                f"deflated from {(inflated.tell() + length) // 1_000_000} MB, expected at most"
                f" {most_inflated // 1_000_000} MB"
            )
        if length <= expected + 1:
            found = inflated.left(length + MAX_BEHIND_PIXELS)
            if found < length:
                raise UnreadableDicom(
                    f"cut short: pixel data of {length} bytes expected, {found} bytes there; send it again"
                )
    except zlib.error as error:
        raise UnreadableDicom("its deflated data set is damaged; send it again") from error
    return Header(dataset, length)


def _pixel_bytes(dataset: Dataset) -> int:
    """How many bytes of uncompressed pixels a header describes."""
    counts = [whole(dataset, name) or 0 for name in ("Rows", "Columns", "BitsAllocated")]
    frames = whole(dataset, "NumberOfFrames") or 1
    samples = whole(dataset, "SamplesPerPixel") or 1
    bits = counts[0] * counts[1] * counts[2] * frames * samples
    return (bits + 7) // 8  # segmentations have one bit for each pixel, across the ends of lines


def _with_pixels(stream: BinaryIO, meta: Dataset) -> FileDataset:
    """A deflated data set with its pixels, which may be as many as the header describes and no more."""
    inflated = Inflated(stream, MAX_INFLATED_HEADER)
    dataset, length = _deflated(inflated, meta)
    expected = _pixel_bytes(dataset)
    if length not in (expected, expected + 1):
        raise UnreadableDicom(
            f"deflated: expected {expected} bytes of pixel data, its header claims {length}"
        )
    inflated.limit = inflated.tell() + length
    pixels = inflated.read(length)
    if len(pixels) < length:
        raise UnreadableDicom(
            f"cut short: pixel data of {length} bytes expected, {len(pixels)} bytes there; send it again"
        )
    dataset.add_new(PIXEL_TAGS[-1], "OB" if whole(dataset, "BitsAllocated") == 8 else "OW", pixels)
    return dataset


def _pixels_follow(stream: BinaryIO, dataset: FileDataset, size: int) -> int | None:
    """Read the element header at which parsing stopped, and prove that its value is all there."""
    syntax = dataset.file_meta.get("TransferSyntaxUID")
    big = syntax == ExplicitVRBigEndian
    head = stream.read(12)
    if len(head) < 8:
        return 0
    order = ">" if big else "<"
    group, element = struct.unpack(order + "HH", head[:4])
    if (group << 16 | element) not in PIXEL_TAGS:
        return 0
    if syntax == ImplicitVRLittleEndian:
        length, start = struct.unpack("<L", head[4:8])[0], stream.tell() - len(head) + 8
    else:
        if len(head) < 12:
            raise UnreadableDicom("cut short within the pixel data")
        length, start = struct.unpack(order + "L", head[8:12])[0], stream.tell()
    if length == 0xFFFFFFFF:
        return None
    if start + length > size:
        raise UnreadableDicom(
            f"cut short: pixel data of {length} bytes expected, {size - start} bytes there; send it again"
        )
    return int(length)


def _stream_head(stream: BinaryIO) -> bytes:
    """How the first frame begins: behind the offset table, in the first fragment."""
    for _ in range(2):
        tag, length = struct.unpack("<LL", stream.read(8))
        if tag != _ITEM:
            return b""
        start = stream.tell()
        found = stream.read(min(length, STREAM_HEAD_BYTES))
        stream.seek(start + length)
    return found


def element_value(dataset: Dataset, keyword: str | tuple[int, int]) -> Any:
    """Value of an element, or None where it is absent, empty or damaged; several values as a tuple."""
    try:
        element = dataset.get(keyword) if isinstance(keyword, tuple) else _by_keyword(dataset, keyword)
        value = element.value if element is not None else None
    except (*BROKEN, MemoryError):
        return None
    if value is None or (isinstance(value, str | bytes) and not value):
        return None
    if isinstance(value, MultiValue):
        return tuple(value) or None
    return value


def _by_keyword(dataset: Dataset, keyword: str) -> DataElement | None:
    tag = tag_for_keyword(keyword)
    return dataset[tag] if tag is not None and tag in dataset else None


def first(value: Any) -> Any:
    """The first of several values, or the only one."""
    return value[0] if isinstance(value, tuple) else value


def number(dataset: Dataset, keyword: str | tuple[int, int]) -> float | None:
    """First value of an element as a finite number, else None."""
    return as_number(element_value(dataset, keyword))


def as_number(value: Any) -> float | None:
    """First of the values as a finite float, else None."""
    try:
        result = float(first(value)) if value is not None else None
    except (TypeError, ValueError, OverflowError, LookupError):
        return None
    return result if result is not None and math.isfinite(result) else None


def whole(dataset: Dataset, keyword: str | tuple[int, int]) -> int | None:
    """First value of an element as an integer, else None."""
    value = number(dataset, keyword)
    return int(value) if value is not None and value == int(value) else None


def numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """Exactly ``count`` finite floats, else None."""
    if not isinstance(value, tuple) or len(value) != count:
        return None
    converted = [as_number(item) for item in value]
    if any(item is None for item in converted):
        return None
    # adding 0.0 makes -0.0 and 0.0 one value
    return tuple(item + 0.0 for item in converted if item is not None)


def text(dataset: Dataset, keyword: str | tuple[int, int]) -> str:
    """First value of an element as stripped text; empty where there is none."""
    value = first(element_value(dataset, keyword))
    return "" if value is None else str(value).strip()


def texts(value: Any) -> tuple[str, ...]:
    """All values as stripped upper-case texts, as DICOM compares code strings."""
    if value is None:
        return ()
    values = value if isinstance(value, tuple) else (value,)
    return tuple(str(item).strip().upper() for item in values)


def items(dataset: Dataset, keyword: str | tuple[int, int]) -> tuple[Dataset, ...]:
    """Items of a sequence; empty where it is absent or damaged."""
    try:
        element = dataset.get(keyword) if isinstance(keyword, tuple) else _by_keyword(dataset, keyword)
        value = element.value if element is not None and element.VR == "SQ" else None
        return tuple(value) if value is not None else ()
    except (*BROKEN, MemoryError):
        return ()
