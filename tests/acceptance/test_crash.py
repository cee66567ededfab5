"""kill -9 in the middle of everything: after a restart the same objects stand in the archive, once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Scan
from tests.acceptance.running import RunningNode
from tests.peers.orthanc import Orthanc


def _archive(orthanc: Orthanc) -> str:
    return f"{{ae_title: {orthanc.aet}, host: 127.0.0.1, port: {orthanc.dicom_port}}}"


def _running(node: RunningNode) -> bool:
    return any(
        job["state"] == "running" and job["progress"] > 0
        for acquisition in node.jobs()["acquisitions"]
        for job in acquisition["jobs"]
    )


def test_killed_while_a_study_is_coming_in(
    scan: Scan, orthanc: Orthanc, run_node: Callable[..., RunningNode], storescu: Callable[..., Any]
) -> None:
    node = run_node(_archive(orthanc))
    sending = threading.Thread(target=storescu, args=(scan.folder, node.port))
    sending.start()
    node.until(lambda: sum(node.jobs()["instances"].values()) > 20, 60, "20 instances")
    node.kill()
    sending.join()
    node.start()
    # a scanner sends the whole again when its association broke
    sent = storescu(scan.folder, node.port)
    assert set(sent.statuses.values()) == {0x0000}
    node.until_delivered()
    _once(orthanc, scan)


def test_killed_while_a_job_runs(
    scan: Scan, orthanc: Orthanc, run_node: Callable[..., RunningNode], storescu: Callable[..., Any]
) -> None:
    node = run_node(_archive(orthanc))
    storescu(scan.folder, node.port)
    node.until(lambda: _running(node), 120, "a running job")
    node.kill()
    node.start()
    node.until_delivered()
    _once(orthanc, scan)


def test_killed_while_it_is_sending(
    scan: Scan, orthanc: Orthanc, run_node: Callable[..., RunningNode], storescu: Callable[..., Any]
) -> None:
    node = run_node(_archive(orthanc))
    storescu(scan.folder, node.port)
    node.until(lambda: orthanc.get("/statistics")["CountInstances"] > 0, 240, "the first object")
    node.kill()
    node.start()
    node.until_delivered()
    _once(orthanc, scan)


def _once(orthanc: Orthanc, scan: Scan) -> None:
    assert len(orthanc.instances()) == scan.head.stack.grid.shape[2] + 1
    assert len(orthanc.get("/series")) == 2


@pytest.mark.parametrize("signal_name", ["TERM"])
def test_a_stop_in_the_middle_of_a_job_is_quick_and_loses_nothing(
    scan: Scan,
    run_node: Callable[..., RunningNode],
    storescu: Callable[..., Any],
    signal_name: str,
    tmp_path: Path,
) -> None:
    node = run_node("{folder: ./out}")
    storescu(scan.folder, node.port)
    node.until(lambda: _running(node), 120, "a running job")
    assert node.stop() == 0
    node.start()
    node.until_delivered()
