"""Asking: an association that this node opens, C-ECHO, C-STORE and questions with an identifier on it."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from qsmnode.errors import PeerError, PeerRefused, PeerUnreachable, UnreadableDicom, UsageError
from qsmnode.node.wire import acse, command
from qsmnode.node.wire.connection import MAX_PDU, Connection, data_pdu, fragments
from qsmnode.node.wire.part10 import Part10
from qsmnode.node.wire.tls import TlsFiles, client_context, explain, has_subject, subject_text
from qsmnode.node.wire.uids import uid_name

MOST_CONTEXTS = 128
_CLOSE_S = 2.0
_LONGEST_COMMAND = 65536
_LONGEST_IDENTIFIER = 65536
_PENDING = (0xFF00, 0xFF01)
_OPENING = "opening the association"

Pair = tuple[str, str]
"""SOP class and transfer syntax, proposed and accepted together."""


@dataclass(frozen=True)
class Reply:
    """One answer to a question: its command, and the bytes of its identifier where it has one."""

    command: command.Command
    identifier: bytes

    @property
    def status(self) -> int:
        return command.number(self.command, command.STATUS)

    @property
    def is_last(self) -> bool:
        return self.status not in _PENDING


@dataclass(frozen=True)
class TlsCall:
    """How a peer is called with TLS.

    Attributes:
        files: what this side shows, and whom it trusts; read for each call, so that they can be renewed.
        name: what the peer's certificate is for.
        subject: its subject, in place of the name; None: the name decides.
    """

    files: TlsFiles
    name: str
    subject: str | None = None


@dataclass(frozen=True)
class Target:
    """A peer to call, and how patient to be with it; without ``tls`` it is called in the clear."""

    name: str
    host: str
    port: int
    called: str
    calling: str
    connect_timeout_s: float
    response_timeout_s: float
    tls: TlsCall | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.called} at {self.host}:{self.port})"


class Association:
    """An open association, to be used in a ``with`` block: released at its end, aborted on an error.

    Args:
        target: whom to call.
        pairs: at most 128 pairs of SOP class and transfer syntax; each becomes a presentation context.
        roles: where this side is not the user of a class, as PS3.8 has it by default.

    Raises:
        PeerUnreachable: no connection, or no answer in time.
        PeerRefused: the peer wants no association.
    """

    def __init__(self, target: Target, pairs: Sequence[Pair], roles: Sequence[acse.Role] = ()) -> None:
        self.target = target
        self._message_id = 0
        self.implementation = ""
        self._accepted: dict[Pair, int] = {}
        self._refused: dict[Pair, str] = {}
        self._connection = _connect(target)
        try:
            with self._named(_OPENING):
                self._negotiate(dict(zip(range(1, 2 * MOST_CONTEXTS, 2), pairs, strict=False)), roles)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Association:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None or issubclass(kind, GeneratorExit):
                self._release()
            else:
                self._connection.abort()
        finally:
            self._connection.close()

    def refusal(self, pair: Pair) -> str | None:
        """Why the peer takes no such objects, None where it does."""
        return None if pair in self._accepted else self._refused.get(pair, "not answered")

    def echo(self, pair: Pair) -> int:
        """C-ECHO in the context of ``pair``; the status.

        Raises:
            PeerUnreachable: the association ended, or no answer came in time.
            PeerError: the answer breaks the protocol.
        """
        with self._named("C-ECHO"):
            request = self._request(command.C_ECHO_RQ, pair[0], command.NO_DATA_SET)
            self._connection.send_command(self._accepted[pair], command.encode(request), self._patience)
            return command.number(self._response(), command.STATUS)

    def store(self, file: Part10) -> tuple[int, str]:
        """C-STORE of a file's data set, byte for byte; status and the peer's comment.

        Raises:
            PeerUnreachable: the association ended, or no answer came in time.
            PeerError: the answer breaks the protocol.
            UnreadableDicom: the file cannot be read to its end; nothing more can be sent here then.
        """
        context = self._accepted[file.sop_class_uid, file.transfer_syntax]
        with self._named(f"sending {file.sop_instance_uid}"):
            request = self._request(command.C_STORE_RQ, file.sop_class_uid, command.WITH_DATA_SET)
            request[command.PRIORITY] = command.MEDIUM_PRIORITY
            request[command.AFFECTED_SOP_INSTANCE] = file.sop_instance_uid
            self._connection.send_command(context, command.encode(request), self._patience)
            self._send_data_set(context, file)
            answer = self._response()
            return command.number(answer, command.STATUS), command.text(answer, command.ERROR_COMMENT)

    def ask(
        self, pair: Pair, kind: int, identifier: bytes, extra: Mapping[int, command.Value]
    ) -> Iterator[Reply]:
        """C-FIND or C-MOVE in the context of ``pair``: each answer as it comes, up to and with the last.

        Args:
            pair: an accepted one.
            kind: the command field.
            identifier: what is asked, in the pair's transfer syntax.
            extra: further elements of the command.

        Raises:
            PeerUnreachable: the association ended, or no answer came in time.
            PeerError: an answer breaks the protocol or is larger than any can be.
        """
        context = self._accepted[pair]
        request = {**self._request(kind, pair[0], command.WITH_DATA_SET), **extra}
        request[command.PRIORITY] = command.MEDIUM_PRIORITY
        with self._named("a question"):
            self._connection.send_command(context, command.encode(request), self._patience)
            size = self._connection.fragment_size
            for begin in range(0, len(identifier), size):
                piece, last = identifier[begin : begin + size], begin + size >= len(identifier)
                self._connection.send(data_pdu(context, piece, command=False, last=last), self._patience)
            while True:
                reply = Reply(*self._message(_LONGEST_IDENTIFIER))
                yield reply
                if reply.is_last:
                    return

    @property
    def _patience(self) -> float:
        return self.target.response_timeout_s

    @contextlib.contextmanager
    def _named(self, doing: str) -> Iterator[None]:
        """Errors from the wire say whom and what they are about."""
        try:
            yield
        except PeerUnreachable as error:
            why = explain(error.__cause__) if isinstance(error.__cause__, ssl.SSLError) else error
            if self.target.tls is not None and doing == _OPENING:
                # TLS 1.3: what the peer thinks of our certificate comes after the handshake
                why = f"{why}; does it accept this node's certificate?"
            raise PeerUnreachable(f"{self.target}: {doing}: {why}") from error
        except PeerRefused:
            raise
        except PeerError as error:
            raise PeerError(f"{self.target}: {doing}: {error}") from error

    def _negotiate(self, pairs: dict[int, Pair], roles: Sequence[acse.Role]) -> None:
        proposal = acse.Proposal(
            called=self.target.called,
            calling=self.target.calling,
            contexts=tuple(acse.ContextProposal(i, each[0], (each[1],)) for i, each in pairs.items()),
            max_pdu=MAX_PDU,
            roles=tuple(roles),
        )
        limit = self.target.connect_timeout_s
        self._connection.send(acse.encode_proposal(proposal), limit)
        kind, payload = self._connection.read_pdu(limit, limit)
        if kind == acse.ASSOCIATE_RJ:
            rejection = acse.decode_rejection(bytes(payload))
            raise PeerRefused(
                f"{self.target}: refuses the association: {rejection}; does it list {self.target.calling}"
                f" with this host's address, and is it called {self.target.called}?",
                permanent=rejection.permanent,
            )
        if kind == acse.ABORT:
            raise PeerUnreachable("aborted by the peer")
        if kind != acse.ASSOCIATE_AC:
            raise PeerError("the answer to the association request is none")
        acceptance = acse.decode_acceptance(bytes(payload))
        self.implementation = acceptance.implementation
        self._connection.peer_max_pdu = acceptance.max_pdu
        for answer in acceptance.answers:
            pair = pairs.get(answer.id)
            if pair is None:
                continue
            if answer.result == acse.ACCEPTED and answer.transfer_syntax == pair[1]:
                self._accepted[pair] = answer.id
            else:
                self._refused[pair] = acse.CONTEXT_RESULTS[min(answer.result, 4)]

    def _request(self, kind: int, sop_class: str, data_set: int) -> dict[int, command.Value]:
        self._message_id = self._message_id % 65535 + 1
        return {
            command.AFFECTED_SOP_CLASS: sop_class,
            command.COMMAND_FIELD: kind,
            command.MESSAGE_ID: self._message_id,
            command.DATA_SET_TYPE: data_set,
        }

    def _send_data_set(self, context: int, file: Part10) -> None:
        size, left = self._connection.fragment_size, file.size
        try:
            with file.path.open("rb", buffering=0) as source:
                source.seek(file.offset)
                while left:
                    chunk = source.read(min(size, left))
                    if not chunk:
                        raise UnreadableDicom(f"{file.path.name}: it became shorter while it was sent")
                    left -= len(chunk)
                    self._connection.send(
                        data_pdu(context, chunk, command=False, last=not left), self._patience
                    )
        except OSError as error:
            raise UnreadableDicom(f"{file.path.name}: cannot be read ({error.strerror})") from error

    def _response(self) -> command.Command:
        return self._message(0)[0]

    def _message(self, longest: int) -> tuple[command.Command, bytes]:
        """The next answer, and its data set of at most so many bytes."""
        received, data = bytearray(), bytearray()
        answer: command.Command | None = None
        while True:
            for is_command, last, fragment in self._fragments():
                (received if is_command else data).extend(fragment)
                if is_command == (answer is not None):
                    raise PeerError("an answer out of its order")
                if len(received) > _LONGEST_COMMAND or len(data) > longest:
                    raise PeerError(f"an answer with a data set of more than {longest} bytes")
                if answer is None and last:
                    answer = self._answer(bytes(received))
                    if command.number(answer, command.DATA_SET_TYPE) == command.NO_DATA_SET:
                        return answer, b""
                elif answer is not None and last:
                    return answer, bytes(data)

    def _fragments(self) -> Iterator[tuple[bool, bool, memoryview]]:
        kind, payload = self._connection.read_pdu(self._patience, self._patience)
        if kind == acse.ABORT:
            raise PeerUnreachable("aborted by the peer")
        if kind == acse.RELEASE_RQ:
            raise PeerUnreachable("released by the peer before it answered")
        if kind != acse.DATA:
            raise PeerError("an answer that is none")
        for _context, is_command, last, data in fragments(payload):
            yield is_command, last, data

    def _answer(self, received: bytes) -> command.Command:
        answer = command.decode(received)
        if command.number(answer, command.MESSAGE_ID_ANSWERED) != self._message_id:
            raise PeerError("an answer to another request")
        return answer

    def _release(self) -> None:
        """Part in peace; a peer that doesn't answer to that has lost nothing."""
        with contextlib.suppress(PeerError):
            self._connection.send(acse.pdu(acse.RELEASE_RQ, bytes(4)), _CLOSE_S)
            self._connection.read_pdu(_CLOSE_S, _CLOSE_S)


