"""One TCP connection: whole PDUs in and out, each with a deadline and a largest size."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any

from qsmnode.errors import PeerError, PeerUnreachable
from qsmnode.node.wire.acse import DATA, encode_abort
from qsmnode.node.wire.tls import explain

MAX_PDU = 131072
"""The largest P-DATA that we ask for (PS3.8 annex D.1)."""

_LONGEST_ASSOCIATE = 65536
# some senders count header bytes as payload; more than that is no P-DATA that we asked for
_LARGEST_PAYLOAD = MAX_PDU + 16
_HEADER = struct.Struct(">BxI")
_TCP_INFO = struct.Struct("128xQ")  # Linux: tcpi_bytes_received
_PDV = struct.Struct(">IBB")
_COMMAND_BIT, _LAST_BIT = 1, 2
_SMALLEST_PDU = 1024


class Connection:
    """An open socket that speaks PDUs.

    Nagle's algorithm is off, and every receive asks for an immediate acknowledgement: senders that leave
    Nagle on and write header and body of a PDU apart wait 40 ms for the acknowledgement each time otherwise.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(_HEADER.size + _LARGEST_PAYLOAD)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._interrupted = False
        self._in_handshake = False
        self.peer_max_pdu = 16384

    def secure(self, context: ssl.SSLContext, timeout_s: float) -> None:
        """Shake hands for TLS, as the side that was called; in the thread of this connection alone.

        Args:
            context: this side's certificate, and what the peer's must be.
            timeout_s: how long all of the handshake may take.

        Raises:
            PeerUnreachable: the connection ended, or the time was up.
            PeerError: the peer does not speak TLS, or not in a way that is accepted here.
        """
        self._in_handshake = True
        try:
            self._link.settimeout(timeout_s)
            # first the wrapping, then the handshake: interrupt() reaches the socket that waits
            self._link = context.wrap_socket(self._link, server_side=True, do_handshake_on_connect=False)
            if self._interrupted:
                raise PeerUnreachable("this side ends the connection")
            self._link.do_handshake()
        except TimeoutError as error:
            raise PeerUnreachable(f"TLS: no handshake within {timeout_s:g} s") from error
        except ssl.SSLError as error:
            raise PeerError(f"TLS: {explain(error)}") from error
        except OSError as error:
            raise PeerUnreachable(f"TLS: the connection broke ({explain(error)})") from error
        self._in_handshake = False

    @property
    def is_silent(self) -> bool:
        """Whether the peer has not sent a single byte yet, not even of TLS."""
        try:
            facts = self._link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        except OSError:
            return True
        return len(facts) < _TCP_INFO.size or _TCP_INFO.unpack(facts)[0] == 0

    @property
    def peer_certificate(self) -> Mapping[str, Any] | None:
        """What the peer's verified certificate says, as Python's ssl has it; None without one."""
        return self._link.getpeercert() if isinstance(self._link, ssl.SSLSocket) else None

    def read_pdu(self, wait_s: float, rest_s: float) -> tuple[int, memoryview]:
        """The next PDU: its type and its payload, valid until the next call.

        Args:
            wait_s: how long its first byte may take.
            rest_s: how long all of it may take from then on.

        Raises:
            PeerUnreachable: the connection ended, or a time was up.
            PeerError: it is larger than allowed, or of no known type.
        """
        self._need(1, time.monotonic() + wait_s)
        deadline = time.monotonic() + rest_s
        self._need(_HEADER.size, deadline)
        kind, length = _HEADER.unpack_from(self._buffer, self._start)
        if not 1 <= kind <= 7:
            raise PeerError("these bytes are no DICOM")
        if length > (_LARGEST_PAYLOAD if kind == DATA else _LONGEST_ASSOCIATE):
            raise PeerError(f"a PDU of {length} bytes: larger than was agreed")
        self._need(_HEADER.size + length, deadline)
        begin = self._start + _HEADER.size
        self._start = begin + length
        return kind, self._view[begin : begin + length]

    def readable(self, wait_s: float) -> bool:
        """Whether something came, or the connection ended, within a time; nothing is read."""
        if self._end > self._start or self._interrupted:
            return True
        if isinstance(self._link, ssl.SSLSocket) and self._link.pending():
            return True
        waiting = select.poll()
        waiting.register(self._link, select.POLLIN)
        return bool(waiting.poll(1000 * wait_s))

    def send(self, data: bytes, timeout_s: float) -> None:
        """Send all of ``data``.

        Raises:
            PeerUnreachable: the connection ended, or the peer did not take it in time.
        """
        try:
            self._link.settimeout(timeout_s)
            self._link.sendall(data)
        except TimeoutError as error:
            raise PeerUnreachable(f"it took nothing for {timeout_s:g} s") from error
        except OSError as error:
            raise PeerUnreachable(f"the connection broke ({error.strerror})") from error

    @property
    def fragment_size(self) -> int:
        """How many bytes of a message fit into one PDU of the peer."""
        largest = self.peer_max_pdu or MAX_PDU
        return min(max(largest, _SMALLEST_PDU), MAX_PDU) - _PDV.size

    def send_command(self, context_id: int, command: bytes, timeout_s: float) -> None:
        """Send a command set.

        Raises:
            PeerUnreachable: see :meth:`send`.
        """
        size = self.fragment_size
        for begin in range(0, len(command), size):
            last = begin + size >= len(command)
            self.send(data_pdu(context_id, command[begin : begin + size], command=True, last=last), timeout_s)

    def abort(self, source: int = 0, reason: int = 0) -> None:
        """Tell the peer that it ends here, where it still listens."""
        if self._in_handshake:
            return  # there is no DICOM to abort yet; TLS has its own words
        with contextlib.suppress(PeerUnreachable):
            self.send(encode_abort(source, reason), 1.0)

    def linger(self, timeout_s: float) -> None:
        """After the last PDU of this side: wait for the peer to close, so that it reads that PDU first."""
        deadline = time.monotonic() + timeout_s
        with contextlib.suppress(OSError, PeerUnreachable):
            if isinstance(self._link, ssl.SSLSocket):
                self._link.settimeout(timeout_s)
                self._link.unwrap()  # says that nothing more comes, and waits for the peer to say so
            _shut(self._link, socket.SHUT_WR)
            while True:
                self._start = self._end = 0
                self._receive(deadline)

    def interrupt(self) -> None:
        """From another thread: whoever reads here sees the end of the connection."""
        self._interrupted = True
        with contextlib.suppress(OSError):
            _shut(self._link, socket.SHUT_RD)

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError):
            _shut(self._link, socket.SHUT_RDWR)
        self._link.close()

    def _need(self, count: int, deadline: float) -> None:
        if self._end - self._start >= count:
            return
        if self._start:
            left = self._end - self._start
            self._buffer[:left] = self._buffer[self._start : self._end]
            self._start, self._end = 0, left
        while self._end - self._start < count:
            self._receive(deadline)

    def _receive(self, deadline: float) -> None:
        remaining = deadline - time.monotonic()
        if self._interrupted:
            raise PeerUnreachable("this side ends the connection")
        try:
            if remaining <= 0:
                raise TimeoutError
            self._link.settimeout(remaining)
            got = self._link.recv_into(self._view[self._end :])
            self._link.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        except TimeoutError as error:
            raise PeerUnreachable("nothing came in time") from error
        except OSError as error:
            raise PeerUnreachable(f"the connection broke ({error.strerror})") from error
        if not got:
            raise PeerUnreachable("the connection was closed")
        self._end += got


