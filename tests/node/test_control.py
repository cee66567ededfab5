"""Asking a running node, and a store without one."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from qsmnode.config import Config
from qsmnode.errors import StoreError, UsageError
from qsmnode.ledger import Store
from qsmnode.node.control import Control, ask


def _config(root: Path) -> Config:
    return Config.model_validate({"node": {"store": str(root)}, "peers": {}, "routes": []})


def _failed_job(store: Store) -> int:
    acquisition = store.acquisitions.open("1.2", "k", deadline_at=1.0)
    store.jobs.queue(acquisition, "qsm", "hash", {"route": "brain"})
    job = store.jobs.claim(60)
    assert job is not None
    store.jobs.fail(job, "broken", retry_at=None)
    return job.id


@pytest.mark.parametrize("depth", [1, 12])  # the second path is longer than a socket address may be
def test_a_running_node_performs_what_is_asked(tmp_path: Path, depth: int) -> None:
    root = tmp_path.joinpath(*["a-long-folder-name"] * depth)
    with Store(root) as store:
        job = _failed_job(store)
        control = Control(_config(store.root), store)
        control.start()
        try:
            assert "queued again" in ask(_config(root), "retry", {"job": job})
            assert store.jobs.get(job).state == "queued"
            assert store.control_socket.stat().st_mode & 0o077 == 0
            with pytest.raises(UsageError, match="not permitted"):
                ask(_config(root), "retry", {"job": job})
            with pytest.raises(UsageError, match="no such command"):
                ask(_config(root), "explode", {})
            with pytest.raises(UsageError, match="job 99"):
                ask(_config(root), "cancel", {"job": 99})
        finally:
            control.stop(10)
        assert not store.control_socket.exists()


def test_without_a_node_it_is_done_at_once(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with Store(root) as store:
        job = _failed_job(store)
    assert "1 failed jobs queued again" in ask(_config(root), "retry", {})
    with Store(root, read_only=True) as store:
        assert store.jobs.get(job).state == "queued"


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no ledger there"):
        ask(_config(tmp_path / "nowhere"), "retry", {})
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b"[]\n", b'{"verb": "retry"}\n', b"\xff\xfe\n", b"x" * 70000]
)
def test_nonsense_gets_an_answer_and_the_next_question_too(tmp_path: Path, line: bytes) -> None:
    with Store(tmp_path / "store") as store:
        control = Control(_config(store.root), store)
        control.start()
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(store.control_socket))
                connection.sendall(line)
                connection.shutdown(socket.SHUT_WR)
                assert "expected one line of JSON" in json.loads(connection.recv(4096))["error"]
            assert "0 failed jobs" in ask(_config(store.root), "retry", {})
        finally:
            control.stop(10)