def pair_name(pair: Pair) -> str:
    """A pair for people."""
    return f"{uid_name(pair[0])} in {uid_name(pair[1])}"


def _connect(target: Target) -> Connection:
    try:
        link = socket.create_connection((target.host, target.port), timeout=target.connect_timeout_s)
    except socket.gaierror as error:
        raise PeerUnreachable(f"{target}: its host name is unknown here ({error.strerror})") from error
    except TimeoutError as error:
        raise PeerUnreachable(
            f"{target}: no connection within {target.connect_timeout_s:g} s; is it on, is a firewall between?"
        ) from error
    except OSError as error:
        raise PeerUnreachable(
            f"{target}: no connection ({error.strerror}); does it listen on that port?"
        ) from error
    if target.tls is None:
        return Connection(link)
    try:
        return Connection(_secured(link, target, target.tls))
    except BaseException:
        link.close()
        raise


def _secured(link: socket.socket, target: Target, call: TlsCall) -> ssl.SSLSocket:
    try:
        context = client_context(call.files, check_name=call.subject is None)
        link.settimeout(target.connect_timeout_s)  # of the whole handshake
        secured = context.wrap_socket(link, server_hostname=call.name)
    except UsageError as error:
        raise PeerUnreachable(f"{target}: {error}") from error
    except TimeoutError as error:
        raise PeerUnreachable(
            f"{target}: no TLS handshake within {target.connect_timeout_s:g} s; is that its port for TLS?"
        ) from error
    except (ssl.SSLEOFError, ConnectionError) as error:
        raise PeerUnreachable(
            f"{target}: no TLS: it closed the connection; is that its port for TLS?"
        ) from error
    except OSError as error:
        raise PeerUnreachable(f"{target}: no TLS: {explain(error)}") from error
    certificate = secured.getpeercert()
    if call.subject is not None and not has_subject(certificate, call.subject):
        secured.close()
        raise PeerUnreachable(
            f"{target}: its certificate is of {subject_text(certificate)}, expected {call.subject}"
        )
    return secured
