"""Whether a text is an audit message by the schema of DICOM PS3.15 A.5.1: a small judge of its own."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
Judge = Callable[[str], bool]


def _token(text: str) -> bool:
    return text == " ".join(text.split())


def _any(_: str) -> bool:
    return True


def _one_of(*words: str) -> Judge:
    return lambda text: text in words


def _base64(text: str) -> bool:
    return base64.b64encode(base64.b64decode(text, validate=True)).decode() == text


@dataclass(frozen=True)
class Shape:
    """An element: attributes (``?`` at the end: may be left out), and children as name, least, most."""

    attributes: Mapping[str, Judge] = field(default_factory=dict)
    children: tuple[tuple[str, int, int], ...] = ()
    text: bool = False


_MANY = 1000
_CODE = Shape({"csd-code": _token, "codeSystemName": _token, "displayName?": _token, "originalText": _token})
_KINDS = [str(number) for number in range(1, 27)]
SHAPES: Mapping[str, Shape] = {
    "AuditMessage": Shape(
        {},
        (
            ("EventIdentification", 1, 1),
            ("ActiveParticipant", 1, _MANY),
            ("AuditSourceIdentification", 1, 1),
            ("ParticipantObjectIdentification", 0, _MANY),
        ),
    ),
    "EventIdentification": Shape(
        {
            "EventActionCode?": _one_of("C", "R", "U", "D", "E"),
            "EventDateTime": lambda text: _DATE_TIME.fullmatch(text) is not None,
            "EventOutcomeIndicator": _one_of("0", "4", "8", "12"),
        },
        (("EventID", 1, 1), ("EventTypeCode", 0, _MANY), ("EventOutcomeDescription", 0, 1)),
    ),
    "EventID": _CODE,
    "EventTypeCode": _CODE,
    "RoleIDCode": _CODE,
    "ParticipantObjectIDTypeCode": _CODE,
    "EventOutcomeDescription": Shape(text=True),
    "ActiveParticipant": Shape(
        {
            "UserID": _any,
            "AlternativeUserID?": _any,
            "UserName?": _any,
            "UserIsRequestor": _one_of("true", "false"),
            "NetworkAccessPointID?": _token,
            "NetworkAccessPointTypeCode?": _one_of("1", "2", "3", "4", "5"),
        },
        (("RoleIDCode", 0, _MANY),),
    ),
    "AuditSourceIdentification": Shape(
        {"AuditEnterpriseSiteID?": _token, "AuditSourceID": _token}, (("AuditSourceTypeCode", 0, _MANY),)
    ),
    "AuditSourceTypeCode": Shape({"csd-code": _one_of(*"123456789")}),
    "ParticipantObjectIdentification": Shape(
        {
            "ParticipantObjectID": _token,
            "ParticipantObjectTypeCode?": _one_of("1", "2", "3", "4"),
            "ParticipantObjectTypeCodeRole?": _one_of(*_KINDS),
            "ParticipantObjectDataLifeCycle?": _one_of(*_KINDS[:15]),
        },
        (
            ("ParticipantObjectIDTypeCode", 1, 1),
            ("ParticipantObjectName", 0, 1),
            ("ParticipantObjectQuery", 0, 1),
            ("ParticipantObjectDetail", 0, _MANY),
            ("ParticipantObjectDescription", 0, _MANY),
        ),
    ),
    "ParticipantObjectName": Shape(text=True),
    "ParticipantObjectQuery": Shape(text=True),
    "ParticipantObjectDetail": Shape({"type": _token, "value": _base64}),
    "ParticipantObjectDescription": Shape({}, (("SOPClass", 0, _MANY),)),
    "SOPClass": Shape({"UID?": _token, "NumberOfInstances": str.isdigit}),
}


def faults(message: bytes) -> list[str]:
    """What is wrong with it; nothing where it is an audit message."""
    if b"\n" in message:
        return ["more than one line"]
    root = ElementTree.fromstring(message)
    found = [] if root.tag == "AuditMessage" else [f"the root is {root.tag}"]
    return found + [fault for element in root.iter() for fault in _faults_of(element)]


def _faults_of_choice(element: ElementTree.Element, names: list[str]) -> list[str]:
    """A name or a query, in base 64."""
    found = []
    if names.count("ParticipantObjectName") + names.count("ParticipantObjectQuery") != 1:
        found.append(f"{element.tag}: neither a name nor a query, or both")
    asked = element.findtext("ParticipantObjectQuery")
    if asked is not None and not _base64(asked):
        found.append(f"{element.tag}: a query that is not in base 64")
    return found


def _faults_of(element: ElementTree.Element) -> list[str]:
    shape = SHAPES.get(element.tag)
    if shape is None:
        return [f"{element.tag}: unknown"]
    found = []
    known = {name.rstrip("?"): judge for name, judge in shape.attributes.items()}
    for name, value in element.attrib.items():
        if name not in known or not known[name](value):
            found.append(f"{element.tag}.{name} = {value!r}")
    wanted = [name for name in shape.attributes if not name.endswith("?")]
    found += [f"{element.tag}.{name}: missing" for name in wanted if name not in element.attrib]
    if (element.text or "").strip() and not shape.text:
        found.append(f"{element.tag}: text")
    names = [child.tag for child in element]
    if element.tag == "ParticipantObjectIdentification":
        found += _faults_of_choice(element, names)
    order = [name for name, _, _ in shape.children]
    if names != sorted(names, key=lambda name: order.index(name) if name in order else -1):
        found.append(f"{element.tag}: children in the order {names}")
    for name, least, most in shape.children:
        if not least <= names.count(name) <= most:
            found.append(f"{element.tag}: {names.count(name)} x {name}")
    found += [f"{element.tag}: holds {name}" for name in names if name not in order]
    return found
