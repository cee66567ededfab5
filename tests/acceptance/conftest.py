"""What the acceptance tests share: one simulated head as DICOM, and nodes that are ended whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from qsmnode.phantom.head import HeadShape, Protocol, SimulatedHead, simulate
from qsmnode.phantom.siemens import write_classic
from tests.acceptance.running import RunningNode


@dataclass(frozen=True)
class Scan:
    """A head and its images."""

    head: SimulatedHead
    folder: Path
    files: tuple[Path, ...]


@pytest.fixture(scope="session")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    """A small head, 3 echoes, as a Siemens scanner writes it. Not to be changed."""
    protocol = Protocol(echo_times_s=(0.004, 0.012, 0.020), shape=(80, 96, 64), voxel_mm=(2.0, 2.0, 2.0))
    head = simulate(HeadShape(seed=21), protocol)
    folder = tmp_path_factory.mktemp("scan")
    return Scan(head, folder, tuple(write_classic(head, folder)))


@pytest.fixture
def run_node(tmp_path: Path) -> Iterator[Callable[..., RunningNode]]:
    """Starts a node: run_node("{folder: ./out}", assembly="deadline_s: 5")."""
    nodes: list[RunningNode] = []

    def start(archive: str, **options: str) -> RunningNode:
        node = RunningNode(tmp_path / f"node{len(nodes)}", archive, **options)
        nodes.append(node)
        node.start()
        return node

    yield start
    for node in nodes:
        if node.alive():
            node.stop()
