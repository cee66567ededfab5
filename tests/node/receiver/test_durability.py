"""What was acknowledged survives the death of the process; a large object needs no large memory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qsmnode.config import Config
from qsmnode.ledger import Store
from qsmnode.node.receiver import Receiver

_PROGRAM = """
import sys, threading
from qsmnode.config import Config
from qsmnode.ledger import Store
from qsmnode.node.receiver import Receiver
config = Config.model_validate_json(sys.argv[1])
receiver = Receiver(config, Store(config.node.store))
receiver.start()
print(receiver.port, flush=True)
threading.Event().wait()
"""


@pytest.fixture
def receiver_process(node_config: Callable[..., Config]) -> Any:
    """A receiver in a process of its own: (process, configuration); killed at the end of the test."""
    config = node_config()
    document = config.model_dump_json(by_alias=True)
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM, document], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == str(config.node.port)
    yield process, config
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.peers("dcmtk")
def test_kill_9_while_receiving_loses_nothing_that_was_acknowledged(
    receiver_process: Any,
    write_object: Callable[..., Path],
    data_set_of: Callable[[Path], bytes],
    tmp_path: Path,
) -> None:
    process, config = receiver_process
    sent = {
        f"1.2.{i}": write_object(tmp_path / "sent" / f"{i:04}.dcm", f"1.2.{i}", seed=i) for i in range(1, 401)
    }
    sender = subprocess.Popen(
        ["/usr/bin/storescu", "-v", "-aec", "QSMNODE", "-aet", "MR1", "127.0.0.1", str(config.node.port)]
        + [str(path) for path in sent.values()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    acknowledged = _kill_after(sender, process, 60, {str(path): uid for uid, path in sent.items()})
    assert 60 <= len(acknowledged) < 400

    with Store(config.node.store) as store:
        receiver = Receiver(config, store)
        receiver.start()
        receiver.stop(10)
        rows = {row["sop_instance_uid"]: row for row in store.database.rows("SELECT * FROM instance")}
        assert set(acknowledged) <= set(rows)
        for uid, row in rows.items():
            assert data_set_of(store.path(row["path"])) == data_set_of(sent[uid])
        assert len(list((store.root / "instances").rglob("*.dcm"))) == len(rows)


def _kill_after(
    sender: subprocess.Popen[str], receiver: subprocess.Popen[str], count: int, uids: dict[str, str]
) -> list[str]:
    """Kills the receiver after ``count`` acknowledgements; every UID that was acknowledged."""
    assert sender.stdout is not None
    acknowledged: list[str] = []
    current = ""
    for line in sender.stdout:
        if begun := re.match(r"I: Sending file: (.+)$", line):
            current = uids[begun[1]]
        elif "Received Store Response (Success)" in line:
            acknowledged.append(current)
            if len(acknowledged) == count:
                os.kill(receiver.pid, signal.SIGKILL)
    sender.wait()
    sender.stdout.close()
    return acknowledged


@pytest.mark.peers("dcmtk")
def test_a_large_object_is_streamed(
    receiver_process: Any,
    write_object: Callable[..., Path],
    data_set_of: Callable[[Path], bytes],
    storescu: Callable[..., Any],
    tmp_path: Path,
) -> None:
    process, config = receiver_process
    large = write_object(tmp_path / "large.dcm", "1.2.3", size=100_000_000)
    before = _peak_memory(process.pid)
    assert storescu([large], config.node.port).statuses == {large: 0x0000}
    assert _peak_memory(process.pid) - before < 20_000_000
    (here,) = (config.node.store / "instances").rglob("*.dcm")
    assert data_set_of(here) == data_set_of(large)


def _peak_memory(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1000
