"""A caller that says exactly what a test tells it to, right or wrong."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from qsmnode.errors import PeerUnreachable
from qsmnode.node.wire import acse, command
from qsmnode.node.wire.acse import ContextProposal, Proposal
from qsmnode.node.wire.connection import Connection, data_pdu, fragments

MR, EXPLICIT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.2.1"
VERIFICATION, IMPLICIT = "1.2.840.10008.1.1", "1.2.840.10008.1.2"


class Caller:
    """A raw connection; context 1 is MR, context 3 verification."""

    def __init__(self, port: int, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.link = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))
        if tls is not None:
            self.link = tls.wrap_socket(self.link, server_hostname="127.0.0.1")
        self.connection = Connection(self.link)

    def ask(self, calling: str = "MR1", called: str = "QSMNODE") -> int:
        """An association request; the type of the PDU that answers."""
        contexts = (ContextProposal(1, MR, (EXPLICIT,)), ContextProposal(3, VERIFICATION, (IMPLICIT,)))
        self.connection.send(acse.encode_proposal(Proposal(called, calling, contexts, 16384)), 5)
        return self.connection.read_pdu(20, 20)[0]

    def say(self, context: int, fields: dict[int, command.Value]) -> None:
        self.connection.send(data_pdu(context, command.encode(fields), command=True, last=True), 5)

    def announce(self, uid: str, sop_class: str = MR, context: int = 1) -> None:
        """The command of a C-STORE."""
        self.say(
            context,
            {
                command.AFFECTED_SOP_CLASS: sop_class,
                command.COMMAND_FIELD: command.C_STORE_RQ,
                command.MESSAGE_ID: 7,
                command.PRIORITY: 0,
                command.DATA_SET_TYPE: command.WITH_DATA_SET,
                command.AFFECTED_SOP_INSTANCE: uid,
            },
        )

    def data(self, fragment: bytes, *, last: bool, context: int = 1) -> None:
        self.connection.send(data_pdu(context, fragment, command=False, last=last), 5)

    def answer(self) -> command.Command:
        """The next response."""
        kind, payload = self.connection.read_pdu(20, 20)
        assert kind == acse.DATA, kind
        return command.decode(b"".join(bytes(data) for *_, data in fragments(payload)))

    def status(self) -> int:
        return command.number(self.answer(), command.STATUS)

    def echo(self) -> int:
        self.say(3, {command.COMMAND_FIELD: 0x30, command.MESSAGE_ID: 1, command.DATA_SET_TYPE: 0x0101})
        return self.status()

    def next_type(self) -> int:
        return self.connection.read_pdu(20, 20)[0]

    def until_closed(self) -> None:
        """Reads on; only an A-ABORT may come before the end."""
        while True:
            try:
                kind = self.next_type()
            except PeerUnreachable as error:
                if "in time" in str(error):
                    raise
                return
            assert kind == acse.ABORT

    def release(self) -> None:
        self.connection.send(acse.pdu(acse.RELEASE_RQ, bytes(4)), 5)
        assert self.next_type() == acse.RELEASE_RP
        self.connection.close()


@pytest.fixture
def dial() -> Iterator[Callable[..., Caller]]:
    """Connects: dial(port, source="127.0.0.1", tls=None)."""
    with ExitStack() as stack:

        def connect(port: int, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Caller:
            caller = Caller(port, source, tls)
            stack.callback(caller.connection.close)
            return caller

        yield connect
