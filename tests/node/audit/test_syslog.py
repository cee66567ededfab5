"""Audit messages over TLS, as RFC 5425 frames them, to a server that is who it says, also after an outage."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qsmnode.config import Config
from qsmnode.ledger import Store
from qsmnode.node.audit import Audit
from tests.observe.audit_schema import faults
from tests.peers.certificates import Authority, Shown


class Server:
    """A syslog server with TLS that asks for a certificate; `stop` and `start` play an outage."""

    def __init__(self, shown: Shown) -> None:
        self.shown = shown
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(shown.certificate, shown.key)
        self._context.load_verify_locations(shown.ca)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self.frames: list[bytes] = []
        self.port = 0

    def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._links: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in self._links:
            link.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            try:
                link = self._context.wrap_socket(plain, server_side=True)
            except OSError:
                plain.close()
                continue
            self._links.append(link)
            threading.Thread(target=self._read, args=(link,), daemon=True).start()

    def _read(self, link: socket.socket) -> None:
        try:
            with link.makefile("rb") as stream:
                while size := _until_space(stream):
                    self.frames.append(stream.read(size))
        except (OSError, ValueError):
            return  # the outage


def _until_space(stream: object) -> int:
    digits = b""
    while (one := stream.read(1)) not in (b" ", b""):  # type: ignore[attr-defined]
        digits += one
    return int(digits or b"0")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Server, Authority]]:
    authority = Authority(tmp_path / "pki")
    made = Server(authority.issue("syslog"))
    made.start()
    yield made, authority
    made.stop()


def _config(tmp_path: Path, port: int, shown: Shown) -> Config:
    return Config.model_validate(
        {
            "node": {"store": str(tmp_path / "store")},
            "peers": {},
            "routes": [],
            "audit": {"syslog": {"host": "127.0.0.1", "port": port, "tls": shown.setting}},
        }
    )


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_messages_reach_the_server_also_those_of_its_outage(
    server: tuple[Server, Authority], tmp_path: Path
) -> None:
    there, authority = server
    with Store(tmp_path / "store") as store:
        role = Audit(_config(tmp_path, there.port, authority.issue("node")), store)
        role.start()
        _until(lambda: len(there.frames) == 1)
        there.stop()
        role.refused("192.0.2.66", "not listed")
        role.tell_all()
        there.start()
        _until(lambda: len(there.frames) >= 2)
        role.stop(10)
    assert all(frame.startswith(b"<85>1 ") for frame in there.frames)
    bodies = [frame.partition(b"\xef\xbb\xbf")[2] for frame in there.frames]
    assert [fault for body in bodies for fault in faults(body)] == []
    assert b"192.0.2.66" in bodies[1]


def test_a_server_of_another_authority_gets_nothing(
    server: tuple[Server, Authority], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    there, authority = server
    stranger = Authority(tmp_path / "other", "Other CA").issue("node")
    own = authority.issue("node")
    config = _config(tmp_path, there.port, Shown(own.certificate, own.key, stranger.ca))
    with Store(tmp_path / "store") as store:
        role = Audit(config, store)
        role.start()
        _until(lambda: "takes no audit messages" in caplog.text)
        role.stop(10)
    assert there.frames == []


def test_a_server_whose_certificate_is_taken_back_gets_nothing(
    server: tuple[Server, Authority], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The list is that of node.tls: so are the authorities. With a list without it, all of it arrives."""
    there, authority = server
    crl = authority.revoke(there.shown)
    shown = {**authority.issue("node").setting, "crl_file": str(crl)}
    config = Config.model_validate(
        {
            "node": {"store": str(tmp_path / "store"), "tls": shown},
            "peers": {},
            "routes": [],
            "audit": {"syslog": {"host": "127.0.0.1", "port": there.port}},
        }
    )
    with Store(tmp_path / "store") as store:
        role = Audit(config, store)
        role.start()
        _until(lambda: "takes no audit messages" in caplog.text)
        assert "its authority has revoked it (crl_file)" in caplog.text
        assert there.frames == []
        authority.revoke()
        _until(lambda: len(there.frames) >= 1)
        role.stop(10)
