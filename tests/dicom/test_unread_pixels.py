"""A header is read without its pixels: every byte that comes from the disk is counted."""

from __future__ import annotations

import io
from pathlib import Path, PosixPath
from typing import Any, ClassVar

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from qsmnode.dicom.instance import read_instance
from tests.dicom.recoding import recoded

SIDE = 512
ENCAPSULATED = (RLELossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, JPEG2000)
"""Their last bytes are read as well: a file that broke off has none."""


class CountedFile(io.FileIO):
    """Remembers how many bytes were read, and the last place."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "rb")
        self.count = self.furthest = 0

    def readinto(self, buffer: Any) -> int | None:
        got = super().readinto(buffer)
        self.count += got or 0
        self.furthest = max(self.furthest, self.tell())
        return got

    def read(self, size: int = -1) -> bytes:  # type: ignore[override]
        raise AssertionError("everything at once")

    readall = read


class CountedPath(PosixPath):
    """Opens files that count."""

    opened: ClassVar[list[CountedFile]] = []

    def open(self, mode: str = "r", buffering: int = -1, *others: Any) -> Any:  # type: ignore[override]
        assert mode == "rb"
        assert 0 < buffering <= 65536
        raw = CountedFile(str(self))
        self.opened.append(raw)
        return io.BufferedReader(raw, buffering)


def large(builder: Any) -> Path:
    """An image of 0.5 MB of noise: it stays that large in every transfer syntax."""
    ds: Dataset = builder.classic(kind="M")
    ds.Rows = ds.Columns = SIDE
    noise = np.random.default_rng(1).integers(0, 4096, (SIDE, SIDE), np.uint16)
    ds.PixelData = noise.tobytes()
    return builder.write_one(ds)


SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    JPEG2000,
)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.keyword)
def test_no_pixel_is_read_for_a_header(builder: Any, syntax: Any) -> None:
    path = large(builder)
    if syntax != ExplicitVRLittleEndian:
        recoded(path, syntax)
    size = path.stat().st_size
    pixels = len(dcmread(path).PixelData)
    CountedPath.opened.clear()
    header = read_instance(CountedPath(path))
    assert header.not_source is None
    assert header.transfer_syntax_uid == syntax
    (opened,) = CountedPath.opened
    if syntax == DeflatedExplicitVRLittleEndian:
        # where it ends shows only on the way there: each byte once, and nothing of it is kept
        assert opened.count <= size + 2 * 8192
        return
    # the header, read twice at its beginning, what one buffer holds beyond it, and the end of compressed ones
    ends = 3 * 8192 if syntax in ENCAPSULATED else 0
    if not ends:
        assert opened.furthest <= size - pixels + 3 * 8192
    assert opened.count <= size - pixels + 4 * 8192 + ends < size / 4
