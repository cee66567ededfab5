"""What every test may ask for: scanner files and real peers; and the report of what could not run here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers import dcmtk, dicom3tools, nifti, ports, programs
from tests.peers.archive import Answer, AnsweringArchive
from tests.peers.orthanc import Orthanc

# Fixtures that need a real peer: a test that asks for one carries the marker without saying so.
_PEER_FIXTURES = {
    "storescu": "dcmtk",
    "dcmsend": "dcmtk",
    "echoscu": "dcmtk",
    "dciodvfy": "dicom3tools",
    "dcentvfy": "dicom3tools",
    "orthanc": "orthanc",
    "start_orthanc": "orthanc",
    "dcm2niix": "dcm2niix",
}
_NEEDS_PEERS = "needs real peers that are not installed: "
_NEEDS_CORPUS = "needs the scanner files: "


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        names = getattr(item, "fixturenames", ())
        packages = sorted({_PEER_FIXTURES[name] for name in names if name in _PEER_FIXTURES})
        if packages:
            item.add_marker(pytest.mark.peers(*packages))
        if "corpus" in names:
            item.add_marker("corpus")


def _absent_corpus() -> str | None:
    folder = os.environ.get("QSMNODE_CORPUS", "")
    if not folder:
        return "QSMNODE_CORPUS is not set"
    if not Path(folder).is_dir() or not any(Path(folder).iterdir()):
        return f"QSMNODE_CORPUS={folder} is no folder with files in it"
    return None


def _skip_or_fail(reason: str, requirement: str) -> None:
    if os.environ.get(requirement, "") not in ("", "0"):
        pytest.fail(f"{reason} ({requirement} is set)", pytrace=False)
    pytest.skip(reason)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("peers"):
        if lacking := programs.missing(marker.args):
            _skip_or_fail(_NEEDS_PEERS + ", ".join(lacking), "QSMNODE_REQUIRE_PEERS")
    if item.get_closest_marker("corpus") and (absent := _absent_corpus()):
        _skip_or_fail(_NEEDS_CORPUS + absent, "QSMNODE_REQUIRE_CORPUS")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for prefix, remedy in (
        (_NEEDS_PEERS, "./tests/run.sh --install-peers"),
        (_NEEDS_CORPUS, "QSMNODE_CORPUS=<folder of scanner files> ./tests/run.sh"),
    ):
        not_run = [
            (report.nodeid, report.longrepr[2].removeprefix("Skipped: ").removeprefix(prefix))
            for report in terminalreporter.getreports("skipped")
            if isinstance(report.longrepr, tuple) and prefix in report.longrepr[2]
        ]
        if not_run:
            terminalreporter.section(f"{len(not_run)} not run: to run them: {remedy}")
            for nodeid, why in not_run:
                terminalreporter.write_line(f"{nodeid}: {why}")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real scanner files, QSMNODE_CORPUS. Skipped, or failed where required, without."""
    return Path(os.environ["QSMNODE_CORPUS"]).resolve()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that gives a free TCP port on 127.0.0.1."""
    return ports.free_port


@pytest.fixture
def dcmsend() -> Callable[..., list[int]]:
    """DCMTK's dcmsend, see tests/peers/dcmtk.py: dcmsend(files, port, report, called=, calling=)."""
    return dcmtk.dcmsend


@pytest.fixture
def storescu() -> Callable[..., dcmtk.StoreResult]:
    """DCMTK's storescu, see tests/peers/dcmtk.py: storescu(files, port, *options, called=, calling=)."""
    return dcmtk.storescu


@pytest.fixture
def echoscu() -> Callable[..., tuple[int, str]]:
    """DCMTK's echoscu: echoscu(port, *options, called=, calling=) -> (exit code, output)."""
    return dcmtk.echoscu


@pytest.fixture
def dciodvfy() -> Callable[[Path], dicom3tools.Verdict]:
    """dicom3tools' dciodvfy on one object: a Verdict of errors and warnings."""
    return dicom3tools.dciodvfy


@pytest.fixture
def dcentvfy() -> Callable[..., dicom3tools.Verdict]:
    """dicom3tools' dcentvfy on all objects of a study."""
    return dicom3tools.dcentvfy


@pytest.fixture
def dcm2niix() -> Callable[..., list[nifti.Conversion]]:
    """dcm2niix on a folder: every image that it wrote, with its sidecar."""
    return nifti.dcm2niix


@pytest.fixture
def archive_answering() -> Iterator[Callable[..., AnsweringArchive]]:
    """Starts an archive that answers every C-STORE with one status, or as a function of the data set says."""
    archives: list[AnsweringArchive] = []

    def start(answer: Answer | int, aet: str = "ARCHIVE") -> AnsweringArchive:
        archives.append(AnsweringArchive(answer, aet))
        return archives[-1]

    yield start
    for archive in archives:
        archive.stop()


@pytest.fixture(scope="session")
def orthanc_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """The Orthanc that `orthanc` hands to one test after the other."""
    server = Orthanc(tmp_path_factory.mktemp("orthanc"))
    yield server
    server.stop()


@pytest.fixture
def orthanc(orthanc_of_session: Orthanc) -> Orthanc:
    """A running, empty Orthanc that stores whatever is sent to its AE title. A test may stop and start it."""
    orthanc_of_session.start()
    orthanc_of_session.clear()
    return orthanc_of_session


@pytest.fixture
def start_orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Orthanc]]:
    """Starts another Orthanc: start_orthanc(aet="PACS2", settings={...}), e.g. one that knows nobody."""
    servers: list[Orthanc] = []

    def start(aet: str = "ORTHANC", settings: dict[str, Any] | None = None) -> Orthanc:
        servers.append(Orthanc(tmp_path_factory.mktemp("orthanc"), aet, settings))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
