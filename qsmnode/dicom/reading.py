"""Opening DICOM files that may be anything: one exception for the unreadable, no value that can surprise."""

from __future__ import annotations

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
from typing import Any, BinaryIO

from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.multival import MultiValue
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

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

DEFER_BYTES = 1 << 20
"""Larger element values stay on disk: a header needs none, and a damaged length may claim gigabytes."""

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
    """

    dataset: FileDataset
    pixel_bytes: int | None


def read_header(path: Path) -> Header:
    """The data set of a Part 10 file without its pixels.

    Args:
        path: a file; read only.

    Raises:
        UnreadableDicom: no Part 10 file, damaged, cut short, or deflated.
    """
    try:
        with quiet(), path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            _refuse_deflated(path)
            dataset = dcmread(stream, stop_before_pixels=True, defer_size=DEFER_BYTES)
            _drop_deferred(dataset)
            pixels = _pixels_follow(stream, dataset, size, path)
    except UnreadableDicom:
        raise
    except InvalidDicomError as error:
        raise UnreadableDicom(
            f"{path.name}: expected a DICOM Part 10 file, found no DICM prefix; "
            "send the object over DICOM or save it with its file meta information"
        ) from error
    except MemoryError as error:
        raise UnreadableDicom(f"{path.name}: an element claims more bytes than there is memory") from error
    except BROKEN as error:
        raise UnreadableDicom(f"{path.name}: damaged header ({type(error).__name__})") from error
    return Header(dataset, pixels)


def read_pixels(path: Path) -> FileDataset:
    """The whole data set of a file, pixels included.

    Raises:
        UnreadableDicom: missing or damaged.
    """
    try:
        with quiet(), path.open("rb") as stream:
            return dcmread(stream)
    except (*BROKEN, MemoryError) as error:
        raise UnreadableDicom(f"{path.name}: cannot be read ({type(error).__name__})") from error


def _drop_deferred(dataset: Dataset) -> None:
    """Leave values that were not read on disk for good: asking for one would read all of it."""
    for tag, raw in list(dataset.items()):
        if isinstance(raw, RawDataElement) and raw.value is None and raw.length > DEFER_BYTES:
            del dataset[tag]


def _refuse_deflated(path: Path) -> None:
    """A deflated data set must be inflated whole to be read at all, whatever its size is then."""
    meta = read_file_meta_info(str(path))
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise UnreadableDicom(
            f"{path.name}: deflated transfer syntax; configure the sender for Explicit VR Little Endian"
        )


def _pixels_follow(stream: BinaryIO, dataset: FileDataset, size: int, path: Path) -> int | None:
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
            raise UnreadableDicom(f"{path.name}: cut short within the pixel data")
        length, start = struct.unpack(order + "L", head[8:12])[0], stream.tell()
    if length == 0xFFFFFFFF:
        return None
    if start + length > size:
        raise UnreadableDicom(
            f"{path.name}: cut short: pixel data of {length} bytes expected, {size - start} bytes there; "
            "send it again"
        )
    return int(length)


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
