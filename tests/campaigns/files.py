"""Shapes of what a peer may send: DICOM files whose elements are right, nearly right and wrong."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from hypothesis import strategies as st

from qsmnode.node.wire.part10 import encode_front
from qsmnode.node.wire.uids import ACCEPTED_TRANSFER_SYNTAXES, DEFLATED, EXPLICIT_BIG, IMPLICIT_LITTLE
from tests.campaigns.talk import DAMAGES, MR, damaged

ENHANCED = "1.2.840.10008.5.1.4.1.1.4.1"
_LONG = frozenset({b"OB", b"OW", b"UN", b"SQ", b"UT", b"UC", b"UR", b"OD", b"OF", b"OL"})
_UNDEFINED = 0xFFFFFFFF
# what grouping and routing ask of a header, with values that are right, odd and wrong
_TEXTS: dict[int, tuple[bytes, tuple[bytes, ...]]] = {
    0x00080005: (b"CS", (b"ISO_IR 100", b"ISO_IR 192", b"\\ISO 2022 IR 87", b"nonsense")),
    0x00080008: (b"CS", (b"ORIGINAL\\PRIMARY\\M\\ND", b"ORIGINAL\\PRIMARY\\P\\ND", b"DERIVED", b"\\\\\\\\")),
    0x00080020: (b"DA", (b"20260101", b"99999999", b"")),
    0x00080032: (b"TM", (b"101500.25", b"25", b"246060", b"10:15:00")),
    0x00080060: (b"CS", (b"MR", b"CT", b"")),
    0x00080070: (b"LO", (b"SIEMENS", b"Philips Medical Systems", b"GE MEDICAL SYSTEMS", b"\xff\xfe")),
    0x00180020: (b"CS", (b"GR", b"EP\\GR", b"RM")),
    0x00180023: (b"CS", (b"3D", b"2D")),
    0x00180080: (b"DS", (b"30", b"1e400", b"NaN", b"x")),
    0x00180081: (b"DS", (b"5", b"-5", b"1e308", b"inf", b"5\\10")),
    0x00180084: (b"DS", (b"123.2", b"0", b"-1e30")),
    0x00180087: (b"DS", (b"3", b"30000", b"")),
    0x00200012: (b"IS", (b"1", b"99999999999999999999", b"1.5")),
    0x00200032: (b"DS", (b"0\\0\\0", b"0\\0", b"1e300\\0\\0", b"a\\b\\c")),
    0x00200037: (b"DS", (b"1\\0\\0\\0\\1\\0", b"0\\0\\0\\0\\0\\0", b"1")),
    0x00280008: (b"IS", (b"1", b"2147483647", b"-1", b"99999999999")),
    0x00280030: (b"DS", (b"1\\1", b"0\\0", b"1")),
    0x00281052: (b"DS", (b"-4096", b"x")),
    0x00281053: (b"DS", (b"2", b"0", b"")),
    0x00281054: (b"LO", (b"mrad", b"US")),
}
_NUMBERS = (0x00280002, 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103)
_SEQUENCES = (0x52009229, 0x52009230, 0x00189112, 0x00189114, 0x00280009, 0x00081140, 0x00180012)
_PRIVATE = (0x00290010, 0x00291010, 0x00291020, 0x20010010, 0x20011020, 0x00430010, 0x0043102F, 0x00211158)
_REPRESENTATIONS = st.sampled_from(
    [b"LO", b"DS", b"IS", b"UI", b"SQ", b"UN", b"OB", b"OW", b"US", b"UT", b"FD", b"??"]
)


@dataclass(frozen=True)
class Piece:
    """One element, before it is known how the file encodes it. ``lie``: added to its length."""

    tag: int
    representation: bytes
    value: bytes | tuple[tuple[Piece, ...], ...]
    lie: int = 0
    undefined: bool = False


_LIES = st.sampled_from([0] * 12 + [1, -1, 2, 1000, 2**31, 2**32 - 1])
_KNOWN = st.sampled_from(sorted(_TEXTS)).flatmap(
    lambda tag: st.builds(
        Piece,
        st.just(tag),
        st.just(_TEXTS[tag][0]),
        st.sampled_from(_TEXTS[tag][1]) | st.binary(max_size=12),
        _LIES,
    )
)
_COUNTS = st.builds(
    lambda tag, number, lie: Piece(tag, b"US", struct.pack("<H", number), lie),
    st.sampled_from(_NUMBERS),
    st.sampled_from([0, 1, 2, 12, 16, 256, 65535]),
    _LIES,
)
_OTHERS = st.builds(
    Piece,
    st.sampled_from(_PRIVATE) | st.integers(0, 2**32 - 1),
    _REPRESENTATIONS,
    st.binary(max_size=64) | st.sampled_from([b"SIEMENS CSA HEADER", b"SV10\4\3\2\1" + bytes(80)]),
    _LIES,
)
_LEAVES = _KNOWN | _COUNTS | _OTHERS


def _sequence(items: st.SearchStrategy[Piece]) -> st.SearchStrategy[Piece]:
    return st.builds(
        Piece,
        st.sampled_from(_SEQUENCES),
        st.just(b"SQ"),
        st.lists(st.lists(items, max_size=4).map(tuple), max_size=3).map(tuple),
        _LIES,
        st.booleans(),
    )


_PIECES = st.recursive(_LEAVES, _sequence, max_leaves=12)
_PIXELS = st.builds(
    Piece,
    st.sampled_from([0x7FE00010, 0x7FE00008]),
    st.sampled_from([b"OW", b"OB", b"UN"]),
    st.binary(max_size=64)
    | st.just(b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\4\0\0\0\xff\xd8\xff\xd9\xfe\xff\xdd\xe0\0\0\0\0"),
    _LIES,
    st.booleans(),
)


def encoded(pieces: tuple[Piece, ...] | list[Piece], syntax: str) -> bytes:
    """The elements as the transfer syntax writes them, lies included."""
    return b"".join(_encoded(piece, syntax) for piece in pieces)


def _encoded(piece: Piece, syntax: str) -> bytes:
    order = ">" if syntax == EXPLICIT_BIG else "<"
    value = (
        piece.value
        if isinstance(piece.value, bytes)
        else b"".join(_item(each, syntax) for each in piece.value)
    )
    length = _UNDEFINED if piece.undefined else (len(value) + piece.lie) & 0xFFFFFFFF
    if piece.undefined:
        value += struct.pack(order + "HHI", 0xFFFE, 0xE0DD, 0)
    tag = struct.pack(order + "HH", piece.tag >> 16, piece.tag & 0xFFFF)
    if syntax == IMPLICIT_LITTLE:
        return tag + struct.pack("<I", length) + value
    if piece.representation in _LONG:
        return tag + piece.representation + bytes(2) + struct.pack(order + "I", length) + value
    return tag + piece.representation + struct.pack(order + "H", length & 0xFFFF) + value


def _item(pieces: tuple[Piece, ...], syntax: str) -> bytes:
    body = encoded(pieces, syntax)
    return struct.pack((">" if syntax == EXPLICIT_BIG else "<") + "HHI", 0xFFFE, 0xE000, len(body)) + body


def _file(
    syntax: str,
    sop_class: str,
    pieces: list[Piece],
    pixels: Piece | None,
    damages: list[tuple[str, float, bytes]],
) -> bytes:
    uids = ((0x00080016, sop_class), (0x00080018, "1.2.3"), (0x0020000D, "1.2.4"), (0x0020000E, "1.2.5"))
    named = [Piece(tag, b"UI", uid.encode() + b"\0" * (len(uid) % 2)) for tag, uid in uids]
    ordered = sorted([*named, *pieces], key=lambda piece: piece.tag)
    body = encoded([*ordered, *([] if pixels is None else [pixels])], syntax)
    if syntax == DEFLATED:
        squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        body = squeezer.compress(body) + squeezer.flush()
    return damaged(encode_front(sop_class, "1.2.3", syntax, "MR1") + body, damages)


FILES = st.builds(
    _file,
    st.sampled_from(list(ACCEPTED_TRANSFER_SYNTAXES)),
    st.sampled_from([MR, MR, ENHANCED, "1.2.840.10008.5.1.4.1.1.7", "1.3.12.2.1107.5.9.1"]),
    st.lists(_PIECES, max_size=12),
    st.none() | _PIXELS,
    st.just([]) | DAMAGES,
)
"""A Part 10 file, as the receiver might have written it."""
