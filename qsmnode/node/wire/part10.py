"""The front of a DICOM file: preamble and file meta information, written and read (PS3.10 section 7.1).

The data set behind it is passed on byte for byte and never looked at here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from qsmnode.errors import UnreadableDicom
from qsmnode.node.wire.uids import IMPLEMENTATION_CLASS, IMPLEMENTATION_VERSION, is_uid

_PREAMBLE = bytes(128) + b"DICM"
_LONG_FORM = frozenset(
    {b"OB", b"OW", b"UN", b"SQ", b"UT", b"UC", b"UR", b"OD", b"OF", b"OL", b"SV", b"UV", b"OV"}
)
_LONGEST_META = 1 << 20
_SOP_CLASS, _SOP_INSTANCE, _TRANSFER_SYNTAX, _SOURCE_AE = 0x0002, 0x0003, 0x0010, 0x0016


@dataclass(frozen=True)
class Part10:
    """A DICOM file by its meta information; its data set is ``size`` bytes from ``offset`` on."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    offset: int
    size: int
    source_ae: str = ""


def encode_front(sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str, source_ae: str) -> bytes:
    """Preamble and file meta information of a file whose data set follows."""
    elements = (
        _element(0x0001, b"OB", b"\0\1"),
        _element(_SOP_CLASS, b"UI", sop_class_uid.encode("ascii")),
        _element(_SOP_INSTANCE, b"UI", sop_instance_uid.encode("ascii")),
        _element(_TRANSFER_SYNTAX, b"UI", transfer_syntax.encode("ascii")),
        _element(0x0012, b"UI", IMPLEMENTATION_CLASS.encode("ascii")),
        _element(0x0013, b"SH", IMPLEMENTATION_VERSION.encode("ascii")),
        _element(_SOURCE_AE, b"AE", source_ae.encode("ascii")),
    )
    body = b"".join(elements)
    return _PREAMBLE + _element(0x0000, b"UL", struct.pack("<I", len(body))) + body


def read_front(path: Path) -> Part10:
    """Read the meta information of a DICOM file.

    Raises:
        UnreadableDicom: it is no DICOM file, or says not what it holds.
        OSError: it cannot be read at all.
    """
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            raise UnreadableDicom(f"{path.name}: no DICOM file (no DICM after 128 bytes)")
        found, offset = _read_elements(file, path.name)
        size = file.seek(0, 2) - offset
    uids = [found.get(element, "") for element in (_SOP_CLASS, _SOP_INSTANCE, _TRANSFER_SYNTAX)]
    if not all(is_uid(uid) for uid in uids) or size <= 0:
        raise UnreadableDicom(
            f"{path.name}: its file meta information lacks SOP class, SOP instance or transfer syntax,"
            " or nothing follows it"
        )
    return Part10(path, uids[0], uids[1], uids[2], offset, size, found.get(_SOURCE_AE, ""))


def _element(element: int, representation: bytes, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if representation in (b"UI", b"OB") else b" "
    if representation in _LONG_FORM:
        return struct.pack("<HH2s2xI", 2, element, representation, len(value)) + value
    return struct.pack("<HH2sH", 2, element, representation, len(value)) + value


def _read_elements(file: BinaryIO, name: str) -> tuple[dict[int, str], int]:
    found: dict[int, str] = {}
    while True:
        offset = file.tell()
        head = file.read(8)
        if len(head) < 8 or head[:2] != b"\2\0":
            return found, offset
        element = int.from_bytes(head[2:4], "little")
        length = int.from_bytes(head[6:8], "little")
        if head[4:6] in _LONG_FORM:
            length = int.from_bytes(file.read(4), "little")
        if offset + length > _LONGEST_META:
            raise UnreadableDicom(f"{name}: its file meta information is damaged")
        value = file.read(length)
        if element in (_SOP_CLASS, _SOP_INSTANCE, _TRANSFER_SYNTAX, _SOURCE_AE):
            found[element] = value.decode("latin-1").rstrip(" \0")
