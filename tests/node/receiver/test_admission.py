"""Who may associate and which contexts are accepted."""

from __future__ import annotations

import pytest

from qsmnode.node.receiver.addresses import Addresses, normalised
from qsmnode.node.receiver.admission import Refused, admit, negotiate, refused_syntaxes
from qsmnode.node.receiver.reserve import Reserve
from qsmnode.node.receiver.settings import ListedPeer, ReceiverSettings
from qsmnode.node.wire import acse
from qsmnode.node.wire.acse import ContextProposal, Proposal, Rejection
from qsmnode.node.wire.uids import (
    ACCEPTED_TRANSFER_SYNTAXES,
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_LS_LOSSLESS,
    JPEG_LS_NEAR_LOSSLESS,
    RLE_LOSSLESS,
    VERIFICATION,
)

MR = "1.2.840.10008.5.1.4.1.1.4"
JPEG = "1.2.840.10008.1.2.4.50"
LOSSY = (JPEG, "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.203", "1.2.840.10008.1.2.4.100")
SCANNER = ListedPeer("mr1", "MR1", "10.0.0.1", True)
TWIN = ListedPeer("mr2", "MR1", "10.0.0.2", True)
SETTINGS = ReceiverSettings(
    ae_title="QSMNODE",
    bind="127.0.0.1",
    peers=(SCANNER, TWIN),
    reserve=Reserve(),
    largest_object=1000,
    max_associations=8,
    max_strangers=8,
    max_strangers_per_address=8,
    acse_timeout_s=10,
    pdu_timeout_s=10,
    dimse_timeout_s=10,
    network_timeout_s=10,
)


def ask(
    calling: str = "MR1", called: str = "QSMNODE", address: str = "10.0.0.1", **more: object
) -> ListedPeer | Refused:
    proposal = Proposal(called, calling, (), 16384, **more)  # type: ignore[arg-type]
    return admit(proposal, address, SETTINGS, Addresses().belongs)


def test_a_listed_peer_is_told_by_title_and_address() -> None:
    assert ask() is SCANNER
    assert ask(address="::ffff:10.0.0.2") is TWIN


@pytest.mark.parametrize(
    ("asked", "rejection", "words"),
    [
        ({"calling": "MR9"}, acse.CALLING_UNKNOWN, "'MR9' is not listed"),
        ({"called": "ANY-SCP"}, acse.CALLED_UNKNOWN, "node.ae_title is 'QSMNODE'"),
        ({"address": "10.0.0.3"}, acse.CALLING_UNKNOWN, "10.0.0.1, 10.0.0.2, not this address"),
        ({"calling": "MR1\x1b[2J\n"}, acse.CALLING_UNKNOWN, r"'MR1\x1b[2J\n': not a valid one"),
        ({"calling": ""}, acse.CALLING_UNKNOWN, "not a valid one"),
        ({"application_context": "1.2.3"}, acse.APPLICATION_CONTEXT_UNKNOWN, "application context"),
        ({"protocol_version": 2}, acse.PROTOCOL_UNKNOWN, "protocol version"),
    ],
)
def test_who_is_turned_away_and_why(asked: dict[str, object], rejection: Rejection, words: str) -> None:
    refused = ask(**asked)  # type: ignore[arg-type]
    assert isinstance(refused, Refused)
    assert refused.rejection == rejection
    assert words in refused.why
    assert refused.why.isprintable()


def test_a_host_may_be_a_name() -> None:
    addresses = Addresses()
    assert addresses.belongs("127.0.0.1", "localhost")
    assert not addresses.belongs("10.1.2.3", "localhost")
    assert not addresses.belongs("10.1.2.3", "no-such-host.invalid")
    assert normalised("fe80::1%eth0") == "fe80::1"


