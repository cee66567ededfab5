"""Slices that come after the result was delivered: a second result that names the first, which stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest

from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.siemens import write_classic
from tests.acceptance.running import RunningNode


def _written(folder: Path) -> list[Path]:
    """A small head of two echoes."""
    return write_classic(
        simulate(HeadShape(seed=5), quick_protocol(6.0, echo_times_s=(0.006, 0.018))), folder
    )


@pytest.fixture
def quick_node(tmp_path: Path) -> Iterator[Callable[..., RunningNode]]:
    """Starts a node with a fast recipe: who replaces whom is the same whatever the recipe."""
    nodes: list[RunningNode] = []

    def start(assembly: str, more: str = "") -> RunningNode:
        node = RunningNode(tmp_path / "node", "{folder: ./out}", assembly=assembly)
        node.config.write_text(node.config.read_text().replace("recipe: default", "recipe: fast") + more)
        nodes.append(node)
        node.start()
        return node

    yield start
    for node in nodes:
        if node.alive():
            node.stop()


def _undeclared(folder: Path) -> list[Path]:
    """A small head whose headers do not say how many slices it has, bottom to top."""
    files = _written(folder)
    places = {}
    for path in files:
        item = pydicom.dcmread(path)
        item.remove_private_tags()
        item.save_as(path)
        places[path] = float(item.ImagePositionPatient[2])
    return sorted(files, key=lambda path: places[path])


def _delivered(folder: Path) -> dict[str, list[pydicom.Dataset]]:
    """What lies in the folder, by series."""
    found: dict[str, list[pydicom.Dataset]] = {}
    for path in sorted(folder.rglob("*.dcm")):
        item = pydicom.dcmread(path)
        found.setdefault(item.SeriesInstanceUID, []).append(item)
    return found


def test_late_slices_make_a_revision_that_names_what_it_replaces(
    quick_node: Callable[..., RunningNode], storescu: Callable[..., Any], tmp_path: Path
) -> None:
    files = _undeclared(tmp_path / "scan")
    of_a_slice = len(files) // 30
    node = quick_node("settling_s: 1, deadline_s: 600")
    out = node.config.parent / "out"
    storescu(files[:-of_a_slice], node.port)
    node.until_delivered(2)
    before = _delivered(out)
    storescu(files[-of_a_slice:], node.port)
    node.until_delivered(4)
    after = _delivered(out)

    assert {uid: after[uid] for uid in before} == before
    first = {items[0].Modality: items for items in before.values()}
    second = {after[uid][0].Modality: after[uid] for uid in after if uid not in before}
    assert (len(first["MR"]), len(second["MR"])) == (29, 30)
    image, (report,) = second["MR"][0], second["SR"]
    assert image.SeriesDescription.endswith("revision 2")
    assert report.SeriesDescription.endswith("revision 2")
    assert image.RelatedSeriesSequence[0].SeriesInstanceUID == first["MR"][0].SeriesInstanceUID
    predecessor = report.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert predecessor.SeriesInstanceUID == first["SR"][0].SeriesInstanceUID
    assert predecessor.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first["SR"][0].SOPInstanceUID
    states = [(item["revision"], item["state"]) for item in node.jobs()["acquisitions"]]
    assert states == [(1, "queued"), (2, "queued")]


def test_a_map_that_late_images_made_possible_names_the_refusal_that_it_replaces(
    quick_node: Callable[..., RunningNode], storescu: Callable[..., Any], tmp_path: Path
) -> None:
    files = _written(tmp_path / "scan")
    node = quick_node("settling_s: 1, deadline_s: 2", "    on_reject: report\n")
    storescu(files[:-1], node.port)
    node.until_delivered(2)
    out = node.config.parent / "out"
    refused = {items[0].Modality: items[0] for items in _delivered(out).values()}
    storescu(files[-1:], node.port)
    node.until_delivered(4)
    after = _delivered(out)
    tasks = [job["task"] for one in node.jobs()["acquisitions"] for job in one["jobs"]]
    assert tasks == ["refusal", "qsm"]
    made = {
        items[0].Modality: items[0]
        for uid, items in after.items()
        if uid not in {one.SeriesInstanceUID for one in refused.values()}
    }
    related = [item.SeriesInstanceUID for item in made["MR"].RelatedSeriesSequence]
    assert related == [refused["OT"].SeriesInstanceUID]
    (predecessor,) = made["SR"].PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert predecessor.SeriesInstanceUID == refused["SR"].SeriesInstanceUID
    assert predecessor.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == refused["SR"].SOPInstanceUID
