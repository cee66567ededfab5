"""Slices that a scanner did not send are fetched from the archive that has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.siemens import write_classic
from tests.acceptance.running import RunningNode
from tests.peers.orthanc import Orthanc

LOST = 7


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A head in few voxels, two echoes."""
    head = simulate(HeadShape(seed=5), quick_protocol(6.0, echo_times_s=(0.006, 0.018)))
    return write_classic(head, tmp_path_factory.mktemp("small"))


def _one(node: RunningNode) -> dict[str, Any]:
    found = node.jobs()["acquisitions"]
    return found[0] if len(found) == 1 else {}


@pytest.fixture
def asking_node(orthanc: Orthanc, tmp_path: Path) -> Iterator[RunningNode]:
    """Asks the archive a second after the last image."""
    archive = f"{{ae_title: {orthanc.aet}, host: 127.0.0.1, port: {orthanc.dicom_port}}}"
    timers = "settling_s: 0.5, deadline_s: 1000, ask_after: 0.001"
    node = RunningNode(tmp_path / "node", archive, assembly=timers)
    text = node.config.read_text()
    node.config.write_text(text.replace("    send_to:", "    ask_for_missing: archive\n    send_to:"))
    node.start()
    yield node
    node.stop()


def test_what_is_missing_comes_from_the_archive(
    small: list[Path], orthanc: Orthanc, asking_node: RunningNode, storescu: Callable[..., Any]
) -> None:
    node = asking_node
    orthanc.add_modality("qsmnode", "QSMNODE", node.port)
    storescu(small, orthanc.dicom_port, called=orthanc.aet)
    sent = storescu([path for number, path in enumerate(small) if number % 10 != LOST], node.port)
    assert set(sent.statuses.values()) == {0x0000}
    lost = len(range(LOST, len(small), 10))
    node.until(lambda: _one(node).get("jobs"), 120, "a job")
    acquisition = _one(node)
    assert acquisition["asked"] == f"asked archive: it sent {lost} of {lost} images that were not here"
    assert (acquisition["state"], acquisition["revision"]) == ("queued", 1)
    assert node.jobs()["instances"] == {"indexed": len(small)}


def test_an_archive_that_lacks_them_as_well_is_asked_once(
    small: list[Path], orthanc: Orthanc, asking_node: RunningNode, storescu: Callable[..., Any]
) -> None:
    node, here = asking_node, small[:-3]
    orthanc.add_modality("qsmnode", "QSMNODE", node.port)
    storescu(here, orthanc.dicom_port, called=orthanc.aet)
    storescu(here, node.port)
    node.until(lambda: _one(node).get("asked"), 60, "an answer")
    acquisition = _one(node)
    assert "and all of them are here" in acquisition["asked"]
    assert acquisition["state"] == "collecting"
    storescu(small[-3:-2], node.port)
    node.until(lambda: "2 of" not in str(_one(node)["missing"]) and _one(node)["missing"], 60, "another look")
    time.sleep(2.5)
    assert _one(node)["asked"] == acquisition["asked"]
    assert orthanc.log.read_text(errors="replace").count("C-FIND") <= 4


def test_an_archive_that_does_not_know_the_node_is_named_with_what_to_do(
    small: list[Path], orthanc: Orthanc, asking_node: RunningNode, storescu: Callable[..., Any]
) -> None:
    storescu(small, orthanc.dicom_port, called=orthanc.aet)
    storescu(small[:-3], asking_node.port)
    asking_node.until(lambda: _one(asking_node).get("asked"), 60, "an answer")
    acquisition = _one(asking_node)
    assert acquisition["state"] == "collecting"
    assert f"archive ({orthanc.aet} at 127.0.0.1:{orthanc.dicom_port})" in acquisition["asked"]
