"""Audit messages to a syslog server: RFC 5424 lines, over TLS (RFC 5425) or as datagrams (RFC 5426)."""

from __future__ import annotations

import os
import select
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime

_PRIORITY = 10 * 8 + 5  # security and authorisation, notice: PS3.15 A.6
_MESSAGE_ID = "DICOM+RFC3881"
_LARGEST_DATAGRAM = 65000
_TIMEOUT_S = 10.0


class Syslog:
    """A connection that is made when it is needed.

    Args:
        host: of the server.
        port: of the server.
        tls: gives the context for the next connection; None: datagrams.
        source: AE title of this node.
    """

    def __init__(self, host: str, port: int, tls: Callable[[], ssl.SSLContext] | None, source: str) -> None:
        self._where = (host, port)
        self._tls = tls
        self._source = "".join(c if c.isalnum() else "_" for c in source) or "-"
        self._link: socket.socket | None = None

    def __str__(self) -> str:
        return f"syslog server {self._where[0]} port {self._where[1]}"

    def send(self, message: bytes) -> None:
        """One message.

        Raises:
            OSError: it could not be handed over; the next call connects anew.
        """
        line = self._line(message)
        try:
            if self._link is not None and self._tls is not None and _is_closed(self._link):
                self.close()
            if self._link is None:
                self._link = self._connect()
            if self._tls is None:
                self._link.send(line[:_LARGEST_DATAGRAM])
            else:
                self._link.sendall(b"%d %b" % (len(line), line))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """End the connection."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _connect(self) -> socket.socket:
        if self._tls is None:
            return _datagrams(self._where)
        plain = socket.create_connection(self._where, timeout=_TIMEOUT_S)
        try:
            return self._tls().wrap_socket(plain, server_hostname=self._where[0])
        except BaseException:
            plain.close()
            raise

    def _line(self, message: bytes) -> bytes:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        host = socket.gethostname() or "-"
        head = f"<{_PRIORITY}>1 {at} {host} {self._source} {os.getpid()} {_MESSAGE_ID} - "
        return head.encode("ascii", "replace") + b"\xef\xbb\xbf" + message


def _datagrams(where: tuple[str, int]) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(*where, type=socket.SOCK_DGRAM)[0]
    link = socket.socket(family, kind, protocol)
    try:
        link.settimeout(_TIMEOUT_S)
        link.connect(address)
    except BaseException:
        link.close()
        raise
    return link


def _is_closed(link: socket.socket) -> bool:
    """Whether the server has ended it: syslog servers say nothing else."""
    readable, _, _ = select.select([link], [], [], 0)
    if not readable:
        return False
    link.settimeout(0.0)
    try:
        return link.recv(1) == b""
    except (ssl.SSLWantReadError, BlockingIOError):
        return False  # a session ticket, say
    finally:
        link.settimeout(_TIMEOUT_S)
