"""Who may associate, and which presentation contexts are accepted: decided here, acted upon elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qsmnode.node.receiver.settings import ListedPeer, ReceiverSettings
from qsmnode.node.wire import acse
from qsmnode.node.wire.acse import ContextAnswer, ContextProposal, Proposal, Rejection
from qsmnode.node.wire.tls import Certificate, has_subject, subject_text
from qsmnode.node.wire.uids import (
    ACCEPTED_TRANSFER_SYNTAXES,
    APPLICATION_CONTEXT,
    DEFLATED,
    IMPLICIT_LITTLE,
    VERIFICATION,
    is_storage,
    printable,
    uid_name,
)

_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")  # printable ASCII without backslash


@dataclass(frozen=True)
class Refused:
    """No association, what the peer is told and what the log says."""

    rejection: Rejection
    why: str


def admit(
    proposal: Proposal,
    address: str,
    settings: ReceiverSettings,
    belongs: Callable[[str, str], bool],
    certificate: Certificate | None = None,
) -> ListedPeer | Refused:
    """The listed peer that this is, or why it is turned away.

    Args:
        proposal: what it asked for.
        address: where its connection comes from.
        settings: this node's title and the peers that are listed.
        belongs: whether an address is one of a host.
        certificate: the one that it showed and that was verified; None without TLS.
    """
    if not proposal.protocol_version & 1:
        return Refused(acse.PROTOCOL_UNKNOWN, "a protocol version that is not DICOM's")
    if proposal.application_context != APPLICATION_CONTEXT:
        return Refused(acse.APPLICATION_CONTEXT_UNKNOWN, "an application context that is not DICOM's")
    calling, called = printable(proposal.calling), printable(proposal.called)
    if not _AE_TITLE.fullmatch(proposal.calling):
        return Refused(acse.CALLING_UNKNOWN, f"calling AE title {calling}: not a valid one")
    if proposal.called != settings.ae_title:
        return Refused(
            acse.CALLED_UNKNOWN,
            f"{calling} called {called}, but node.ae_title is {settings.ae_title!r}: correct one of them",
        )
    titled = [peer for peer in settings.peers if peer.ae_title == proposal.calling]
    if not titled:
        return Refused(acse.CALLING_UNKNOWN, f"calling AE title {calling} is not listed under peers")
    at_home = [peer for peer in titled if belongs(address, peer.host)]
    if not at_home:
        hosts = ", ".join(peer.host for peer in titled)
        return Refused(
            acse.CALLING_UNKNOWN, f"calling AE title {calling} is listed with host {hosts}, not this address"
        )
    for peer in at_home:
        if peer.certificate_subject is None or has_subject(certificate, peer.certificate_subject):
            return peer
    return Refused(
        acse.CALLING_UNKNOWN,
        f"calling AE title {calling} is listed with a certificate_subject other than the one that it shows:"
        f" {subject_text(certificate)}",
    )


def negotiate(proposal: Proposal, *, may_send: bool, deflated: bool) -> tuple[ContextAnswer, ...]:
    """The answer to every proposed presentation context.

    Args:
        proposal: what the peer asked for.
        may_send: whether its objects are wanted.
        deflated: whether it may send deflated ones, of which a few bytes can stand for very many.
    """
    accepted = tuple(uid for uid in ACCEPTED_TRANSFER_SYNTAXES if deflated or uid != DEFLATED)
    return tuple(_answer(context, may_send, accepted) for context in proposal.contexts)


def refused_syntaxes(proposal: Proposal, answers: Sequence[ContextAnswer]) -> tuple[str, ...]:
    """Of each storage class that can be sent in no proposed transfer syntax: which, and what to do."""
    asked = {context.id: context for context in proposal.contexts}
    accepted = {asked[one.id].abstract_syntax for one in answers if one.result == acse.ACCEPTED}
    refused: dict[str, list[str]] = {}
    for answer in answers:
        context = asked[answer.id]
        if answer.result == acse.REFUSED_TRANSFER_SYNTAX and context.abstract_syntax not in accepted:
            refused.setdefault(context.abstract_syntax, []).extend(map(uid_name, context.transfer_syntaxes))
    return tuple(
        f"{uid_name(sop_class)} is proposed in {' and '.join(dict.fromkeys(names)) or 'no syntax'} only, "
        "which loses detail or is not read here: let the sender use Explicit VR Little Endian, without "
        "compression or with a lossless one (deflated objects need deflated: true at this peer)"
        for sop_class, names in refused.items()
    )


def _answer(context: ContextProposal, may_send: bool, accepted: Sequence[str]) -> ContextAnswer:
    storage = is_storage(context.abstract_syntax)
    if not storage and context.abstract_syntax != VERIFICATION:
        return ContextAnswer(context.id, acse.REFUSED_ABSTRACT_SYNTAX, IMPLICIT_LITTLE)
    if storage and not may_send:
        return ContextAnswer(context.id, acse.REFUSED_BY_USER, IMPLICIT_LITTLE)
    for syntax in accepted:
        if syntax in context.transfer_syntaxes:
            return ContextAnswer(context.id, acse.ACCEPTED, syntax)
    return ContextAnswer(context.id, acse.REFUSED_TRANSFER_SYNTAX, IMPLICIT_LITTLE)
