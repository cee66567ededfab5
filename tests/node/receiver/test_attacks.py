"""Attacked with and without TLS, the node answers its peers, stays small and writes nowhere else.

One process is attacked by one case after the other; its peak memory is printed for each.
"""

from __future__ import annotations

import contextlib
import re
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qsmnode.config import Config
from qsmnode.errors import PeerError
from qsmnode.node.wire import acse
from qsmnode.node.wire.acse import ContextProposal, Proposal
from tests.peers.ports import free_port
from tests.peers.programs import run

_PROGRAM = """
import logging, sys, threading
from qsmnode.config import Config
from qsmnode.ledger import Store
from qsmnode.node.receiver import Receiver
logging.basicConfig(level="INFO", filename=sys.argv[2])
config = Config.model_validate_json(sys.argv[1])
receiver = Receiver(config, Store(config.node.store))
receiver.start()
print("ready", flush=True)
threading.Event().wait()
"""
_LIMITS = {
    "disk_reserve_mb": 0,
    "disk_reserve_percent": 0,
    "acse_timeout_s": 3,
    "pdu_timeout_s": 1,
    "max_object_mb": 40,
}
_MOST_GROWTH = 24_000_000
DATA_SET = b"\x08\0\x60\0CS\x02\0MR"
DEFLATED = "1.2.840.10008.1.2.1.99"
MR = "1.2.840.10008.5.1.4.1.1.4"


@dataclass
class Target:
    """A receiver in a process of its own, with a plain port and one for TLS."""

    process: subprocess.Popen[str]
    folder: Path
    ports: dict[str, int]
    context: ssl.SSLContext

    def peak(self) -> int:
        """The most memory since the last :meth:`forget_peak`, in bytes."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1000

    def forget_peak(self) -> int:
        """Begin to look for the peak anew; what is taken now."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return self.peak()

    def outside(self) -> set[Path]:
        """Everything beside the store."""
        return {path for path in self.folder.rglob("*") if "store" not in path.parts}

    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Attacked by all tests of this module."""
    folder = tmp_path_factory.mktemp("attacked")
    certificate, key = _certificate(folder)
    ports = {"plain": free_port(), "TLS": free_port()}
    files = {"certificate": str(certificate), "key": str(key), "ca": str(certificate)}
    config = Config.model_validate(
        {
            "node": {
                "port": ports["plain"],
                "store": str(folder / "store"),
                "tls": {**files, "port": ports["TLS"]},
            },
            "peers": {"mr1": {"ae_title": "MR1", "host": "127.0.0.1"}},
            "routes": [],
            "limits": _LIMITS,
        }
    )
    context = ssl.create_default_context(cafile=str(certificate))
    context.load_cert_chain(certificate, key)
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, config.model_dump_json(by_alias=True), str(folder / "log")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield Target(process, folder, ports, context)
    process.kill()
    process.wait()
    process.stdout.close()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that is its own authority, for both ends."""
    certificate, key = folder / "own.pem", folder / "own.key"
    made = run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"),
        *("-keyout", key, "-out", certificate),
    )
    assert made.returncode == 0, made.stdout
    key.chmod(0o600)
    return certificate, key


class Attacker:
    """Connects as often as an attack wants to, in the way that the case is about."""

    def __init__(self, target: Target, how: str, dial: Callable[..., Any]) -> None:
        self._port = target.ports[how]
        self._tls = target.context if how == "TLS" else None
        self._dial = dial

    def knock(self) -> Any:
        """A TCP connection that says nothing, not even of TLS."""
        return self._dial(self._port)

    def call(self) -> Any:
        """A connection over which DICOM can be spoken."""
        return self._dial(self._port, tls=self._tls)

    def associated(self) -> Any:
        caller = self.call()
        assert caller.ask() == acse.ASSOCIATE_AC
        return caller


def one_silent_connection(attacker: Attacker) -> None:
    attacker.knock()


def silent_behind_a_handshake(attacker: Attacker) -> None:
    attacker.call()


def a_request_that_claims_4_gb(attacker: Attacker) -> None:
    caller = attacker.call()
    with contextlib.suppress(PeerError):  # cut off at once
        caller.connection.send(struct.pack(">BxI", 1, 0xFFFFFFF0), 5)
        for _ in range(64):
            caller.connection.send(bytes(1 << 20), 5)


def a_data_pdu_larger_than_advertised(attacker: Attacker) -> None:
    caller = attacker.associated()
    with contextlib.suppress(PeerError):
        caller.connection.send(struct.pack(">BxI", 4, 131072 + 17), 5)
        caller.connection.send(bytes(131072 + 17), 5)
    caller.until_closed()


def a_data_set_without_an_end(attacker: Attacker) -> None:
    caller = attacker.associated()
    caller.announce("1.2.3.4")
    pdu = acse.pdu(4, struct.pack(">IBB", 100_002, 1, 0) + bytes(100_000))
    sent = 0
    with contextlib.suppress(PeerError):
        while sent < 1000:  # 100 MB, of which 40 are taken
            caller.connection.send(pdu, 5)
            sent += 1
    assert sent < 1000


