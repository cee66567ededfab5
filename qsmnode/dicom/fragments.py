"""Whether compressed pixel data are all there: item by item, by tags, lengths and ends; no image is decoded.

A file that broke off on its way is found when its header is read, not by the job that needs its pixels.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

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

from qsmnode.errors import UnreadableDicom

_ITEM, _END = 0xE000FFFE, 0xE0DDFFFE  # as little endian reads (FFFE,E000) and (FFFE,E0DD)
_END_OF_IMAGE = b"\xff\xd9"
_MARKED = frozenset(
    {JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless, JPEG2000Lossless, JPEG2000}
)
"""Transfer syntaxes whose every image ends with that mark."""

_TAIL_BYTES = 64
_RLE_HEADER = struct.Struct("<16L")
_MOST_FRAGMENTS = 1 << 18


def check_fragments(stream: BinaryIO, size: int, frames: int, syntax: UID) -> None:
    """Go through the items of encapsulated pixel data.

    Args:
        stream: stands behind the element's header, before the item of the offset table.
        size: of the file, bytes.
        frames: how many images there should be.
        syntax: of the file.

    Raises:
        UnreadableDicom: cut short or damaged.
    """
    starts, lengths = _fragments(stream, size)
    if syntax not in _MARKED and syntax != RLELossless:
        return  # not read here: its own reason is told elsewhere
    if len(lengths) < frames or (syntax == RLELossless and len(lengths) > frames):
        raise UnreadableDicom(f"expected {frames} compressed frames, got {len(lengths)}; send it again")
    one_each = len(lengths) == frames
    for number, (start, length) in enumerate(zip(starts, lengths, strict=True), start=1):
        if syntax == RLELossless:
            _check_rle(stream, start, length, number)
        elif one_each or number == len(lengths):
            _check_end(stream, start, length, number)


def _fragments(stream: BinaryIO, size: int) -> tuple[list[int], list[int]]:
    """Where the value of each item behind the offset table starts, and how long it is."""
    starts: list[int] = []
    lengths: list[int] = []
    table = True
    while True:
        head = stream.read(8)
        if len(head) < 8:
            raise UnreadableDicom("cut short: its compressed pixel data have no end; send it again")
        tag, length = struct.unpack("<LL", head)
        if tag == _END and not table:
            return starts, lengths
        start = stream.tell()
        if tag != _ITEM or length == 0xFFFFFFFF:
            raise UnreadableDicom("damaged: its compressed pixel data are no row of items; send it again")
        if start + length > size:
            raise UnreadableDicom(
                f"cut short: a compressed fragment of {length} bytes expected, {size - start} bytes there; "
                "send it again"
            )
        if not table:
            starts.append(start)
            lengths.append(length)
        if len(lengths) > _MOST_FRAGMENTS:
            raise UnreadableDicom(f"compressed pixel data of more than {_MOST_FRAGMENTS} fragments")
        table = False
        stream.seek(start + length)


def _check_end(stream: BinaryIO, start: int, length: int, number: int) -> None:
    tail_bytes = min(length, _TAIL_BYTES)
    stream.seek(start + length - tail_bytes)
    tail = stream.read(tail_bytes)
    kept = tail.rstrip(b"\0")
    # behind so many zeros the mark may lie all the same: the decoder will see
    if (kept or length < _TAIL_BYTES) and not kept.endswith(_END_OF_IMAGE):
        raise UnreadableDicom(f"compressed frame {number} is cut short; send it again")


def _check_rle(stream: BinaryIO, start: int, length: int, number: int) -> None:
    """The segments of a frame lie one behind the other within it (PS3.5 annex G)."""
    stream.seek(start)
    head = stream.read(min(length, _RLE_HEADER.size))
    if len(head) == _RLE_HEADER.size:
        count, *offsets = _RLE_HEADER.unpack(head)
        used = offsets[:count]
        if 1 <= count <= 15 and used == sorted(set(used)) and used[0] == 64 and used[-1] < length:
            return
    raise UnreadableDicom(f"compressed frame {number} is damaged or cut short; send it again")
