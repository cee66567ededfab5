"""What goes wrong around a node: full disks, archives that are away or refuse, mistakes in the set-up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qsmnode.ledger import Store
from qsmnode.node.listing import listing
from tests.acceptance.conftest import Scan
from tests.acceptance.running import RunningNode, qsmnode
from tests.peers.archive import AnsweringArchive
from tests.peers.orthanc import Orthanc
from tests.peers.ports import free_port

OUT_OF_RESOURCES, NOT_SUPPORTED = 0xA700, 0x0122
MB = 1_000_000


def _at(aet: str, port: int) -> str:
    return f"{{ae_title: {aet}, host: 127.0.0.1, port: {port}}}"


def _listed(node: RunningNode) -> dict[str, Any]:
    """What `qsmnode jobs --json` says, without starting a process for it."""
    with Store(node.store, read_only=True) as store:
        return listing(store)


def _deliveries(node: RunningNode) -> list[dict[str, Any]]:
    return [
        delivery
        for acquisition in _listed(node)["acquisitions"]
        for job in acquisition["jobs"]
        for delivery in job["deliveries"]
    ]


def _until_all(node: RunningNode, state: str, timeout_s: float = 240) -> list[dict[str, Any]]:
    """Until both products' deliveries are in this state."""

    def reached() -> list[dict[str, Any]]:
        rows = _deliveries(node)
        return rows if len(rows) == 2 and {row["state"] for row in rows} == {state} else []

    rows: list[dict[str, Any]] = node.until(reached, timeout_s, f"deliveries {state}")
    return rows


def test_less_free_space_than_the_reserve(
    scan: Scan, run_node: Callable[..., RunningNode], storescu: Callable[..., Any]
) -> None:
    """The scanner keeps its images, and is told why in the log once."""
    node = run_node("{folder: ./out}", more="limits: {disk_reserve_mb: 1000000000}\n")
    sent = storescu(scan.files[:5], node.port)
    assert list(sent.statuses.values()) == [OUT_OF_RESOURCES] * 5
    assert _listed(node)["instances"] == {}
    assert not [path for path in (node.store / "instances").rglob("*") if path.is_file()]
    log = node.log.read_text()
    assert log.count("limits.disk_reserve_mb keeps") == 1
    assert node.alive()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB. Skipped, with mount's words, where it is not permitted to mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_up_and_has_space_again(
    scan: Scan, small_disk: Path, storescu: Callable[..., Any], tmp_path: Path
) -> None:
    """What was acknowledged stays; the rest is refused as 0xA700; with space again it goes on by itself."""
    node = RunningNode(tmp_path / "node", "{folder: ./out}", more="limits: {disk_reserve_mb: 0}\n")
    node.config.write_text(node.config.read_text().replace(str(node.store), str(small_disk / "store")))
    node.store = small_disk / "store"
    ballast = small_disk / "ballast"
    try:
        node.start()
        free = os.statvfs(small_disk)
        ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - 2 * MB))
        first = storescu(scan.folder, node.port)
        assert set(first.statuses.values()) == {0x0000, OUT_OF_RESOURCES}
        acknowledged = sum(code == 0x0000 for code in first.statuses.values())
        assert sum(_listed(node)["instances"].values()) == acknowledged
        assert "are answered 0xA700, the sender keeps them: " in node.log.read_text()
        assert node.alive()
        ballast.unlink()
        again = storescu(scan.folder, node.port)
        assert set(again.statuses.values()) == {0x0000}, again.output[-2000:]
        assert sum(_listed(node)["instances"].values()) == len(scan.files)
        assert "objects are accepted again" in node.log.read_text()
        _until_all(node, "sent")
    finally:
        node.stop()


def test_an_archive_that_is_down_gets_everything_when_it_is_back(
    scan: Scan, orthanc: Orthanc, run_node: Callable[..., RunningNode], storescu: Callable[..., Any]
) -> None:
    orthanc.stop()
    node = run_node(_at(orthanc.aet, orthanc.dicom_port))
    storescu(scan.folder, node.port)
    node.until(
        lambda: any(row["tries"] > 1 and row["state"] == "pending" for row in _deliveries(node)),
        240,
        "two failed tries",
    )
    waiting = next(row for row in _deliveries(node) if row["tries"] > 1)
    assert f"archive ({orthanc.aet} at 127.0.0.1:{orthanc.dicom_port})" in waiting["reason"]
    assert qsmnode("echo", "-c", node.config, "archive").returncode == 4
    orthanc.start()
    _until_all(node, "sent")
    assert len(orthanc.instances()) == scan.head.stack.grid.shape[2] + 1


