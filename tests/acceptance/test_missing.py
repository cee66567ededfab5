"""Slices and whole series that a scanner did not send are fetched from the archive that has them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest

from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.siemens import write_classic
from qsmnode.phantom.vendors import write
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


def _of_another_protocol(paths: list[Path], folder: Path) -> list[Path]:
    """The same images as another scan of the visit: other names, another protocol."""
    folder.mkdir()
    made = []
    for number, path in enumerate(paths):
        item = pydicom.dcmread(path)
        item.SeriesInstanceUID, item.ProtocolName = "2.25.900", "t1_mprage"
        item.SOPInstanceUID = item.file_meta.MediaStorageSOPInstanceUID = f"2.25.9000{number}"
        made.append(folder / path.name)
        item.save_as(made[-1])
    return made


def _told(node: RunningNode) -> set[str]:
    """The kinds of events in the audit trail: among them a query, a retrieval and what came of it."""
    trail = b"".join(path.read_bytes() for path in (node.store / "audit").glob("*.log"))
    return set(re.findall('<EventID csd-code="([0-9]+)"', trail.decode()))


def test_a_phase_series_of_which_nothing_came_is_fetched_and_no_other_scan(
    small: list[Path],
    orthanc: Orthanc,
    asking_node: RunningNode,
    storescu: Callable[..., Any],
    tmp_path: Path,
) -> None:
    """Without phase the route cannot be told: it is the one that would match with it that asks."""
    node = asking_node
    orthanc.add_modality("qsmnode", "QSMNODE", node.port)
    magnitude, phase = small[: len(small) // 2], small[len(small) // 2 :]
    others = _of_another_protocol(phase[:3], tmp_path / "others")
    storescu([*small, *others], orthanc.dicom_port, called=orthanc.aet)
    storescu(magnitude, node.port)
    node.until(lambda: _one(node).get("jobs"), 120, "a job")
    acquisition = _one(node)
    count = len(phase)
    words = f"it sent {count} of {count} images that were not here, 1 whole series among them"
    assert acquisition["asked"] == f"asked archive: {words}"
    assert (acquisition["state"], acquisition["revision"]) == ("queued", 1)
    assert node.jobs()["instances"] == {"indexed": len(small)}
    node.until(lambda: _told(node) >= {"110100", "110102", "110104", "110112"}, 60, "the audit trail")


def test_the_series_of_an_echo_of_which_nothing_came_are_fetched(
    orthanc: Orthanc, asking_node: RunningNode, storescu: Callable[..., Any], tmp_path: Path
) -> None:
    node = asking_node
    head = simulate(HeadShape(seed=5), quick_protocol(6.0, echo_times_s=(0.006, 0.018)))
    files = write("siemens-xa-split", head, tmp_path / "split")
    first = [path for path in files if float(pydicom.dcmread(path).EchoTime) < 10]
    assert 0 < len(first) < len(files)
    orthanc.add_modality("qsmnode", "QSMNODE", node.port)
    storescu(files, orthanc.dicom_port, called=orthanc.aet)
    storescu(first, node.port)
    node.until(lambda: _one(node).get("jobs"), 120, "a job")
    count = len(files) - len(first)
    assert f"it sent {count} of {count} images that were not here, 2 whole series" in _one(node)["asked"]


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
