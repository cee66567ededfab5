"""Command sets: what this program writes, pydicom reads, and the other way round."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode as oracle_decode
from pynetdicom.dsutils import encode as oracle_encode

from qsmnode.errors import PeerError
from qsmnode.node.wire import command

UIDS = st.from_regex(r"[1-9][0-9]{0,5}(\.[1-9][0-9]{0,5}){1,6}", fullmatch=True)


@given(uid=UIDS, message=st.integers(0, 65535), status=st.integers(0, 65535))
def test_what_is_written_is_read_by_pydicom(uid: str, message: int, status: int) -> None:
    written = command.encode(
        {
            command.AFFECTED_SOP_CLASS: uid,
            command.COMMAND_FIELD: 0x8001,
            command.MESSAGE_ID_ANSWERED: message,
            command.DATA_SET_TYPE: command.NO_DATA_SET,
            command.STATUS: status,
            command.AFFECTED_SOP_INSTANCE: uid,
            command.ERROR_COMMENT: "no room",
        }
    )
    read = oracle_decode(BytesIO(written), True, True)
    assert read.AffectedSOPClassUID == read.AffectedSOPInstanceUID == uid
    assert (read.CommandField, read.MessageIDBeingRespondedTo, read.Status) == (0x8001, message, status)
    assert read.ErrorComment == "no room"
    assert read.CommandGroupLength == len(written) - 12


@given(uid=UIDS, message=st.integers(0, 65535))
def test_what_pydicom_writes_is_read(uid: str, message: int) -> None:
    dataset = Dataset()
    dataset.AffectedSOPClassUID, dataset.AffectedSOPInstanceUID = uid, uid
    dataset.CommandField, dataset.MessageID, dataset.Priority = 1, message, 0
    dataset.CommandDataSetType = 1
    dataset.MoveOriginatorApplicationEntityTitle = "SOMEBODY"
    dataset.CommandGroupLength = 0
    read = command.decode(oracle_encode(dataset, True, True))
    assert command.text(read, command.AFFECTED_SOP_INSTANCE) == uid
    assert command.number(read, command.MESSAGE_ID) == message
    assert command.number(read, command.COMMAND_FIELD) == command.C_STORE_RQ


@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_worse(noise: bytes) -> None:
    try:
        command.decode(noise)
    except PeerError:
        return
    assert len(noise) >= 20  # two elements at least: only a real command set gets here


def test_a_command_without_its_field_is_refused() -> None:
    with pytest.raises(PeerError, match="0000,0100"):
        command.decode(command.encode({command.DATA_SET_TYPE: 0x0101}))