def _shut(link: socket.socket, how: int) -> None:
    """Shut the TCP connection down; SSLSocket's own shutdown would leave the rest of its talk unencrypted."""
    socket.socket.shutdown(link, how)


def data_pdu(context_id: int, fragment: bytes, *, command: bool, last: bool) -> bytes:
    """A P-DATA-TF with one presentation data value (PS3.8 section 9.3.5, annex E)."""
    control = (_COMMAND_BIT if command else 0) | (_LAST_BIT if last else 0)
    return (
        _HEADER.pack(DATA, len(fragment) + _PDV.size)
        + _PDV.pack(len(fragment) + 2, context_id, control)
        + fragment
    )


def fragments(payload: memoryview) -> Iterator[tuple[int, bool, bool, memoryview]]:
    """The presentation data values of a P-DATA-TF: context, whether command, whether last, bytes.

    Raises:
        PeerError: they do not fill the PDU exactly.
    """
    position = 0
    while position < len(payload):
        if position + _PDV.size > len(payload):
            raise PeerError("a data PDU is cut short")
        length, context_id, control = _PDV.unpack_from(payload, position)
        end = position + 4 + length
        if length < 2 or end > len(payload):
            raise PeerError("a data PDU holds a value longer than itself")
        yield (
            context_id,
            bool(control & _COMMAND_BIT),
            bool(control & _LAST_BIT),
            payload[position + _PDV.size : end],
        )
        position = end