def test_an_archive_without_space_for_a_while(
    scan: Scan,
    archive_answering: Callable[..., AnsweringArchive],
    run_node: Callable[..., RunningNode],
    storescu: Callable[..., Any],
) -> None:
    refusals = iter(range(4))
    archive = archive_answering(lambda _dataset: 0x0000 if next(refusals, None) is None else OUT_OF_RESOURCES)
    node = run_node(_at(archive.aet, archive.port))
    storescu(scan.folder, node.port)
    _until_all(node, "sent")
    assert len(archive.stored) == scan.head.stack.grid.shape[2] + 1
    assert sum(status == 0x0000 for _, status in archive.attempts) == len(archive.stored)
    assert "cannot store now: 0xA700" in node.log.read_text()


def test_an_archive_that_refuses_for_good_until_somebody_mends_it(
    scan: Scan,
    archive_answering: Callable[..., AnsweringArchive],
    run_node: Callable[..., RunningNode],
    storescu: Callable[..., Any],
) -> None:
    """Parked with the reason, not tried again and again, never dropped: `retry` brings it."""
    archive = archive_answering(NOT_SUPPORTED)
    node = run_node(_at(archive.aet, archive.port))
    storescu(scan.folder, node.port)
    for row in _until_all(node, "parked"):
        assert "0x0122, SOP class not supported" in row["reason"]
        assert "allow them there, then retry" in row["reason"]
    shown = qsmnode("jobs", "-c", node.config)
    assert "parked" in shown.stdout
    assert "0x0122" in shown.stdout
    archive.answer = lambda _dataset: 0x0000
    retried = qsmnode("retry", "-c", node.config)
    assert retried.returncode == 0, retried.stderr
    assert "2 parked deliveries" in retried.stdout
    _until_all(node, "sent", 60)
    assert len(archive.stored) == scan.head.stack.grid.shape[2] + 1


def _fails(*arguments: str | Path) -> str:
    """What it says on standard error, of a command that ends as a mistake in the set-up."""
    ended = qsmnode(*arguments)
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert "unexpected" not in ended.stderr
    return ended.stderr


def test_a_second_node_and_a_port_in_use(run_node: Callable[..., RunningNode], tmp_path: Path) -> None:
    node = run_node("{folder: ./out}")
    other_port = tmp_path / "other_port.yaml"
    other_port.write_text(node.config.read_text().replace(f"port: {node.port}", f"port: {free_port()}"))
    message = _fails("run", "-c", other_port)
    assert f"{node.store}: in use by process {node.pid}; one node per store" in message
    other_store = tmp_path / "other_store.yaml"
    other_store.write_text(node.config.read_text().replace(str(node.store), str(tmp_path / "other")))
    message = _fails("run", "-c", other_store)
    assert f"node.port {node.port}: cannot listen there" in message
    assert "is another program using the port?" in message
    assert node.alive()


def test_a_configuration_with_four_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(
        "node: {ae_title: A_TITLE_THAT_IS_TOO_LONG, store: ./store}\n"
        "peers:\n"
        "  mr1: {ae_title: MR1, hots: 192.0.2.10}\n"
        "  out: {folder: ./out}\n"
        "routes:\n"
        "  - name: brain\n"
        "    match: {SeriesDescripton: {regex: qsm}}\n"
        "    send_to: [pacs]\n"
    )
    lines = _fails("check", path).splitlines()
    for place, words in (
        ("1:18", "node.ae_title"),
        ("3:24", "peers.mr1.hots"),
        ("7:13", "SeriesDescripton"),
        ("8:15", "unknown peer"),
    ):
        (line,) = [line for line in lines if line.startswith(f"{path}:{place}: ") and words in line]
        assert line
    assert _fails("run", "-c", path).splitlines() == lines
    assert not (tmp_path / "store").exists()


def test_a_store_under_etc_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("node: {store: /etc/qsmnode}\npeers: {}\nroutes: []\n")
    message = _fails("run", "-c", path)
    assert message.startswith(f"{path}:1:15: node.store: ")
    assert "a store under /etc is refused" in message
    assert not Path("/etc/qsmnode").exists()
