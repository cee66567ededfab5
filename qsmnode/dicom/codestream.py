"""What a compressed image says of itself in the markers of its bit stream, before anybody decodes it.

A decoder allocates what the bit stream declares, whatever the DICOM header says; and two transfer syntaxes
leave it to the bit stream whether anything was lost.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from qsmnode.errors import UnreadableDicom

_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_LOSSLESS_HUFFMAN, _JPEG_LS = 0xC3, 0xF7

_SOC, _SIZ, _COD, _COC, _SOT, _SOD, _EOC = 0xFF4F, 0xFF51, 0xFF52, 0xFF53, 0xFF90, 0xFF93, 0xFFD9
_IRREVERSIBLE = 0
_ROUNDED = "irreversible JPEG 2000: values are rounded"


@dataclass(frozen=True)
class CodeStream:
    """Size of the image in a bit stream, and what was lost when it was made; None where nothing was."""

    rows: int
    columns: int
    components: int
    precision: int
    loss: str | None


def describe(stream: bytes) -> CodeStream:
    """Read the markers of a JPEG, JPEG-LS or JPEG 2000 bit stream.

    Args:
        stream: the whole of it, or as much of its beginning as holds its headers.

    Raises:
        UnreadableDicom: none of these, or damaged.
    """
    try:
        if stream[:2] == b"\xff\xd8":
            return _jpeg(stream)
        if stream[:2] == b"\xff\x4f":
            return _jpeg_2000(stream)
    except (struct.error, IndexError) as error:
        raise UnreadableDicom("a compressed image whose headers are damaged or cut short") from error
    raise UnreadableDicom("a compressed image that is no JPEG, JPEG-LS or JPEG 2000 bit stream")


def _jpeg(stream: bytes) -> CodeStream:
    frame: tuple[int, int, int, int] | None = None
    kind = 0
    for marker, body in _segments(stream):
        if marker in _FRAMES:
            kind, frame = marker, struct.unpack_from(">BHHB", body)
        elif marker == _SOS and frame is not None:
            precision, rows, columns, components = frame
            return CodeStream(rows, columns, components, precision, _jpeg_loss(kind, body))
    raise UnreadableDicom("a JPEG bit stream without an image")


def _jpeg_loss(kind: int, scan: bytes) -> str | None:
    count = scan[0]
    first, _, shift = scan[1 + 2 * count : 4 + 2 * count]
    if kind not in (_LOSSLESS_HUFFMAN, _JPEG_LS):
        return "a JPEG process that loses detail"
    if kind == _JPEG_LS and first:
        return f"near-lossless JPEG-LS: values may be off by {first}"
    return f"the lowest {shift & 15} bits were cut off" if shift & 15 else None


def _segments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment before the image's own bits."""
    at = 2
    while True:
        while stream[at] == 0xFF and stream[at + 1] == 0xFF:  # fill bytes
            at += 1
        if stream[at] != 0xFF or stream[at + 1] in (_EOI, _SOI):
            return
        marker = stream[at + 1]
        at += 2
        if marker == _TEM:
            continue
        (length,) = struct.unpack_from(">H", stream, at)
        if length < 2:
            return
        yield marker, stream[at + 2 : at + length]
        at += length


def _jpeg_2000(stream: bytes) -> CodeStream:
    size: tuple[int, ...] | None = None
    loss = None
    for marker, body in _parts(stream):
        if marker == _SIZ:
            size = struct.unpack_from(">HIIIIIIIIHB", body)
        elif marker == _COD and body[9] == _IRREVERSIBLE:
            loss = _ROUNDED
        elif marker == _COC:
            # the component's number takes two bytes where there are more than 256
            wide = size is not None and size[9] > 256
            loss = _ROUNDED if body[6 + wide] == _IRREVERSIBLE else loss
    if size is None:
        raise UnreadableDicom("a JPEG 2000 bit stream without an image")
    columns, rows = size[1] - size[3], size[2] - size[4]
    return CodeStream(rows, columns, size[9], (size[10] & 0x7F) + 1, loss)


def _parts(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment of the main header and of the headers of all tile parts here."""
    at, tile_end = 2, 0
    while True:
        if at + 4 > len(stream):
            if tile_end:
                return  # cut within the tiles, whose first headers have been seen
            raise UnreadableDicom("a JPEG 2000 bit stream that is cut short")
        (marker,) = struct.unpack_from(">H", stream, at)
        if marker == _EOC:
            return
        if marker == _SOD:
            if tile_end <= at:
                return  # the last tile part runs to the end
            at = tile_end
            continue
        (length,) = struct.unpack_from(">H", stream, at + 2)
        body = stream[at + 4 : at + 2 + length]
        if marker == _SOT:
            (part,) = struct.unpack_from(">I", body, 2)
            tile_end = at + part if part else at
        yield marker, body
        at += 2 + max(length, 2)
