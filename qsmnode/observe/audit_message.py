"""DICOM audit messages (PS3.15 A.5): what happened, who took part, what it was about, as one line of XML."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.etree import ElementTree

_NO_XML = re.compile("[^\t\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SERVER_PROCESS = "4"  # PS3.15 A.5.1.2.1
ADDRESS = "2"
MACHINE_NAME = "1"
SUCCESS, MINOR_FAILURE, SERIOUS_FAILURE = "0", "4", "8"
CREATE, READ, DELETE, EXECUTE = "C", "R", "D", "E"


@dataclass(frozen=True)
class Code:
    """A coded term; of DICOM's own scheme unless another is given."""

    value: str
    meaning: str
    scheme: str = "DCM"


APPLICATION_ACTIVITY = Code("110100", "Application Activity")
BEGIN_TRANSFERRING = Code("110102", "Begin Transferring DICOM Instances")
INSTANCES_ACCESSED = Code("110103", "DICOM Instances Accessed")
INSTANCES_TRANSFERRED = Code("110104", "DICOM Instances Transferred")
EXPORT = Code("110106", "Export")
QUERY = Code("110112", "Query")
SECURITY_ALERT = Code("110113", "Security Alert")
START = Code("110120", "Application Start")
STOP = Code("110121", "Application Stop")
NODE_AUTHENTICATION = Code("110126", "Node Authentication")
APPLICATION = Code("110150", "Application")
DESTINATION = Code("110152", "Destination Role ID")
SOURCE = Code("110153", "Source Role ID")
DESTINATION_MEDIA = Code("110154", "Destination Media")
STUDY = Code("110180", "Study Instance UID")
SOP_CLASS = Code("110181", "SOP Class UID")
QIDO = Code("RAD-129", "QIDO-RS Query", "IHE Transactions")
NODE = Code("110182", "Node ID")
PATIENT_NUMBER = Code("2", "Patient Number", "RFC-3881")


@dataclass(frozen=True)
class Participant:
    """A person or a program that took part; ``access_kind`` is MACHINE_NAME or ADDRESS."""

    user: str
    role: Code | None
    requested: bool
    titles: str = ""
    access_point: str = ""
    access_kind: str = ADDRESS


@dataclass(frozen=True)
class Subject:
    """What it was about.

    Attributes:
        kind: 1 person, 2 system object.
        role: 1 patient, 3 report (a study, a DICOM query), 13 security resource, 24 query.
        classes: of a study: SOP class to the number of instances.
        details: of an alert or a query: name to words.
        query: of a query: what was asked, byte for byte.
    """

    identity: str
    identity_type: Code
    kind: str
    role: str
    classes: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    query: bytes = b""


@dataclass(frozen=True)
class Message:
    """One event."""

    event: Code
    action: str
    at: float
    participants: tuple[Participant, ...]
    subjects: tuple[Subject, ...] = ()
    types: tuple[Code, ...] = ()
    outcome: str = SUCCESS
    words: str = ""


def patient(identity: str) -> Subject:
    """A patient, by the identity that the objects carry; never by name."""
    return Subject(identity, PATIENT_NUMBER, "1", "1")


def study(uid: str, classes: Mapping[str, int]) -> Subject:
    """A study, with how many instances of which SOP class."""
    return Subject(uid, STUDY, "2", "3", classes=classes)


def query(sop_class_uid: str, transfer_syntax: str, asked: bytes) -> Subject:
    """A question: of a SOP class in a transfer syntax, or a URL where both are empty."""
    if not sop_class_uid:
        return Subject(QIDO.meaning, QIDO, "2", "24", query=asked)
    return Subject(
        sop_class_uid, SOP_CLASS, "2", "3", details={"TransferSyntax": transfer_syntax}, query=asked
    )


def encode(message: Message, source: str) -> bytes:
    """A message as one line of XML, UTF-8, in the order of the schema of PS3.15 A.5.1.

    Args:
        message: what to tell.
        source: AE title of the node that tells it.

    Raises:
        ValueError: nobody took part: the schema wants somebody.
    """
    if not message.participants:
        raise ValueError(f"audit message {message.event.meaning}: expected a participant, got none")
    root = ElementTree.Element("AuditMessage")
    event = _add(
        root,
        "EventIdentification",
        EventActionCode=message.action,
        EventDateTime=_time(message.at),
        EventOutcomeIndicator=message.outcome,
    )
    _add_code(event, "EventID", message.event)
    for each in message.types:
        _add_code(event, "EventTypeCode", each)
    if message.words:
        _add(event, "EventOutcomeDescription").text = _clean(message.words)
    for participant in message.participants:
        _add_participant(root, participant)
    identification = _add(root, "AuditSourceIdentification", AuditSourceID=source)
    _add(identification, "AuditSourceTypeCode", **{"csd-code": _SERVER_PROCESS})
    for subject in message.subjects:
        _add_subject(root, subject)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode()


def _add(parent: ElementTree.Element, name: str, **attributes: str) -> ElementTree.Element:
    cleaned = {key: _clean(value) for key, value in attributes.items() if value != ""}
    return ElementTree.SubElement(parent, name, cleaned)


def _add_code(parent: ElementTree.Element, name: str, code: Code) -> None:
    _add(
        parent,
        name,
        **{"csd-code": code.value, "codeSystemName": code.scheme, "originalText": code.meaning},
    )


def _add_participant(root: ElementTree.Element, participant: Participant) -> None:
    made = ElementTree.SubElement(root, "ActiveParticipant", dict(_participant_attributes(participant)))
    if participant.role is not None:
        _add_code(made, "RoleIDCode", participant.role)


def _participant_attributes(participant: Participant) -> Iterator[tuple[str, str]]:
    yield "UserID", _clean(participant.user)
    if participant.titles:
        yield "AlternativeUserID", f"AETITLES={_clean(participant.titles)}"
    yield "UserIsRequestor", "true" if participant.requested else "false"
    if participant.access_point:
        yield "NetworkAccessPointID", _clean(participant.access_point)
        yield "NetworkAccessPointTypeCode", participant.access_kind


def _add_subject(root: ElementTree.Element, subject: Subject) -> None:
    made = ElementTree.SubElement(
        root,
        "ParticipantObjectIdentification",
        {
            "ParticipantObjectID": _clean(subject.identity),
            "ParticipantObjectTypeCode": subject.kind,
            "ParticipantObjectTypeCodeRole": subject.role,
        },
    )
    _add_code(made, "ParticipantObjectIDTypeCode", subject.identity_type)
    if subject.query:  # in place of the name
        _add(made, "ParticipantObjectQuery").text = base64.b64encode(subject.query).decode("ascii")
    else:
        _add(made, "ParticipantObjectName")  # the schema wants it, nobody wants a patient's name in a log
    for name, words in subject.details.items():
        value = base64.b64encode(words.encode("utf-8", "replace")).decode("ascii")
        ElementTree.SubElement(made, "ParticipantObjectDetail", {"type": name, "value": value})
    if subject.classes:
        description = _add(made, "ParticipantObjectDescription")
        for uid, count in sorted(subject.classes.items()):
            _add(description, "SOPClass", UID=uid, NumberOfInstances=str(count))


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _clean(text: str) -> str:
    """Text that XML can hold, on one line."""
    return _NO_XML.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
