"""Whether peers answer."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qsmnode.config import Config
from qsmnode.errors import PeerRefused, PeerUnreachable, UsageError
from qsmnode.node.echo import echo


def test_an_archive_that_answers(
    archive_answering: Callable[..., Any], node_config: Callable[..., Config]
) -> None:
    archive = archive_answering(0x0000)
    config = node_config(peers={"pacs": {"ae_title": "ARCHIVE", "host": "127.0.0.1", "port": archive.port}})
    result = echo(config, "pacs")
    assert (result.peer, result.where) == ("pacs", f"127.0.0.1:{archive.port}")
    assert result.implementation.startswith("PYNETDICOM")
    assert result.duration_s > 0


def test_a_folder(node_config: Callable[..., Config], tmp_path: Path) -> None:
    config = node_config(
        peers={"out": {"folder": str(tmp_path / "out")}, "bad": {"folder": str(tmp_path / "file")}}
    )
    assert echo(config, "out").where == f"folder {tmp_path / 'out'}"
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PeerUnreachable, match="cannot be written"):
        echo(config, "bad")


def test_who_does_not_answer_and_why(
    archive_answering: Callable[..., Any], node_config: Callable[..., Config], free_port: Callable[[], int]
) -> None:
    archive = archive_answering(0x0000)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = node_config(
            peers={
                "down": {"ae_title": "DOWN", "host": "127.0.0.1", "port": free_port()},
                "silent": {"ae_title": "SILENT", "host": "127.0.0.1", "port": silent.getsockname()[1]},
                "unknown": {"ae_title": "X", "host": "no-such-host.invalid", "port": 104},
                "wrong": {"ae_title": "WRONG", "host": "127.0.0.1", "port": archive.port},
                "mr1": {"ae_title": "MR1", "host": "127.0.0.1"},
            },
            delivery={"connect_timeout_s": 2.0},
        )
        for peer, error, words in (
            (
                "down",
                PeerUnreachable,
                r"down \(DOWN at 127\.0\.0\.1:\d+\): no connection \(Connection refused\)",
            ),
            ("silent", PeerUnreachable, "nothing came in time"),
            ("unknown", PeerUnreachable, "host name is unknown"),
            ("wrong", PeerRefused, "called AE title not recognised"),
            ("mr1", UsageError, r"add peers\.mr1\.port"),
            ("nobody", UsageError, "no such peer"),
        ):
            with pytest.raises(error, match=words):
                echo(config, peer)


def test_this_node_answers_itself(
    run_receiver: Callable[..., Any], node_config: Callable[..., Config]
) -> None:
    node = run_receiver(peers={"me": {"ae_title": "QSMNODE", "host": "localhost", "may_send": False}})
    config = node_config(peers={"me": {"ae_title": "QSMNODE", "host": "localhost", "port": node.port}})
    assert echo(config, "me").implementation.startswith("QSMNODE ")
