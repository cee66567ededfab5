"""Role selection beside pynetdicom's, and small data sets between bytes and pydicom."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ

from qsmnode.errors import PeerError
from qsmnode.node.wire import acse
from qsmnode.node.wire.acse import Acceptance, ContextAnswer, ContextProposal, Proposal, Role
from qsmnode.node.wire.dataset import decoded, encoded, said
from qsmnode.node.wire.uids import EXPLICIT_LITTLE, IMPLICIT_LITTLE, STORAGE_COMMITMENT

CONTEXTS = (ContextProposal(1, STORAGE_COMMITMENT, (IMPLICIT_LITTLE,)),)


def _proposal(*roles: Role) -> Proposal:
    return Proposal("ARCHIVE", "QSMNODE", CONTEXTS, 16384, roles=roles)


@pytest.mark.parametrize("user", [False, True])
@pytest.mark.parametrize("provider", [False, True])
def test_pynetdicom_reads_our_roles(user: bool, provider: bool) -> None:
    role = Role(STORAGE_COMMITMENT, user, provider)
    asked = A_ASSOCIATE_RQ()
    asked.decode(acse.encode_proposal(_proposal(role)))
    request = acse.decode_proposal(acse.encode_proposal(_proposal(role))[6:])
    assert request.roles == (role,)
    answers = (ContextAnswer(1, acse.ACCEPTED, IMPLICIT_LITTLE),)
    answered = A_ASSOCIATE_AC()
    answered.decode(acse.encode_acceptance(Acceptance(answers, 16384, roles=(role,)), request))
    for item in (asked, answered):
        (read,) = [each for each in item.to_primitive().user_information if hasattr(each, "scp_role")]
        assert (read.sop_class_uid, read.scu_role, read.scp_role) == (STORAGE_COMMITMENT, user, provider)


@given(st.binary(max_size=70))
def test_a_role_that_says_nothing_leaves_the_defaults(noise: bytes) -> None:
    raw = acse.encode_proposal(_proposal())[6:]
    user = raw.index(b"\x50\x00")
    length = int.from_bytes(raw[user + 2 : user + 4], "big")
    item = b"\x54\x00" + len(noise).to_bytes(2, "big") + noise
    longer = raw[:user] + b"\x50\x00" + (length + len(item)).to_bytes(2, "big") + raw[user + 4 :] + item
    for role in acse.decode_proposal(longer).roles:
        assert len(noise) == int.from_bytes(noise[:2], "big") + 4
        assert len(role.sop_class) <= len(noise)


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE])
@settings(max_examples=40)
@given(patient=st.from_regex(r"[A-Z0-9]{1,16}", fullmatch=True))
def test_a_data_set_comes_back_as_it_went(syntax: str, patient: str) -> None:
    sent = Dataset()
    sent.PatientID, sent.StudyInstanceUID = patient, "2.25.1"
    read = decoded(encoded(sent, syntax), "an answer", syntax)
    assert said(read, "PatientID", "an answer") == patient
    assert said(read, "AccessionNumber", "an answer") == ""


@given(st.binary(min_size=1, max_size=200))
def test_noise_is_a_data_set_or_a_broken_one(raw: bytes) -> None:
    for syntax in (IMPLICIT_LITTLE, EXPLICIT_LITTLE):
        with contextlib.suppress(PeerError):
            found = decoded(raw, "a report", syntax)
            assert isinstance(said(found, "TransactionUID", "a report"), str)
