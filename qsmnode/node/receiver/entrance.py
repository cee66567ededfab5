"""Where the receiver listens: a port, plain or with TLS."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from qsmnode.config import NodeSettings
from qsmnode.errors import UsageError
from qsmnode.node.wire.tls import Renewable, TlsFiles

_BACKLOG = 1024  # a flood must not fill it: whoever then knocks waits a second to knock again


@dataclass(frozen=True)
class Entry:
    """A port that is listened on.

    Attributes:
        port: its number.
        setting: the setting that says so.
        tls: gives each handshake its context, so that a renewed certificate needs no restart; None: plain.
    """

    port: int
    setting: str = "node.port"
    tls: Callable[[], ssl.SSLContext] | None = None


def entries_of(node: NodeSettings) -> tuple[Entry, ...]:
    """The ports that the configuration opens: a plain one, one for TLS, or both.

    Raises:
        UsageError: a file that TLS needs cannot be used.
    """
    found = [] if node.plain_port is None else [Entry(node.plain_port)]
    if node.tls is not None:
        tls = node.tls
        files = TlsFiles("node.tls", tls.certificate, tls.key, tls.ca, tls.crl_file)
        found.append(Entry(node.tls.port, "node.tls.port", Renewable(files).context))
    return tuple(found)


class Entrance:
    """An open port.

    Args:
        bind: address to listen on.
        entry: which port, and how.

    Raises:
        UsageError: address and port cannot be listened on.
    """

    def __init__(self, bind: str, entry: Entry) -> None:
        self.tls = entry.tls
        self._listener = _listen(bind, entry)

    @property
    def port(self) -> int:
        """The port's number, also where any free one was asked for."""
        return int(self._listener.getsockname()[1])

    def accept(self) -> tuple[socket.socket, str]:
        """The next connection and the address that it comes from.

        Raises:
            OSError: the port is closed, or the connection was gone before it was taken.
        """
        link, where = self._listener.accept()
        return link, str(where[0])

    def wake(self) -> None:
        """End an :meth:`accept` that waits."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Listen no longer."""
        self._listener.close()


def _listen(bind: str, entry: Entry) -> socket.socket:
    where = (bind, entry.port)
    try:
        answers = socket.getaddrinfo(*where, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        families = {answer[0] for answer in answers}
        family = socket.AF_INET if socket.AF_INET in families else socket.AF_INET6
        everywhere = bind == "::" and socket.has_dualstack_ipv6()
        listener = socket.create_server(where, family=family, backlog=_BACKLOG, dualstack_ipv6=everywhere)
    except socket.gaierror as error:
        raise UsageError(f"node.bind {bind}: no address of this host ({error.strerror})") from error
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise UsageError(
            f"node.bind {bind}, {entry.setting} {entry.port}: cannot listen there ({why});"
            " is another program using the port?"
        ) from error
    return listener
