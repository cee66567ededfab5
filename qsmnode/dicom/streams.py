"""What headers are read from: streams that never give everything at once, and of a deflated file little.

A deflated data set of a kilobyte may stand for a gigabyte: it is inflated piece by piece, as far as it is
asked for, and never further than a limit.
"""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO

from qsmnode.errors import UnreadableDicom

_CHUNK = 1 << 16


class Piecewise:
    """A file that can be read in pieces only: whoever asks for all that is left gets an error.

    Args:
        stream: open for reading.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._read = stream.read
        self.seek = stream.seek
        self.tell = stream.tell

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            UnreadableDicom: everything was asked for.
        """
        if size < 0:
            raise UnreadableDicom("its header cannot be told from its pixels")
        return self._read(size)


class Inflated:
    """The inflated data set behind a file's meta information, from its first byte on.

    Args:
        stream: stands where the deflated bytes begin.
        limit: how many inflated bytes may be read.
    """

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self._stream = stream
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._known = bytearray()
        self._at = 0
        self.limit = limit

    def read(self, size: int = -1) -> bytes:
        """The next bytes, fewer at the end.

        Raises:
            UnreadableDicom: more than the limit.
            zlib.error: damaged.
        """
        end = self.limit + 1 if size < 0 else self._at + size
        if end > self.limit:
            raise UnreadableDicom(f"its deflated data set holds more than {self.limit >> 20} MB")
        self._inflate(end)
        piece = bytes(self._known[self._at : end])
        self._at += len(piece)
        return piece

    def _inflate(self, end: int) -> None:
        while len(self._known) < end and not self._inflater.eof:
            deflated = self._inflater.unconsumed_tail or self._stream.read(_CHUNK)
            if not deflated:
                return
            self._known += self._inflater.decompress(deflated, max(end - len(self._known), _CHUNK))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, which may lie where nothing has been inflated yet."""
        self._at = max(0, offset + (self._at if whence == io.SEEK_CUR else 0))
        return self._at

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at
