"""Opening an association: what is asked, what is answered, the bytes of both (PS3.8 section 9.3, annex D).

Items that this program does not know are skipped, as the standard asks, so that a newer or private item of a
scanner is no reason to refuse it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from qsmnode.errors import PeerError
from qsmnode.node.wire.uids import APPLICATION_CONTEXT, IMPLEMENTATION_CLASS, IMPLEMENTATION_VERSION

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)

ACCEPTED, REFUSED_BY_USER, REFUSED_NO_REASON, REFUSED_ABSTRACT_SYNTAX, REFUSED_TRANSFER_SYNTAX = range(5)
CONTEXT_RESULTS = (
    "accepted",
    "refused by the peer",
    "refused",
    "SOP class refused",
    "transfer syntax refused",
)

_ITEM_APPLICATION = 0x10
_ITEM_CONTEXT_RQ = 0x20
_ITEM_CONTEXT_AC = 0x21
_ITEM_ABSTRACT = 0x30
_ITEM_TRANSFER = 0x40
_ITEM_USER = 0x50
_ITEM_MAX_LENGTH = 0x51
_ITEM_IMPLEMENTATION_CLASS = 0x52
_ITEM_ROLE = 0x54
_ITEM_IMPLEMENTATION_VERSION = 0x55
_FIXED = 68  # protocol version, two AE titles, reserved bytes
_MOST_CONTEXTS = 128


@dataclass(frozen=True)
class ContextProposal:
    """One presentation context that is asked for."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True)
class ContextAnswer:
    """What became of one presentation context."""

    id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True)
class Role:
    """Who may do what with a SOP class: whether the requestor is its user, whether its provider (D.3.3.4)."""

    sop_class: str
    user: bool
    provider: bool


@dataclass(frozen=True)
class Proposal:
    """An A-ASSOCIATE-RQ. ``max_pdu`` is what its sender will take, 0 for any size."""

    called: str
    calling: str
    contexts: tuple[ContextProposal, ...]
    max_pdu: int
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1
    title_bytes: bytes = field(default=bytes(32), repr=False)
    roles: tuple[Role, ...] = ()


@dataclass(frozen=True)
class Acceptance:
    """An A-ASSOCIATE-AC."""

    answers: tuple[ContextAnswer, ...]
    max_pdu: int
    implementation: str = ""
    roles: tuple[Role, ...] = ()


