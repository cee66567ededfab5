"""From events of the ledger to audit messages: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qsmnode.config import Config, DicomPeer, FolderPeer
from qsmnode.ledger.trail import Moved, Transfer
from qsmnode.observe import audit_message as audit
from qsmnode.observe.audit_message import Message, Participant, Subject


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
    host = peer.host if isinstance(peer, DicomPeer) else ""
    titles = peer.ae_title if isinstance(peer, DicomPeer) else ""
    there = Participant(transfer.peer, audit.DESTINATION, False, titles, host, _kind(host))
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


def _studied(studies: Mapping[str, Mapping[str, int]]) -> tuple[Subject, ...]:
    return tuple(audit.study(uid, classes) for uid, classes in studies.items())


def _kind(host: str) -> str:
    return audit.ADDRESS if host.replace(".", "").isdigit() or ":" in host else audit.MACHINE_NAME
