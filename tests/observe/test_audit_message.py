"""Audit messages: valid by DICOM's schema whatever comes from the wire, and never with a patient's name."""

from __future__ import annotations

import base64
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.observe import audit_message as audit
from qsmnode.observe.audit_message import Message, Participant, Subject, encode
from tests.observe.audit_schema import faults

_HERE = Participant("QSMNODE", audit.APPLICATION, False, "QSMNODE", "node1", audit.MACHINE_NAME)
_WIRE = st.text(max_size=20)


def _message(*subjects: Subject, words: str = "") -> Message:
    return Message(audit.INSTANCES_TRANSFERRED, audit.CREATE, 0.5, (_HERE,), subjects, words=words)


def test_what_it_says() -> None:
    text = encode(_message(audit.study("2.25.1", {"1.2": 3}), audit.patient("P1")), "QSMNODE")
    assert faults(text) == []
    root = ElementTree.fromstring(text)
    event = root.find("EventIdentification")
    assert event is not None
    assert event.get("EventDateTime") == "1970-01-01T00:00:00.500Z"
    assert event.find("EventID").attrib == {  # type: ignore[union-attr]
        "csd-code": "110104",
        "codeSystemName": "DCM",
        "originalText": "DICOM Instances Transferred",
    }
    assert [each.get("ParticipantObjectID") for each in root.iter("ParticipantObjectIdentification")] == [
        "2.25.1",
        "P1",
    ]
    assert root.find(".//SOPClass").attrib == {"UID": "1.2", "NumberOfInstances": "3"}  # type: ignore[union-attr]
    assert not root.find(".//ParticipantObjectName").text  # type: ignore[union-attr]


@given(st.binary(min_size=1, max_size=200), st.sampled_from(["", "1.2.840.10008.5.1.4.1.2.2.1"]))
def test_a_question_is_told_as_it_was_asked(asked: bytes, sop_class: str) -> None:
    text = encode(_message(audit.query(sop_class, "1.2.840.10008.1.2", asked)), "QSMNODE")
    assert faults(text) == []
    (subject,) = ElementTree.fromstring(text).iter("ParticipantObjectIdentification")
    assert base64.b64decode(subject.findtext("ParticipantObjectQuery", "")) == asked
    details = {each.get("type"): each.get("value", "") for each in subject.iter("ParticipantObjectDetail")}
    if sop_class:
        assert base64.b64decode(details["TransferSyntax"]) == b"1.2.840.10008.1.2"
    else:
        assert details == {}


@given(_WIRE, _WIRE, _WIRE, _WIRE)
def test_it_is_valid_xml_whatever_came_from_the_wire(user: str, titles: str, why: str, address: str) -> None:
    alert = Subject(address, audit.NODE, "2", "13", details={"Alert Description": why})
    message = Message(
        audit.SECURITY_ALERT,
        audit.EXECUTE,
        1e9,
        (_HERE, Participant(user, None, True, titles, address)),
        (alert,),
        types=(audit.NODE_AUTHENTICATION,),
        outcome=audit.MINOR_FAILURE,
        words=why,
    )
    text = encode(message, "QSMNODE")
    # what is not one token stays visible as it came: an attacker's spaces are no fault of the message
    assert [
        fault for fault in faults(text) if "NetworkAccess" not in fault and "ObjectID =" not in fault
    ] == []
    detail = ElementTree.fromstring(text).find(".//ParticipantObjectDetail")
    assert detail is not None
    assert base64.b64decode(detail.get("value", "")).decode() == why


def test_somebody_took_part() -> None:
    with pytest.raises(ValueError, match="expected a participant"):
        encode(Message(audit.EXPORT, audit.READ, 0.0, ()), "QSMNODE")


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (b'EventActionCode="C"', b'EventActionCode="X"', "EventActionCode"),
        (b'csd-code="110104"', b"", "csd-code: missing"),
        (b"<ParticipantObjectName />", b"", "neither a name nor a query"),
        (b"AuditSourceIdentification", b"Elsewhere", "unknown"),
        (b'NumberOfInstances="3"', b'NumberOfInstances="three"', "NumberOfInstances"),
    ],
)
def test_the_judge_finds_faults(before: bytes, after: bytes, fault: str) -> None:
    text = encode(_message(audit.study("2.25.1", {"1.2": 3})), "QSMNODE")
    assert before in text
    assert any(fault in each for each in faults(text.replace(before, after)))
