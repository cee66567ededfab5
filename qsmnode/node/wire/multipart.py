"""The body of a STOW-RS request (PS3.18 section 8.6.1.2): one file after the other, read as it is sent."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from qsmnode.errors import UnreadableDicom

_PIECE = 1 << 18
"""Bytes of a file that are in memory at the same time."""


class Multipart:
    """Parts of ``application/dicom``; its length is known before, so that servers need not take chunks.

    Args:
        files: DICOM files, each sent byte for byte as it is.

    Raises:
        UnreadableDicom: a file is not there.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._boundary = secrets.token_hex(24)
        self._files = [(path, _size(path)) for path in files]
        self._begin = f"--{self._boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")
        self._end = f"--{self._boundary}--\r\n".encode("ascii")

    @property
    def content_type(self) -> str:
        """Of the request."""
        return f'multipart/related; type="application/dicom"; boundary="{self._boundary}"'

    def __len__(self) -> int:
        return sum(len(self._begin) + size + 2 for _, size in self._files) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        """The body, piece by piece.

        Raises:
            UnreadableDicom: a file is not what it was when the length was told.
        """
        for path, size in self._files:
            yield self._begin
            yield from _pieces(path, size)
            yield b"\r\n"
        yield self._end


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise UnreadableDicom(f"{path.name}: cannot be read ({error.strerror})") from error


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    left = size
    try:
        with path.open("rb", buffering=0) as file:
            while left:
                piece = file.read(min(_PIECE, left))
                if not piece:
                    raise UnreadableDicom(f"{path.name}: it became shorter while it was sent")
                left -= len(piece)
                yield piece
    except OSError as error:
        raise UnreadableDicom(f"{path.name}: cannot be read ({error.strerror})") from error
