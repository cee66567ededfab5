"""Requests in both directions on an association that this node opens: N-ACTION and N-EVENT-REPORT."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qsmnode.errors import PeerError, PeerUnreachable
from qsmnode.node.wire import acse, command
from qsmnode.node.wire.connection import data_pdu, fragments
from qsmnode.node.wire.requestor import Association, Pair, Target

_LONGEST_COMMAND = 65536

Piece = tuple[int, bool, bool, bytes]
"""Context, whether of a command, whether the last, and its bytes."""


@dataclass(frozen=True)
class Message:
    """What came: in which presentation context, its command and the bytes of its data set."""

    context_id: int
    command: command.Command
    data: bytes

    @property
    def is_answer(self) -> bool:
        return bool(command.number(self.command, command.COMMAND_FIELD) & command.RESPONSE)


Answerer = Callable[[Message], int]
"""Deals with a request of the peer; the status to answer it with."""


class Exchange(Association):
    """An association on which the peer may ask as well, to be used in a ``with`` block.

    Args:
        target: whom to call.
        pairs: of SOP class and transfer syntax.
        roles: where this side is not the user.
        answerer: deals with what the peer asks.
        longest: bytes of a data set that comes in.

    Raises:
        PeerUnreachable: no connection, or no answer in time.
        PeerRefused: the peer wants no association.
    """

    def __init__(
        self,
        target: Target,
        pairs: Sequence[Pair],
        *,
        roles: Sequence[acse.Role] = (),
        answerer: Answerer | None = None,
        longest: int = 0,
    ) -> None:
        super().__init__(target, pairs, roles)
        self._answerer = answerer
        self._longest = longest
        self._pieces: deque[Piece] = deque()

    def __enter__(self) -> Exchange:
        return self

    def demand(self, pair: Pair, fields: Mapping[int, command.Value], data: bytes) -> int:
        """Send a request with a data set; the status that answers it. What the peer asks first is answered.

        Raises:
            PeerUnreachable: the association ended, or no answer came in time.
            PeerError: the answer breaks the protocol.
        """
        context = self._accepted[pair]
        with self._named("a request"):
            self._message_id = self._message_id % 65535 + 1
            request = {
                **fields,
                command.MESSAGE_ID: self._message_id,
                command.DATA_SET_TYPE: command.WITH_DATA_SET,
            }
            self._connection.send_command(context, command.encode(request), self._patience)
            size = self._connection.fragment_size
            for begin in range(0, len(data), size):
                piece, last = data[begin : begin + size], begin + size >= len(data)
                self._connection.send(data_pdu(context, piece, command=False, last=last), self._patience)
            while True:
                came = self._next()
                if came.is_answer:
                    if command.number(came.command, command.MESSAGE_ID_ANSWERED) != self._message_id:
                        raise PeerError("an answer to another request")
                    return command.number(came.command, command.STATUS)
                self._answer_request(came)

    def attend(self, wait_s: float) -> bool:
        """Answer the peer's next request, where one comes within a time; whether one came.

        Raises:
            PeerUnreachable: the association ended.
            PeerError: what came breaks the protocol.
        """
        with self._named("waiting for its request"):
            if not self._pieces and not self._connection.readable(wait_s):
                return False
            came = self._next()
            if came.is_answer:
                raise PeerError("an answer to a question that was not asked")
            self._answer_request(came)
            return True

    def _answer_request(self, came: Message) -> None:
        if self._answerer is None:
            raise PeerError("a request that has no place here")
        kind = command.number(came.command, command.COMMAND_FIELD)
        response: dict[int, command.Value] = {
            command.COMMAND_FIELD: kind | command.RESPONSE,
            command.MESSAGE_ID_ANSWERED: command.number(came.command, command.MESSAGE_ID),
            command.DATA_SET_TYPE: command.NO_DATA_SET,
            command.STATUS: self._answerer(came),
        }
        for element in (command.AFFECTED_SOP_CLASS, command.AFFECTED_SOP_INSTANCE):
            if uid := command.text(came.command, element):
                response[element] = uid
        if command.EVENT_TYPE in came.command:
            response[command.EVENT_TYPE] = came.command[command.EVENT_TYPE]
        self._connection.send_command(came.context_id, command.encode(response), self._patience)

    def _next(self) -> Message:
        """The next whole message."""
        received, data = bytearray(), bytearray()
        found: command.Command | None = None
        while True:
            context_id, is_command, last, fragment = self._piece()
            if is_command == (found is not None) or context_id not in self._accepted.values():
                raise PeerError("a message out of its order")
            (received if is_command else data).extend(fragment)
            if len(received) > _LONGEST_COMMAND or len(data) > self._longest:
                raise PeerError(f"a message with a data set of more than {self._longest} bytes")
            if not last:
                continue
            if found is not None:
                return Message(context_id, found, bytes(data))
            found = command.decode(bytes(received))
            if command.number(found, command.DATA_SET_TYPE) == command.NO_DATA_SET:
                return Message(context_id, found, b"")

    def _piece(self) -> Piece:
        """The next presentation data value; one PDU may hold parts of two messages."""
        while not self._pieces:
            kind, payload = self._connection.read_pdu(self._patience, self._patience)
            if kind == acse.ABORT:
                raise PeerUnreachable("aborted by the peer")
            if kind == acse.RELEASE_RQ:
                raise PeerUnreachable("released by the peer")
            if kind != acse.DATA:
                raise PeerError("an answer that is none")
            self._pieces.extend(
                (context, is_command, last, bytes(data))
                for context, is_command, last, data in fragments(payload)
            )
        return self._pieces.popleft()
