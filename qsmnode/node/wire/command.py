"""DIMSE command sets: group 0000, Implicit VR Little Endian (PS3.7 section 6.3 and annex E)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType

from qsmnode.errors import PeerError

AFFECTED_SOP_CLASS = 0x0002
REQUESTED_SOP_CLASS = 0x0003
COMMAND_FIELD = 0x0100
MESSAGE_ID = 0x0110
MESSAGE_ID_ANSWERED = 0x0120
PRIORITY = 0x0700
DATA_SET_TYPE = 0x0800
STATUS = 0x0900
ERROR_COMMENT = 0x0902
MOVE_DESTINATION = 0x0600
AFFECTED_SOP_INSTANCE = 0x1000
REQUESTED_SOP_INSTANCE = 0x1001
EVENT_TYPE = 0x1002
ACTION_TYPE = 0x1008
COMPLETED, FAILED, WARNED = 0x1021, 0x1022, 0x1023  # sub-operations of a C-MOVE

C_STORE_RQ = 0x0001
C_FIND_RQ = 0x0020
C_MOVE_RQ = 0x0021
C_ECHO_RQ = 0x0030
N_EVENT_REPORT_RQ = 0x0100
N_ACTION_RQ = 0x0130
C_CANCEL_RQ = 0x0FFF
RESPONSE = 0x8000
NO_DATA_SET = 0x0101
WITH_DATA_SET = 0x0001
MEDIUM_PRIORITY = 0x0000

_NUMBERS = frozenset(
    {COMMAND_FIELD, MESSAGE_ID, MESSAGE_ID_ANSWERED, PRIORITY, DATA_SET_TYPE, STATUS}
    | {COMPLETED, FAILED, WARNED, EVENT_TYPE, ACTION_TYPE}
)
_UIDS = frozenset({AFFECTED_SOP_CLASS, AFFECTED_SOP_INSTANCE, REQUESTED_SOP_CLASS, REQUESTED_SOP_INSTANCE})
_HEADER = struct.Struct("<HHI")

Value = int | str
Command = Mapping[int, Value]


def encode(command: Command) -> bytes:
    """The bytes of a command set; keys are element numbers of group 0000."""
    body = b"".join(_encode_element(element, command[element]) for element in sorted(command))
    return _HEADER.pack(0, 0, 4) + struct.pack("<I", len(body)) + body


def decode(data: bytes) -> Command:
    """Read a command set; elements that this program does not use are skipped.

    Raises:
        PeerError: it cannot be read.
    """
    found: dict[int, Value] = {}
    position = 0
    while position < len(data):
        if position + _HEADER.size > len(data):
            raise PeerError("a command is cut short")
        group, element, length = _HEADER.unpack_from(data, position)
        position += _HEADER.size
        value = data[position : position + length]
        if group != 0 or len(value) != length:
            raise PeerError("a command is no DICOM command set")
        position += length
        if element in _NUMBERS:
            if length != 2:
                raise PeerError(f"a command has {length} bytes in (0000,{element:04X}), expected 2")
            found[element] = int.from_bytes(value, "little")
        elif element in _UIDS or element == ERROR_COMMENT:
            found[element] = value.decode("latin-1").rstrip(" \0")
    for element in (COMMAND_FIELD, DATA_SET_TYPE):
        if element not in found:
            raise PeerError(f"a command lacks (0000,{element:04X})")
    return MappingProxyType(found)


def number(command: Command, element: int) -> int:
    """A number of a command set.

    Raises:
        PeerError: it is not there.
    """
    value = command.get(element)
    if not isinstance(value, int):
        raise PeerError(f"a command lacks (0000,{element:04X})")
    return value


def text(command: Command, element: int) -> str:
    """A UID or text of a command set, empty where it is not there."""
    value = command.get(element, "")
    return value if isinstance(value, str) else ""


def _encode_element(element: int, value: Value) -> bytes:
    if isinstance(value, int):
        raw = struct.pack("<H", value)
    else:
        raw = value.encode("ascii", "replace")
        if len(raw) % 2:
            raw += b"\0" if element in _UIDS else b" "
    return _HEADER.pack(0, element, len(raw)) + raw