def twelve_parts_of_a_request(attacker: Attacker) -> None:
    for _ in range(12):
        attacker.call().connection.send(struct.pack(">BxI", 1, 200) + bytes(10), 5)


def a_byte_at_a_time(attacker: Attacker) -> None:
    caller = attacker.associated()

    def drip() -> None:
        with contextlib.suppress(PeerError):
            caller.connection.send(struct.pack(">BxI", 4, 1000), 5)
            for _ in range(40):
                caller.connection.send(b"\0", 5)
                time.sleep(0.1)

    dripping = threading.Thread(target=drip)
    dripping.start()
    caller.until_closed()  # after limits.pdu_timeout_s, however steadily it drips
    dripping.join()


def three_hundred_idle_connections(attacker: Attacker) -> None:
    for _ in range(300):
        attacker.knock()


def two_hundred_garbage_pdus(attacker: Attacker) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError, PeerError):  # reset by the node while it is still sending
            attacker.knock().connection.send(b"\x7f\0\0\0\xff\xff" + bytes(range(256)), 5)


def a_uid_that_is_a_path(attacker: Attacker) -> None:
    caller = attacker.associated()
    for uid in ("../../pw", "/tmp/pw", "..%2fpw"):
        caller.announce(uid)
        caller.data(DATA_SET, last=True)
        assert caller.status() == 0x0117


def a_wrong_called_title(attacker: Attacker) -> None:
    assert attacker.call().ask(called="ANY-SCP") == acse.ASSOCIATE_RJ


def a_wrong_calling_title(attacker: Attacker) -> None:
    assert attacker.call().ask(calling="NOBODY") == acse.ASSOCIATE_RJ


def titles_with_escape_codes(attacker: Attacker) -> None:
    for title in ("MR1\n", "\x1b[2J\x1b]0;pw\x07", "MR1\\MR2"):
        assert attacker.call().ask(calling=title) == acse.ASSOCIATE_RJ
        assert attacker.call().ask(called=title) == acse.ASSOCIATE_RJ


def a_deflated_object_without_leave(attacker: Attacker) -> None:
    caller = attacker.call()
    proposal = Proposal("QSMNODE", "MR1", (ContextProposal(1, MR, (DEFLATED,)),), 16384)
    caller.connection.send(acse.encode_proposal(proposal), 5)
    kind, payload = caller.connection.read_pdu(20, 20)
    assert kind == acse.ASSOCIATE_AC
    assert [each.result for each in acse.decode_acceptance(bytes(payload)).answers] == [
        acse.REFUSED_TRANSFER_SYNTAX
    ]
    caller.announce("1.2.3")  # in the context that was refused
    caller.until_closed()


ATTACKS = (
    one_silent_connection,
    silent_behind_a_handshake,
    a_request_that_claims_4_gb,
    a_data_pdu_larger_than_advertised,
    a_data_set_without_an_end,
    twelve_parts_of_a_request,
    a_byte_at_a_time,
    three_hundred_idle_connections,
    two_hundred_garbage_pdus,
    a_uid_that_is_a_path,
    a_wrong_called_title,
    a_wrong_calling_title,
    titles_with_escape_codes,
    a_deflated_object_without_leave,
)


@pytest.mark.parametrize("how", ["plain", "TLS"])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_attack_keeps_no_peer_out(
    target: Target,
    dial: Callable[..., Any],
    attack: Callable[[Attacker], None],
    how: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    attacker, before, outside = Attacker(target, how, dial), target.forget_peak(), target.outside()
    peers = {way: Attacker(target, way, dial) for way in target.ports}
    longest = dict.fromkeys(peers, 0.0)
    with ThreadPoolExecutor(1) as pool:
        going_on = pool.submit(attack, attacker)
        last_time = False
        while not last_time:  # while it goes on, and once more with what it left open
            last_time = going_on.done()
            for way, peer in peers.items():
                longest[way] = max(longest[way], _echo(peer))
            wait([going_on], timeout=0.1)
        going_on.result()
    grown = max(0, target.peak() - before)
    echoes = ", ".join(f"{way} {1000 * seconds:.0f} ms" for way, seconds in longest.items())
    with capfd.disabled():
        print(
            f"\n{attack.__name__} ({how}): longest echo {echoes}; {grown / 1e6:.1f} MB more at the peak",
            end="",
        )
    assert max(longest.values()) < 1  # what a monitoring system counts as being there
    assert grown < _MOST_GROWTH
    assert target.outside() == outside
    assert not re.search(r"[^\x20-\x7e\n]", target.log())
    while list((target.folder / "store" / "instances").rglob("*.dcm")):
        time.sleep(0.01)  # what was not acknowledged goes when its association has ended


def _echo(peer: Attacker) -> float:
    """Seconds that a listed peer's C-ECHO takes, from the first byte to its answer."""
    began = time.monotonic()
    caller = peer.associated()
    assert caller.echo() == 0x0000
    took = time.monotonic() - began
    caller.release()
    return took
