"""What headers are read from: streams that never give everything at once, and of a deflated file little.

A deflated data set of a kilobyte may stand for a gigabyte: it is inflated piece by piece, as far as it is
asked for, and never further than a limit. Whether it is whole shows only at its end: on the way there nothing
is kept.
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
            piece = self._next(max(end - len(self._known), _CHUNK))
            if piece is None:
                return
            self._known += piece

    def _next(self, most: int) -> bytes | None:
        """At most so many further bytes, perhaps none for now; None where the file has no more."""
        deflated = self._inflater.unconsumed_tail or self._stream.read(_CHUNK)
        # all of the file may be taken in while some of it is not given out yet
        piece = self._inflater.decompress(deflated, most)
        return piece if piece or deflated else None

    def left(self, most: int) -> int:
        """How many bytes there are up to the end of the deflated stream; none of them is kept.

        Raises:
            UnreadableDicom: more than ``most``, or the stream breaks off before its end.
            zlib.error: damaged.
        """
        self._inflate(self._at)
        count = max(0, len(self._known) - self._at)
        self._known.clear()
        while count <= most and not self._inflater.eof:
            piece = self._next(_CHUNK)
            if piece is None:
                raise UnreadableDicom("cut short: its deflated data set has no end; send it again")
            count += len(piece)
        if count > most:
            raise UnreadableDicom("its deflated data set goes on far beyond its pixels")
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, which may lie where nothing has been inflated yet."""
        self._at = max(0, offset + (self._at if whence == io.SEEK_CUR else 0))
        return self._at

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at
