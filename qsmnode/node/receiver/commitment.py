"""Storage commitment on an association that a peer has opened: requests, and reports in both directions."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from qsmnode.errors import PeerError
from qsmnode.ledger.store import Store
from qsmnode.node.commitment_messages import report_of, take_demand, take_report
from qsmnode.node.receiver.intake import Answer
from qsmnode.node.wire import acse, command, status
from qsmnode.node.wire.acse import ContextAnswer, ContextProposal, Proposal, Role
from qsmnode.node.wire.command import Command
from qsmnode.node.wire.commitment import LONGEST
from qsmnode.node.wire.connection import Connection, data_pdu
from qsmnode.node.wire.uids import EXPLICIT_LITTLE, IMPLICIT_LITTLE, STORAGE_COMMITMENT

LOOK_S = 0.2
"""How often a session looks whether a report can be sent on it."""

_QUIET_S = 1.0
"""A peer that leaves its association open for so long after its request wants the report on it."""

_OWN_AFTER_S = 30.0
"""Then the report goes out on an association of this node's own."""


@dataclass(frozen=True)
class Offers:
    """What a peer may do with storage commitment here.

    Attributes:
        provide: whether it may ask this node to keep what it sent.
        asked: whether it is asked by this node, and so may report.
    """

    provide: bool
    asked: bool

    def contexts(self, proposal: Proposal, answers: Sequence[ContextAnswer]) -> tuple[ContextAnswer, ...]:
        """The answers to what was proposed, with those for storage commitment."""
        proposed = {each.id: each for each in proposal.contexts}
        return tuple(
            self._answer(proposed[one.id])
            if proposed[one.id].abstract_syntax == STORAGE_COMMITMENT and (self.provide or self.asked)
            else one
            for one in answers
        )

    def roles(self, proposal: Proposal) -> tuple[Role, ...]:
        """The answer to the roles that were proposed for it."""
        return tuple(
            Role(role.sop_class, role.user and self.provide, role.provider and self.asked)
            for role in proposal.roles
            if role.sop_class == STORAGE_COMMITMENT
        )

    def _answer(self, context: ContextProposal) -> ContextAnswer:
        for syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE):
            if syntax in context.transfer_syntaxes:
                return ContextAnswer(context.id, acse.ACCEPTED, syntax)
        return ContextAnswer(context.id, acse.REFUSED_TRANSFER_SYNTAX, IMPLICIT_LITTLE)


class Gathered:
    """The data set of a request, kept in memory to its end."""

    def __init__(self, finish: Callable[[bytes], Answer]) -> None:
        self._finish = finish
        self._data = bytearray()

    def take(self, data: memoryview) -> None:
        """The next bytes."""
        self._data += data
        if len(self._data) > LONGEST:
            raise PeerError(f"a storage commitment message of more than {LONGEST >> 20} MB")

    def finish(self) -> Answer:
        """What to answer."""
        return self._finish(bytes(self._data))

    def discard(self) -> None:
        """Nothing was kept."""


@dataclass
class _Waiting:
    """A request that was taken, and whose report may go out here."""

    promise: int
    context_id: int
    transfer_syntax: str
    since: float = field(default_factory=time.monotonic)


class Commitments:
    """The part of one association that is storage commitment.

    Args:
        store: where requests and reports are noted.
        peer: the name of the peer at the other end.
        provide: whether it may ask this node to keep what it sent.
        connection: to it.
        timeout_s: for sending.
    """

    def __init__(
        self, store: Store, peer: str, connection: Connection, *, provide: bool, timeout_s: float
    ) -> None:
        self._store = store
        self._peer = peer
        self._provide = provide
        self._connection = connection
        self._timeout_s = timeout_s
        self._message_id = 0
        self._waiting: list[_Waiting] = []
        self._sent: _Waiting | None = None

    def gather(self, context_id: int, transfer_syntax: str, received: Command) -> Gathered:
        """Get ready for the data set of a request."""

        def finish(data: bytes) -> Answer:
            kind = command.number(received, command.COMMAND_FIELD)
            if kind == command.N_ACTION_RQ and self._provide:
                return self._demanded(context_id, transfer_syntax, received, data)
            return Answer(take_report(self._store, self._peer, received, data, transfer_syntax))

        return Gathered(finish)

    @property
    def waits(self) -> bool:
        """Whether a report may go out here soon."""
        return self._sent is None and bool(self._waiting)

    def tend(self) -> None:
        """While the peer is silent: send a report that is ready, give up one that takes too long."""
        for waiting in list(self._waiting):
            silent = time.monotonic() - waiting.since
            row = self._store.promises.get(waiting.promise)
            if row.state == "checked" and silent >= _QUIET_S:
                self._waiting.remove(waiting)
                self._send(waiting)
                return
            if silent >= _OWN_AFTER_S:
                self._waiting.remove(waiting)  # it is due on an association of this node's own by now

    def answered(self, received: Command) -> None:
        """The peer's answer to a report.

        Raises:
            PeerError: none was sent.
        """
        sent, self._sent = self._sent, None
        if sent is None or received.get(command.MESSAGE_ID_ANSWERED) != self._message_id:
            raise PeerError("an answer to a question that was not asked")
        code = command.number(received, command.STATUS)
        if code == status.SUCCESS:
            self._store.promises.reported(sent.promise)
        else:
            self._store.promises.put_off(sent.promise, 0.0)

    def end(self) -> None:
        """The association has ended: what it did not bring to an end is reported on another one, at once."""
        with contextlib.suppress(sqlite3.Error):  # due without it as well, only later
            for waiting in [*self._waiting, *([self._sent] if self._sent else [])]:
                self._store.promises.put_off(waiting.promise, 0.0)
        self._waiting.clear()
        self._sent = None

    def _demanded(self, context_id: int, syntax: str, received: Command, data: bytes) -> Answer:
        later = time.time() + _OWN_AFTER_S
        code, promise = take_demand(self._store, self._peer, received, data, syntax, later)
        if promise is not None:
            self._waiting.append(_Waiting(promise, context_id, syntax))
        return Answer(code)

    def _send(self, waiting: _Waiting) -> None:
        row = self._store.promises.get(waiting.promise)
        fields, data = report_of(self._store, row, waiting.transfer_syntax)
        self._message_id = self._message_id % 65535 + 1
        request = {
            **fields,
            command.MESSAGE_ID: self._message_id,
            command.DATA_SET_TYPE: command.WITH_DATA_SET,
        }
        self._store.promises.put_off(waiting.promise, time.time() + self._timeout_s)
        self._sent = waiting
        self._connection.send_command(waiting.context_id, command.encode(request), self._timeout_s)
        size = self._connection.fragment_size
        for begin in range(0, len(data), size):
            piece, last = data[begin : begin + size], begin + size >= len(data)
            pdu = data_pdu(waiting.context_id, piece, command=False, last=last)
            self._connection.send(pdu, self._timeout_s)
