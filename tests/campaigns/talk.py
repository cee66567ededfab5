"""Shapes of what a peer may say: DICOM PDUs that are right, nearly right and wrong."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

from qsmnode.node.wire import acse, command
from qsmnode.node.wire.acse import ContextProposal, Proposal
from qsmnode.node.wire.connection import data_pdu
from qsmnode.node.wire.uids import ACCEPTED_TRANSFER_SYNTAXES, VERIFICATION

MR = "1.2.840.10008.5.1.4.1.1.4"
_LONGEST = 60_000  # what the kernel takes without anybody reading

_UIDS = st.sampled_from(["1.2.3", "1.2.4", MR, VERIFICATION, "", "1" * 65, "../../pw", "1.2.\x1b[2J", "\0"])
_TITLES = st.sampled_from(["QSMNODE", "MR1", "", "MR1\n", "\x1b[2J", "ANY-SCP", "x" * 16])
_CONTEXTS = st.builds(
    ContextProposal,
    st.integers(0, 255),
    _UIDS,
    st.lists(st.sampled_from([*ACCEPTED_TRANSFER_SYNTAXES, "1.2.840.10008.1.2.4.50", "x"]), max_size=3).map(
        tuple
    ),
)


def _proposal(called: str, calling: str, contexts: list[ContextProposal], max_pdu: int) -> bytes:
    return acse.encode_proposal(Proposal(called, calling, tuple(contexts), max_pdu))


GOOD_REQUEST = _proposal(
    "QSMNODE",
    "MR1",
    [
        ContextProposal(1, MR, ("1.2.840.10008.1.2.1",)),
        ContextProposal(3, VERIFICATION, ("1.2.840.10008.1.2",)),
    ],
    16384,
)
_REQUESTS = st.builds(
    _proposal, _TITLES, _TITLES, st.lists(_CONTEXTS, max_size=4), st.sampled_from([0, 1, 7, 16384, 2**32 - 1])
)
_ELEMENTS = st.sampled_from(
    [
        command.AFFECTED_SOP_CLASS,
        command.COMMAND_FIELD,
        command.MESSAGE_ID,
        command.MESSAGE_ID_ANSWERED,
        command.PRIORITY,
        command.DATA_SET_TYPE,
        command.STATUS,
        command.MOVE_DESTINATION,
        command.AFFECTED_SOP_INSTANCE,
        0xFFFF,
    ]
)
_FIELDS = st.sampled_from([0x0001, 0x0020, 0x0021, 0x0030, 0x0100, 0x0110, 0x0130, 0x0FFF, 0x8001, 0xFFFF])
_STORES = st.builds(
    lambda uid, sop_class, has_data: {
        command.AFFECTED_SOP_CLASS: sop_class,
        command.COMMAND_FIELD: command.C_STORE_RQ,
        command.MESSAGE_ID: 1,
        command.DATA_SET_TYPE: command.WITH_DATA_SET if has_data else command.NO_DATA_SET,
        command.AFFECTED_SOP_INSTANCE: uid,
    },
    _UIDS.map(lambda uid: uid.encode("ascii", "replace").decode()),
    st.sampled_from([MR, MR, MR, VERIFICATION, "1.2.3"]),
    st.booleans() | st.just(True),
)
_OTHERS = st.builds(
    lambda kind, more: (
        {command.COMMAND_FIELD: kind, command.MESSAGE_ID: 2, command.DATA_SET_TYPE: 0x0101} | more
    ),
    _FIELDS,
    st.dictionaries(_ELEMENTS, st.integers(0, 65535), max_size=3),
)
_CONTEXT_IDS = st.sampled_from([1, 1, 1, 3, 3, 5, 0, 255])
_COMMANDS = st.builds(
    lambda context, fields, last: data_pdu(context, command.encode(fields), command=True, last=last),
    _CONTEXT_IDS,
    _STORES | _OTHERS,
    st.booleans() | st.just(True),
)
_FRAGMENTS = st.builds(
    lambda context, data, is_command, last: data_pdu(context, data, command=is_command, last=last),
    _CONTEXT_IDS,
    st.binary(max_size=200),
    st.booleans(),
    st.booleans(),
)
_CONTAINERS = st.builds(
    lambda values: acse.pdu(
        acse.DATA,
        b"".join(
            struct.pack(">IBB", length, context, control) + data for length, context, control, data in values
        ),
    ),
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 2, 3, 10, 2**31, 2**32 - 1]),
            _CONTEXT_IDS,
            st.integers(0, 255),
            st.binary(max_size=20),
        ),
        max_size=4,
    ),
)
_WHATEVER = st.builds(
    lambda kind, length, body: struct.pack(">BxI", kind, len(body) if length is None else length) + body,
    st.integers(0, 255) | st.integers(1, 7),
    st.none() | st.sampled_from([0, 1, 65536, 131072, 131088, 131089, 2**31, 2**32 - 1]),
    st.binary(max_size=300),
)
_ENDS = st.sampled_from([acse.pdu(acse.RELEASE_RQ, bytes(4)), acse.encode_abort(), acse.encode_abort(2, 255)])
_PIECES = _COMMANDS | _FRAGMENTS | _CONTAINERS | _WHATEVER | _REQUESTS | _ENDS | st.binary(max_size=50)
_DAMAGES = st.lists(
    st.tuples(st.sampled_from(["flip", "cut", "insert", "repeat"]), st.floats(0, 1), st.binary(max_size=8)),
    max_size=3,
)


def _said(begin: bytes, pieces: list[bytes], damages: list[tuple[str, float, bytes]]) -> bytes:
    return damaged(begin + b"".join(pieces), damages)[:_LONGEST]


def damaged(data: bytes, damages: list[tuple[str, float, bytes]]) -> bytes:
    """Bytes with a few changed: overwritten, cut out, put in or repeated, at a part of their length."""
    for how, where, piece in damages:
        at = int(where * len(data))
        if how == "flip":
            data = data[:at] + piece + data[at + len(piece) :]
        elif how == "cut":
            data = data[:at] + data[at + len(piece) :]
        elif how == "insert":
            data = data[:at] + piece + data[at:]
        else:
            data = data[:at] + data[max(0, at - 100) : at] * len(piece) + data[at:]
    return data


DAMAGES = _DAMAGES
TALKS = st.builds(
    _said,
    st.just(GOOD_REQUEST) | st.just(GOOD_REQUEST) | _REQUESTS | st.just(b""),
    st.lists(_PIECES, max_size=8),
    st.just([]) | _DAMAGES,
)
"""All that a peer says on one connection."""
