"""A job is a process of its own: it can be cancelled, killed, and held to limits, and its end is told."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import Scan
from tests.acceptance.running import RunningNode, qsmnode

ARCHIVE = "{folder: ./out}"


def _job(node: RunningNode) -> dict[str, Any]:
    """The only job, {} before there is one."""
    found = [job for acquisition in node.jobs()["acquisitions"] for job in acquisition["jobs"]]
    return found[0] if found else {}


def _computation(node: RunningNode) -> int:
    """The process id of the running computation, 0 without one."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            command = stat.with_name("cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if parent == node.pid and b"qsmnode.node.worker.compute" in command:
            return int(stat.parent.name)
    return 0


def test_a_cancelled_job_ends_its_process_and_can_be_retried(
    scan: Scan, run_node: Callable[..., RunningNode], storescu: Callable[..., Any]
) -> None:
    node = run_node(ARCHIVE)
    storescu(scan.folder, node.port)
    node.until(lambda: _job(node).get("progress", 0) > 0, 120, "a running job")
    process = _computation(node)
    assert process
    asked = qsmnode("cancel", "-c", node.config, str(_job(node)["id"]))
    assert asked.returncode == 0, asked.stderr
    node.until(lambda: not Path(f"/proc/{process}").exists(), 30, "the end of the process")
    assert _job(node)["state"] == "cancelled"
    assert node.deliveries() == []
    assert qsmnode("retry", "-c", node.config, "--job", str(_job(node)["id"])).returncode == 0
    node.until_delivered()


def test_a_killed_computation_is_one_failed_attempt_and_tried_again(
    scan: Scan, run_node: Callable[..., RunningNode], storescu: Callable[..., Any]
) -> None:
    node = run_node(ARCHIVE)
    storescu(scan.folder, node.port)
    node.until(lambda: _job(node).get("progress", 0) > 0, 120, "a running job")
    os.kill(_computation(node), signal.SIGKILL)
    node.until(lambda: _job(node)["state"] == "queued", 30, "the failed attempt")
    assert "SIGKILL" in _job(node)["reason"]
    assert "attempt 1 of 3" in _job(node)["reason"]
    node.until_delivered()
    assert _job(node)["attempt"] == 2


def test_a_job_over_its_time_fails_and_says_which_setting(
    scan: Scan, run_node: Callable[..., RunningNode], storescu: Callable[..., Any]
) -> None:
    node = run_node(ARCHIVE, more="jobs: {timeout_s: 1, attempts: 1}\n")
    storescu(scan.folder, node.port)
    node.until(lambda: _job(node).get("state") == "failed", 120, "a failed job")
    assert "jobs.timeout_s = 1 s" in _job(node)["reason"]
    assert node.alive()


def test_a_job_over_its_memory_fails_and_the_node_lives(
    scan: Scan, run_node: Callable[..., RunningNode], storescu: Callable[..., Any]
) -> None:
    node = run_node(ARCHIVE, more="jobs: {memory_mb: 256, attempts: 1}\n")
    storescu(scan.folder, node.port)
    node.until(lambda: _job(node).get("state") == "failed", 120, "a failed job")
    assert "out of memory: more than jobs.memory_mb = 256" in _job(node)["reason"]
    assert node.alive()
