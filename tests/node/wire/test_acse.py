"""Association PDUs against pynetdicom's, and against noise."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ

from qsmnode.errors import PeerError
from qsmnode.node.wire import acse
from qsmnode.node.wire.acse import Acceptance, ContextAnswer, ContextProposal, Proposal

MR, EXPLICIT, IMPLICIT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
PROPOSAL = Proposal(
    called="QSMNODE",
    calling="MR1",
    contexts=(
        ContextProposal(1, MR, (EXPLICIT, IMPLICIT)),
        ContextProposal(3, "1.3.12.2.1107.5.9.1", (IMPLICIT,)),
    ),
    max_pdu=16384,
)


def test_pynetdicom_reads_our_request() -> None:
    read = A_ASSOCIATE_RQ()
    read.decode(acse.encode_proposal(PROPOSAL))
    primitive = read.to_primitive()
    assert (primitive.called_ae_title, primitive.calling_ae_title) == ("QSMNODE", "MR1")
    found = [
        (c.context_id, c.abstract_syntax, c.transfer_syntax)
        for c in primitive.presentation_context_definition_list
    ]
    assert found == [(1, MR, [EXPLICIT, IMPLICIT]), (3, "1.3.12.2.1107.5.9.1", [IMPLICIT])]
    assert primitive.maximum_length_received == 16384


def test_our_request_is_read_back_with_unknown_items_skipped() -> None:
    raw = acse.encode_proposal(PROPOSAL)[6:]
    for kind in (0x99, 0x5A):  # an item of the request that nobody knows
        read = acse.decode_proposal(raw + struct.pack(">BxH", kind, 4) + b"abcd")
        assert (read.called, read.calling, read.contexts) == ("QSMNODE", "MR1", PROPOSAL.contexts)


def test_pynetdicom_reads_our_answer() -> None:
    answers = (
        ContextAnswer(1, acse.ACCEPTED, EXPLICIT),
        ContextAnswer(3, acse.REFUSED_ABSTRACT_SYNTAX, IMPLICIT),
    )
    request = acse.decode_proposal(acse.encode_proposal(PROPOSAL)[6:])
    raw = acse.encode_acceptance(Acceptance(answers, 131072), request)
    read = A_ASSOCIATE_AC()
    read.decode(raw)
    primitive = read.to_primitive()
    assert [(c.context_id, c.result) for c in primitive.presentation_context_definition_results_list] == [
        (1, 0),
        (3, 3),
    ]
    assert primitive.maximum_length_received == 131072
    assert acse.decode_acceptance(raw[6:]).answers == answers


def test_pynetdicom_reads_our_rejection() -> None:
    read = A_ASSOCIATE_RJ()
    raw = acse.encode_rejection(acse.CALLED_UNKNOWN)
    read.decode(raw)
    assert (read.result, read.source, read.reason_diagnostic) == (1, 1, 7)
    assert acse.decode_rejection(raw[6:]) == acse.CALLED_UNKNOWN
    assert str(acse.CALLED_UNKNOWN) == "called AE title not recognised (permanent)"


@given(st.binary(max_size=400))
def test_noise_is_refused_and_nothing_worse(noise: bytes) -> None:
    for decode in (acse.decode_proposal, acse.decode_acceptance):
        with contextlib.suppress(PeerError):
            decode(bytes(68) + noise)


def test_contexts_that_share_an_id_are_refused() -> None:
    twice = Proposal("A", "B", (ContextProposal(1, MR, (EXPLICIT,)),) * 2, 0)
    with pytest.raises(PeerError, match="share an ID"):
        acse.decode_proposal(acse.encode_proposal(twice)[6:])