@dataclass(frozen=True)
class Rejection:
    """An A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

    result: int
    source: int
    reason: int

    @property
    def permanent(self) -> bool:
        return self.result == 1

    def __str__(self) -> str:
        known = _REJECTIONS.get((self.source, self.reason))
        lasting = "permanent" if self.permanent else "transient"
        return f"{known or f'source {self.source}, reason {self.reason}'} ({lasting})"


NO_REASON = Rejection(1, 1, 1)
APPLICATION_CONTEXT_UNKNOWN = Rejection(1, 1, 2)
CALLING_UNKNOWN = Rejection(1, 1, 3)
CALLED_UNKNOWN = Rejection(1, 1, 7)
PROTOCOL_UNKNOWN = Rejection(1, 2, 2)
TOO_MANY = Rejection(2, 3, 2)

_REJECTIONS = {
    (1, 1): "no reason given",
    (1, 2): "application context not supported",
    (1, 3): "calling AE title not recognised",
    (1, 7): "called AE title not recognised",
    (2, 1): "no reason given by its service provider",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit of associations exceeded",
}


def pdu(kind: int, payload: bytes) -> bytes:
    """A whole PDU."""
    return struct.pack(">BxI", kind, len(payload)) + payload


def encode_proposal(proposal: Proposal) -> bytes:
    """The A-ASSOCIATE-RQ PDU."""
    contexts = [
        _item(
            _ITEM_CONTEXT_RQ,
            struct.pack(">B3x", context.id)
            + _item(_ITEM_ABSTRACT, context.abstract_syntax.encode("ascii"))
            + b"".join(_item(_ITEM_TRANSFER, uid.encode("ascii")) for uid in context.transfer_syntaxes),
        )
        for context in proposal.contexts
    ]
    titles = proposal.called.encode("ascii").ljust(16) + proposal.calling.encode("ascii").ljust(16)
    return pdu(ASSOCIATE_RQ, _associate(titles, contexts, proposal.max_pdu, proposal.roles))


def encode_acceptance(acceptance: Acceptance, proposal: Proposal) -> bytes:
    """The A-ASSOCIATE-AC PDU that answers ``proposal``."""
    contexts = [
        _item(
            _ITEM_CONTEXT_AC,
            struct.pack(">BxBx", answer.id, answer.result)
            + _item(_ITEM_TRANSFER, answer.transfer_syntax.encode("ascii")),
        )
        for answer in acceptance.answers
    ]
    user = (acceptance.max_pdu, acceptance.roles)
    return pdu(ASSOCIATE_AC, _associate(proposal.title_bytes, contexts, *user))


def encode_rejection(rejection: Rejection) -> bytes:
    """The A-ASSOCIATE-RJ PDU."""
    return pdu(ASSOCIATE_RJ, struct.pack(">xBBB", rejection.result, rejection.source, rejection.reason))


def encode_abort(source: int = 0, reason: int = 0) -> bytes:
    """The A-ABORT PDU; source 0 is the user of the service, 2 the provider (a broken protocol)."""
    return pdu(ABORT, struct.pack(">2xBB", source, reason))


def decode_proposal(payload: bytes) -> Proposal:
    """Read an A-ASSOCIATE-RQ.

    Raises:
        PeerError: it cannot be read.
    """
    if len(payload) < _FIXED:
        raise PeerError(f"association request of {len(payload)} bytes: too short")
    version = int.from_bytes(payload[:2], "big")
    titles = payload[4:36]
    application = ""
    contexts: list[ContextProposal] = []
    max_pdu = 0
    roles: tuple[Role, ...] = ()
    for kind, body in _items(payload[_FIXED:]):
        if kind == _ITEM_APPLICATION:
            application = _uid(body)
        elif kind == _ITEM_CONTEXT_RQ:
            contexts.append(_context_proposal(body))
        elif kind == _ITEM_USER:
            max_pdu, _, roles = _user_information(body)
    if len(contexts) > _MOST_CONTEXTS or len({context.id for context in contexts}) != len(contexts):
        raise PeerError("association request: presentation contexts share an ID")
    return Proposal(
        called=_title(titles[:16]),
        calling=_title(titles[16:]),
        contexts=tuple(contexts),
        max_pdu=max_pdu,
        application_context=application,
        protocol_version=version,
        title_bytes=titles,
        roles=roles,
    )


def decode_acceptance(payload: bytes) -> Acceptance:
    """Read an A-ASSOCIATE-AC.

    Raises:
        PeerError: it cannot be read.
    """
    if len(payload) < _FIXED:
        raise PeerError(f"association answer of {len(payload)} bytes: too short")
    answers: list[ContextAnswer] = []
    max_pdu, implementation = 0, ""
    roles: tuple[Role, ...] = ()
    for kind, body in _items(payload[_FIXED:]):
        if kind == _ITEM_CONTEXT_AC:
            if len(body) < 4:
                raise PeerError("association answer: a presentation context is cut short")
            syntaxes = [_uid(value) for item, value in _items(body[4:]) if item == _ITEM_TRANSFER]
            answers.append(ContextAnswer(body[0], body[2], syntaxes[0] if syntaxes else ""))
        elif kind == _ITEM_USER:
            max_pdu, implementation, roles = _user_information(body)
    return Acceptance(tuple(answers), max_pdu, implementation, roles)


def decode_rejection(payload: bytes) -> Rejection:
    """Read an A-ASSOCIATE-RJ.

    Raises:
        PeerError: it cannot be read.
    """
    if len(payload) < 4:
        raise PeerError("association rejected, in a PDU that is cut short")
    return Rejection(payload[1], payload[2], payload[3])


def _associate(titles: bytes, contexts: Sequence[bytes], max_pdu: int, roles: Sequence[Role]) -> bytes:
    user = (
        _item(_ITEM_MAX_LENGTH, struct.pack(">I", max_pdu))
        + _item(_ITEM_IMPLEMENTATION_CLASS, IMPLEMENTATION_CLASS.encode("ascii"))
        + b"".join(map(_role_item, roles))
        + _item(_ITEM_IMPLEMENTATION_VERSION, IMPLEMENTATION_VERSION.encode("ascii"))
    )
    return (
        struct.pack(">H2x", 1)
        + titles
        + bytes(32)
        + _item(_ITEM_APPLICATION, APPLICATION_CONTEXT.encode("ascii"))
        + b"".join(contexts)
        + _item(_ITEM_USER, user)
    )


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        if position + 4 > len(data):
            raise PeerError("an item of the association request or answer is cut short")
        kind, length = struct.unpack_from(">BxH", data, position)
        position += 4
        if position + length > len(data):
            raise PeerError("an item of the association request or answer is longer than the whole")
        yield kind, data[position : position + length]
        position += length


def _context_proposal(body: bytes) -> ContextProposal:
    if len(body) < 4:
        raise PeerError("association request: a presentation context is cut short")
    abstract = ""
    syntaxes: list[str] = []
    for kind, value in _items(body[4:]):
        if kind == _ITEM_ABSTRACT:
            abstract = _uid(value)
        elif kind == _ITEM_TRANSFER:
            syntaxes.append(_uid(value))
    return ContextProposal(body[0], abstract, tuple(syntaxes))


def _user_information(body: bytes) -> tuple[int, str, tuple[Role, ...]]:
    max_pdu, implementation = 0, ""
    roles: list[Role] = []
    for kind, value in _items(body):
        if kind == _ITEM_MAX_LENGTH and len(value) == 4:
            max_pdu = int.from_bytes(value, "big")
        elif kind == _ITEM_IMPLEMENTATION_VERSION:
            implementation = value.decode("latin-1").strip(" \0")
        elif kind == _ITEM_ROLE:
            roles += _roles(value)
    return max_pdu, implementation, tuple(roles)


def _role_item(role: Role) -> bytes:
    uid = role.sop_class.encode("ascii")
    return _item(_ITEM_ROLE, struct.pack(">H", len(uid)) + uid + bytes((role.user, role.provider)))


def _roles(value: bytes) -> list[Role]:
    """The role selection of one item; none where its length is not its own: the defaults hold then."""
    if len(value) < 4 or len(value) != int.from_bytes(value[:2], "big") + 4:
        return []
    return [Role(_uid(value[2:-2]), value[-2] == 1, value[-1] == 1)]


def _uid(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")


def _title(value: bytes) -> str:
    return value.decode("latin-1").strip(" \0")