@pytest.mark.parametrize(
    ("proposed", "result", "chosen"),
    [
        ((IMPLICIT_LITTLE, EXPLICIT_LITTLE), acse.ACCEPTED, EXPLICIT_LITTLE),
        ((IMPLICIT_LITTLE,), acse.ACCEPTED, IMPLICIT_LITTLE),
        ((EXPLICIT_BIG,), acse.ACCEPTED, EXPLICIT_BIG),
        ((JPEG, RLE_LOSSLESS), acse.ACCEPTED, RLE_LOSSLESS),
        ((JPEG,), acse.REFUSED_TRANSFER_SYNTAX, IMPLICIT_LITTLE),
        ((JPEG_LS_NEAR_LOSSLESS, JPEG_LS_LOSSLESS), acse.ACCEPTED, JPEG_LS_LOSSLESS),
        ((JPEG_2000, JPEG_2000_LOSSLESS), acse.ACCEPTED, JPEG_2000_LOSSLESS),
        ((DEFLATED, EXPLICIT_LITTLE), acse.ACCEPTED, EXPLICIT_LITTLE),
        *[((uid,), acse.ACCEPTED, uid) for uid in ACCEPTED_TRANSFER_SYNTAXES],
        *[((uid,), acse.REFUSED_TRANSFER_SYNTAX, IMPLICIT_LITTLE) for uid in LOSSY],
        ((), acse.REFUSED_TRANSFER_SYNTAX, IMPLICIT_LITTLE),
    ],
)
def test_transfer_syntaxes(proposed: tuple[str, ...], result: int, chosen: str) -> None:
    for sop_class in (MR, "1.3.12.2.1107.5.9.1", VERIFICATION):
        answers = negotiate(
            Proposal("Q", "A", (ContextProposal(7, sop_class, proposed),), 0), may_send=True, deflated=True
        )
        assert [(a.id, a.result, a.transfer_syntax) for a in answers] == [(7, result, chosen)]


def test_a_refused_transfer_syntax_is_explained_in_words() -> None:
    enhanced = "1.2.840.10008.5.1.4.1.1.4.1"
    contexts = (
        ContextProposal(1, MR, (JPEG,)),
        ContextProposal(3, enhanced, (JPEG,)),
        ContextProposal(5, enhanced, (EXPLICIT_LITTLE,)),
    )
    proposal = Proposal("Q", "A", contexts, 0)
    (text,) = refused_syntaxes(proposal, negotiate(proposal, may_send=True, deflated=True))
    assert text.startswith("MR Image Storage (1.2.840.10008.5.1.4.1.1.4) is proposed in JPEG Baseline")
    assert "without compression or with a lossless one" in text


def test_deflated_objects_only_from_peers_that_opt_in() -> None:
    def result(*syntaxes: str) -> tuple[int, str]:
        proposal = Proposal("Q", "A", (ContextProposal(1, MR, syntaxes),), 0)
        answers = negotiate(proposal, may_send=True, deflated=False)
        (text,) = refused_syntaxes(proposal, answers) or ("",)
        assert ("deflated: true" in text) == (answers[0].result != acse.ACCEPTED)
        return answers[0].result, answers[0].transfer_syntax

    assert result(DEFLATED) == (acse.REFUSED_TRANSFER_SYNTAX, IMPLICIT_LITTLE)
    assert result(DEFLATED, IMPLICIT_LITTLE) == (acse.ACCEPTED, IMPLICIT_LITTLE)


def test_a_peer_that_may_not_send_may_echo() -> None:
    contexts = (
        ContextProposal(1, VERIFICATION, (IMPLICIT_LITTLE,)),
        ContextProposal(3, MR, (IMPLICIT_LITTLE,)),
    )
    answers = negotiate(Proposal("Q", "A", contexts, 0), may_send=False, deflated=True)
    assert [answer.result for answer in answers] == [acse.ACCEPTED, acse.REFUSED_BY_USER]


def test_a_service_that_is_no_storage_is_refused() -> None:
    context = ContextProposal(1, "1.2.840.10008.5.1.4.1.2.2.1", (IMPLICIT_LITTLE,))
    answers = negotiate(Proposal("Q", "A", (context,), 0), may_send=True, deflated=True)
    assert answers[0].result == acse.REFUSED_ABSTRACT_SYNTAX
