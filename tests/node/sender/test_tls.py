"""DICOM TLS on the way out, with DCMTK's storescp as the archive."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.peers import programs
from tests.peers.certificates import Authority
from tests.peers.ports import free_port, is_listening

OutboxOf = Callable[..., Any]
pytestmark = pytest.mark.peers("dcmtk")


@pytest.fixture
def hospital(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def storescp_with(tmp_path: Path) -> Iterator[Callable[..., tuple[int, Path]]]:
    """Starts DCMTK's storescp with options: its port, and the folder where it puts what it gets."""
    with ExitStack() as stack:

        def start(*options: str) -> tuple[int, Path]:
            port = free_port()
            folder = tmp_path / f"storescp-{port}"
            folder.mkdir()
            process = subprocess.Popen(
                [programs.find("storescp"), *options, "--output-directory", str(folder), str(port)],
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            while not is_listening(port):
                assert process.poll() is None
                time.sleep(0.02)
            return port, folder

        yield start


def pacs(port: int, tls: dict[str, str], **more: object) -> dict[str, object]:
    return {"ae_title": "ARCHIVE", "host": "127.0.0.1", "port": port, "tls": tls, **more}


def test_an_archive_with_tls_gets_everything(
    outbox: OutboxOf, hospital: Authority, storescp_with: Callable[..., tuple[int, Path]]
) -> None:
    port, folder = storescp_with(*hospital.issue("pacs").dcmtk)
    box = outbox({"pacs": pacs(port, hospital.issue("node").setting, certificate_subject="CN=pacs")})
    box.add(5, "pacs", size=300_000)
    box.start()
    box.wait("pacs", "sent")
    assert len(list(folder.iterdir())) == 5


def test_nothing_is_sent_to_anybody_else_and_the_reason_says_why(
    outbox: OutboxOf, hospital: Authority, storescp_with: Callable[..., tuple[int, Path]], tmp_path: Path
) -> None:
    node = hospital.issue("node")
    rogue = replace(Authority(tmp_path, "Rogue CA").issue("pacs"), ca=hospital.ca)
    impostor = replace(Authority(tmp_path, "Rogue CA").issue("node"), ca=hospital.ca)
    cases: dict[str, tuple[tuple[str, ...], dict[str, object], str]] = {
        "rogue": (rogue.dcmtk, {}, "not accepted: unable to get local issuer certificate"),
        "expired": (
            hospital.issue("old", from_day=-2, to_day=-1).dcmtk,
            {},
            "not accepted: certificate has expired",
        ),
        "moved": (
            hospital.issue("moved", hosts=["pacs.example"]).dcmtk,
            {},
            "certificate is not valid for '127.0.0.1'",
        ),
        "other": (
            hospital.issue("pacs").dcmtk,
            {"certificate_subject": "CN=archive"},
            "its certificate is of 'organizationName=Hospital, commonName=pacs', expected CN=archive",
        ),
        "plain": ((), {}, "is that its port for TLS?"),
        "strict": (
            hospital.issue("pacs").dcmtk,
            {"tls": impostor.setting},
            "does it accept this node's certificate?",
        ),
        "bare": (hospital.issue("pacs").dcmtk, {"tls": {"ca": str(hospital.ca)}}, "this node's certificate?"),
    }
    peers, folders = {}, []
    for name, (options, more, _) in cases.items():
        port, folder = storescp_with(*options)
        peers[name] = {**pacs(port, node.setting), **more}
        folders.append(folder)
    box = outbox(peers, attempts=1, connect_timeout_s=3.0)
    box.add(1, *peers)
    box.start()
    for name, (_, _, words) in cases.items():
        assert words in box.wait(name, "parked").reason
    assert [path for folder in folders for path in folder.iterdir()] == []


def test_a_key_that_others_can_read_is_not_used(outbox: OutboxOf, hospital: Authority) -> None:
    node = hospital.issue("node")
    node.key.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        box = outbox({"pacs": pacs(silent.getsockname()[1], node.setting)}, attempts=1)
        box.add(1, "pacs")
        box.start()
        row = box.wait("pacs", "parked")
    assert "peers.pacs.tls.key" in row.reason
    assert "chmod 0600" in row.reason
