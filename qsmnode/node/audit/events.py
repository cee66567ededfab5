"""From events of the ledger to audit messages: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from qsmnode.config import Config, DicomPeer, FolderPeer, WebPeer
from qsmnode.ledger.trail import Moved, Query, Transfer
from qsmnode.observe import audit_message as audit
from qsmnode.observe.audit_message import Message, Participant, Subject

STUDIES_TOGETHER = 80
"""In a message that a datagram holds."""


@dataclass(frozen=True)
class Node:
    """This end, as it takes part."""

    ae_title: str
    host: str

    def part(self, role: audit.Code | None, *, requested: bool) -> Participant:
        """This node in a role."""
        return Participant(self.ae_title, role, requested, self.ae_title, self.host, audit.MACHINE_NAME)


def activity(node: Node, kind: audit.Code, at: float) -> Message:
    """The node starts or stops."""
    return Message(
        audit.APPLICATION_ACTIVITY,
        audit.EXECUTE,
        at,
        (node.part(audit.APPLICATION, requested=False),),
        types=(kind,),
    )


def refused(node: Node, address: str, why: str, count: int, at: float) -> Message:
    """Somebody was turned away at the door, perhaps again and again."""
    often = f"{why} ({count} times)" if count > 1 else why
    alert = Subject(address, audit.NODE, "2", "13", details={"Alert Description": often, "Address": address})
    return Message(
        audit.SECURITY_ALERT,
        audit.EXECUTE,
        at,
        (node.part(audit.APPLICATION, requested=True), Participant(address, None, False, "", address)),
        (alert,),
        types=(audit.NODE_AUTHENTICATION,),
        outcome=audit.MINOR_FAILURE,
        words=often,
    )


def asked(node: Node, config: Config, query: Query, at: float) -> Message:
    """A peer was asked what it has; the identifier names studies and series, and no patient."""
    here = node.part(audit.SOURCE, requested=True)
    there = _peer(config, query.peer, audit.DESTINATION)
    subject = audit.query(query.sop_class_uid, query.transfer_syntax, query.asked)
    return Message(audit.QUERY, audit.EXECUTE, at, (here, there), (subject,))


def begins(node: Node, config: Config, transfer: Transfer, at: float) -> Message:
    """A peer was asked to send images here; what comes is told as received."""
    there = _peer(config, transfer.peer, audit.SOURCE)
    here = node.part(audit.DESTINATION, requested=True)
    return Message(audit.BEGIN_TRANSFERRING, audit.EXECUTE, at, (there, here), _named(transfer.moved))


def backed_up(node: Node, folder: str, by: str, known: Sequence[Moved], at: float) -> Message:
    """The ledger left the store, with these studies; not more than STUDIES_TOGETHER."""
    person = Participant(by, None, True)
    there = Participant(folder, audit.DESTINATION_MEDIA, False)
    parts = (person, node.part(audit.SOURCE, requested=False), there)
    return Message(audit.EXPORT, audit.READ, at, parts, _named(known), words="a backup of the ledger")


def received(node: Node, transfer: Transfer, at: float) -> Message:
    """What came in one association."""
    sender = Participant(
        transfer.peer, audit.SOURCE, True, transfer.ae_title, transfer.address, audit.ADDRESS
    )
    here = node.part(audit.DESTINATION, requested=False)
    return Message(audit.INSTANCES_TRANSFERRED, audit.CREATE, at, (sender, here), subjects_of(transfer.moved))


def delivered(node: Node, config: Config, transfer: Transfer, at: float) -> Message:
    """What a peer was given."""
    here = node.part(audit.SOURCE, requested=True)
    peer = config.peers.get(transfer.peer)
    subjects = subjects_of(transfer.moved)
    if isinstance(peer, FolderPeer):
        there = Participant(str(peer.folder), audit.DESTINATION_MEDIA, False)
        return Message(audit.EXPORT, audit.READ, at, (here, there), subjects)
    there = _peer(config, transfer.peer, audit.DESTINATION)
    return Message(audit.INSTANCES_TRANSFERRED, audit.READ, at, (here, there), subjects)


def deleted(node: Node, moved: Sequence[Moved], reason: str, at: float) -> Message:
    """Files of an acquisition were removed."""
    by, _, why = reason.partition(": ")
    person = by.removeprefix("on request of ")
    who = () if person == by else (Participant(person, None, True),)
    here = node.part(audit.APPLICATION, requested=not who)
    return Message(
        audit.INSTANCES_ACCESSED, audit.DELETE, at, (*who, here), subjects_of(moved), words=why or by
    )


def subjects_of(moved: Sequence[Moved]) -> tuple[Subject, ...]:
    """Studies with their instances, and the patients that they are of."""
    studies: dict[str, dict[str, int]] = {}
    patients: dict[str, None] = {}
    for each in moved:
        classes = studies.setdefault(each.study_uid, {})
        classes[each.sop_class_uid] = classes.get(each.sop_class_uid, 0) + each.count
        if each.patient_id:
            patients[each.patient_id] = None
    return (*_studied(studies), *map(audit.patient, patients))


def _named(moved: Sequence[Moved]) -> tuple[Subject, ...]:
    """Studies and patients, where it is not said how many instances."""
    studies = dict.fromkeys(each.study_uid for each in moved)
    patients = dict.fromkeys(each.patient_id for each in moved if each.patient_id)
    return (*(audit.study(uid, {}) for uid in studies), *map(audit.patient, patients))


def _studied(studies: Mapping[str, Mapping[str, int]]) -> tuple[Subject, ...]:
    return tuple(audit.study(uid, classes) for uid, classes in studies.items())


def _peer(config: Config, name: str, role: audit.Code) -> Participant:
    """A peer, also one that the configuration no longer knows."""
    peer = config.peers.get(name)
    if isinstance(peer, WebPeer):
        host = urlsplit(peer.stow).hostname or ""
        return Participant(name, role, False, "", host, _kind(host))
    if not isinstance(peer, DicomPeer):
        return Participant(name, role, False)
    return Participant(name, role, False, peer.ae_title, peer.host, _kind(peer.host))


def _kind(host: str) -> str:
    return audit.ADDRESS if host.replace(".", "").isdigit() or ":" in host else audit.MACHINE_NAME
