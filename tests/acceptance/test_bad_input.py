"""What a node meets in a hospital's network: noise, strangers, broken and unsuitable objects. It says why.

One node meets all of it; after each test it still answers, and at the end it still does its work.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from qsmnode.cli import main
from qsmnode.ledger import Store
from qsmnode.node.listing import listing
from qsmnode.node.wire import acse, command
from qsmnode.node.wire.connection import Connection, data_pdu, fragments
from qsmnode.node.wire.part10 import read_front
from tests.acceptance.conftest import Scan
from tests.acceptance.running import RunningNode
from tests.peers import dcmtk

pytestmark = pytest.mark.peers("dcmtk")

MR, EXPLICIT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.2.1"

# folder -> of each acquisition: state, part of the reason, and what is said to be missing (None: nothing)
CORPUS: dict[str, set[tuple[str, str, str | None]]] = {
    "canon-epi": {("ignored", "echo planar", None)},
    "hitachi-se": {("ignored", "not a gradient echo (ScanningSequence SE)", None)},
    "siemens-xa60-not-gre": {
        ("ignored", "no MR image: Enhanced SR Storage", None),
        ("ignored", "echo planar", None),
    },
    "siemens-e11-fieldmap": {
        ("ignored", "phase difference of a field map: one phase echo time (7.65 ms)", None)
    },
    "siemens-xa30-enhanced-fieldmap": {
        ("ignored", "phase difference of a field map: one phase echo time", None)
    },
    "ge-b0map": {
        ("ignored", "a scanner's field map, not a phase image", None),
        ("ignored", "there is no phase image", None),
    },
    "philips-enhanced-b0map": {("ignored", "field map in Hz; there is no phase image", None)},
    "uih-gre-magnitude": {("ignored", "magnitude only: missing", "phase, echo 1, slices 1-160 of 160")},
    "siemens-orphan-phase-slice": {
        ("unmatched", "no magnitude images", "magnitude, echoes 1-2, slice 1 of 1")
    },
}


@pytest.fixture(scope="module")
def module_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """Looks for two echoes of magnitude and phase, 2-D or 3-D, and writes what it makes into ./out."""
    node = RunningNode(
        tmp_path_factory.mktemp("bad"),
        "{folder: ./out}",
        assembly="settling_s: 0.5, deadline_s: 3",
        more="limits: {acse_timeout_s: 2, dimse_timeout_s: 2}\n",
    )
    node.config.write_text(node.config.read_text().replace(", dimensions: 3", ""))
    node.start()
    yield node
    node.stop()


@pytest.fixture
def node(module_node: RunningNode) -> Iterator[RunningNode]:
    """The node; it must be as good after the test as before."""
    yield module_node
    assert module_node.alive(), module_node.log.read_text()
    code, output = dcmtk.echoscu(module_node.port)
    assert code == 0, output


def _logged(node: RunningNode, words: str) -> None:
    node.until(lambda: words in node.log.read_text(), 20, f"{words!r} in the log")


def _listed(node: RunningNode) -> dict[str, Any]:
    """What `qsmnode jobs --json` says, without starting a process for it."""
    with Store(node.store, read_only=True) as store:
        return listing(store)


def _count(node: RunningNode) -> int:
    return sum(_listed(node)["instances"].values())


def _files(node: RunningNode) -> int:
    return sum(path.is_file() for path in (node.store / "instances").rglob("*"))


class Caller:
    """A scanner that can stop in the middle of a sentence."""

    def __init__(self, node: RunningNode) -> None:
        link = socket.create_connection(("127.0.0.1", node.port), timeout=20)
        self.connection = Connection(link)
        contexts = (acse.ContextProposal(1, MR, (EXPLICIT,)),)
        self.connection.send(
            acse.encode_proposal(acse.Proposal("QSMNODE", "MR1", contexts, 16384)), timeout_s=5
        )
        assert self.connection.read_pdu(20, 20)[0] == acse.ASSOCIATE_AC

    def announce(self, uid: str) -> None:
        fields: dict[int, command.Value] = {
            command.AFFECTED_SOP_CLASS: MR,
            command.COMMAND_FIELD: command.C_STORE_RQ,
            command.MESSAGE_ID: 1,
            command.PRIORITY: 0,
            command.DATA_SET_TYPE: command.WITH_DATA_SET,
            command.AFFECTED_SOP_INSTANCE: uid,
        }
        self.connection.send(data_pdu(1, command.encode(fields), command=True, last=True), 5)

    def data(self, part: bytes, *, last: bool) -> None:
        self.connection.send(data_pdu(1, part, command=False, last=last), 5)

    def status(self) -> int:
        kind, payload = self.connection.read_pdu(20, 20)
        assert kind == acse.DATA
        answer = command.decode(b"".join(bytes(data) for *_, data in fragments(payload)))
        return command.number(answer, command.STATUS)

    def close(self) -> None:
        self.connection.close()


def _data_set(dataset: Dataset) -> bytes:
    """As it goes over the network: explicit VR little endian, without file meta information."""
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = False, True
    write_dataset(stream, dataset)
    return stream.getvalue()


def _send(node: RunningNode, uid: str, data: bytes) -> int:
    with closing(Caller(node)) as caller:
        caller.announce(uid)
        caller.data(data, last=True)
        return caller.status()


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes(node: RunningNode, seed: int) -> None:
    noise = random.Random(seed).randbytes(5000)
    with socket.create_connection(("127.0.0.1", node.port), timeout=20) as link:
        try:
            link.sendall(noise)
            while link.recv(4096):
                pass
        except ConnectionError:
            pass  # it may be cut off while it still sends
    _logged(node, "no association with 127.0.0.1")


def test_somebody_who_says_nothing(node: RunningNode) -> None:
    with socket.create_connection(("127.0.0.1", node.port), timeout=20) as link:
        while link.recv(4096):
            pass
    _logged(node, "no association with 127.0.0.1")


def test_the_wrong_called_title(node: RunningNode) -> None:
    code, output = dcmtk.echoscu(node.port, called="SOMEBODY")
    assert code != 0
    assert "Called AE Title Not Recognized" in output
    _logged(node, "'MR1' called 'SOMEBODY', but node.ae_title is 'QSMNODE': correct one of them")


def test_the_wrong_calling_title(node: RunningNode, scan: Scan) -> None:
    sent = dcmtk.storescu(scan.files[:1], node.port, calling="STRANGER")
    assert sent.returncode != 0
    assert "Calling AE Title Not Recognized" in sent.output
    _logged(node, "calling AE title 'STRANGER' is not listed under peers")


@pytest.mark.parametrize("uid", ["../../x", "/etc/x", "1.2..3\\x", "1" * 65])
def test_a_path_as_instance_uid(node: RunningNode, uid: str) -> None:
    before, files = _count(node), _files(node)
    assert _send(node, uid, b"\x08\x00\x18\x00UI\x02\x001\x00") == 0x0117
    _logged(node, "SOP Instance UID is not a UID")
    assert (_count(node), _files(node)) == (before, files)
    assert not list(node.store.parent.parent.rglob("x"))


def test_a_cable_pulled_in_the_middle_of_an_object(node: RunningNode, scan: Scan) -> None:
    before, files = _count(node), _files(node)
    dataset = pydicom.dcmread(scan.files[0])
    with closing(Caller(node)) as caller:
        caller.announce(dataset.SOPInstanceUID)
        caller.data(_data_set(dataset)[:4000], last=False)
    _logged(node, "association broke off in the middle of an object")
    assert (_count(node), _files(node)) == (before, files)


def _unreadable(node: RunningNode) -> int:
    return int(_listed(node)["instances"].get("unreadable", 0))


@pytest.mark.parametrize("share", [0.02, 0.9])
def test_a_truncated_object(node: RunningNode, scan: Scan, share: float) -> None:
    """It came whole as far as the network knows: kept, acknowledged, and said to be unreadable."""
    dataset = pydicom.dcmread(scan.files[0])
    dataset.SOPInstanceUID = f"2.25.{round(1000 * share)}"
    whole = _data_set(dataset)
    before = _unreadable(node)
    assert _send(node, dataset.SOPInstanceUID, whole[: int(share * len(whole)) | 1]) == 0x0000
    node.until(lambda: _unreadable(node) == before + 1, 20, "an unreadable instance")
    _logged(node, "kept, but not readable")


def test_something_that_is_no_data_set_at_all(node: RunningNode) -> None:
    before = _unreadable(node)
    assert _send(node, "2.25.77", random.Random(7).randbytes(3000)) == 0x0000
    node.until(lambda: _unreadable(node) == before + 1, 20, "an unreadable instance")


def test_an_object_without_pixels(node: RunningNode, scan: Scan) -> None:
    dataset = pydicom.dcmread(scan.files[0])
    dataset.SOPInstanceUID, dataset.StudyInstanceUID = "2.25.88", "2.25.89"
    del dataset.PixelData
    assert _send(node, "2.25.88", _data_set(dataset)) == 0x0000
    node.until(lambda: _of_studies(node, {"2.25.89"}), 20, "an acquisition")
    assert _of_studies(node, {"2.25.89"}) == {("ignored", "no pixel data", ())}


def _of_studies(node: RunningNode, studies: set[str]) -> set[tuple[str, str, tuple[str, ...]]]:
    return {
        (each["state"], each["reason"], tuple(each["missing"]))
        for each in _listed(node)["acquisitions"]
        if each["study_uid"] in studies
    }


def _dicom_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_part10(path)]


def _is_part10(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _is_there(found: tuple[str, str, tuple[str, ...]], wanted: tuple[str, str, str | None]) -> bool:
    state, reason, missing = wanted
    complete = found[2] == () if missing is None else missing in found[2]
    return found[0] == state and reason in found[1] and complete


@pytest.mark.parametrize("folder", CORPUS)
def test_real_images_that_are_no_source(node: RunningNode, corpus: Path, folder: str) -> None:
    """All acknowledged; the state and the reason are in `jobs`; nothing is computed and nothing is sent."""
    files = _dicom_files(corpus / folder)
    sent = dcmtk.storescu(files, node.port)
    assert set(sent.statuses) == set(files)
    assert set(sent.statuses.values()) == {0x0000}, sent.output[-2000:]
    studies = {str(pydicom.dcmread(path, stop_before_pixels=True).StudyInstanceUID) for path in files}

    def decided() -> bool:
        states = {state for state, *_ in _of_studies(node, studies)}
        return (
            bool(states)
            and not states & {"collecting", "held"}
            and not _listed(node)["instances"].get("received")
        )

    node.until(decided, 60, f"a decision about {folder}")
    found = _of_studies(node, studies)
    expected = CORPUS[folder]
    assert all(any(_is_there(each, wanted) for wanted in expected) for each in found), found
    assert all(any(_is_there(each, wanted) for each in found) for wanted in expected), found
    assert [job for each in _listed(node)["acquisitions"] for job in each["jobs"]] == []
    assert list((node.config.parent / "out").glob("*")) == []


@pytest.mark.parametrize("folder", CORPUS)
def test_the_same_on_disk(
    node: RunningNode, corpus: Path, tmp_path: Path, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "-c", str(node.config), "--calling-ae", "MR1", str(corpus / folder)]) == 0
    explained = capsys.readouterr().out
    assert main(["reconstruct", str(corpus / folder), "--out", str(tmp_path / "maps")]) == 3
    tried = capsys.readouterr().err
    for _state, reason, missing in CORPUS[folder]:
        assert (missing or reason) in explained
        assert (missing or reason) in tried
    assert not (tmp_path / "maps").exists()


def test_truncated_files_on_disk(
    node: RunningNode, scan: Scan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither half an image nor half a header is taken for a whole one; what is missing then is named."""
    study = tmp_path / "study"
    study.mkdir()
    for number, path in enumerate(scan.files):
        whole = path.read_bytes()
        cut = {3: len(whole) - 1000, 5: 700, 7: 100, 9: 0}.get(number, len(whole))
        (study / path.name).write_bytes(whole[:cut])
    assert main(["explain", "-c", str(node.config), str(study)]) == 0
    explained = capsys.readouterr().out
    for number in (3, 5, 7, 9):
        assert f"{study / scan.files[number].name}: " in explained
    assert main(["reconstruct", str(study), "--out", str(tmp_path / "maps")]) == 3
    assert f"of {scan.head.stack.grid.shape[2]}" in capsys.readouterr().err
    assert not (tmp_path / "maps").exists()


def test_after_all_of_that_a_good_acquisition_is_delivered(node: RunningNode, scan: Scan) -> None:
    sent = dcmtk.storescu(scan.folder, node.port)
    assert set(sent.statuses.values()) == {0x0000}, sent.output[-2000:]
    node.until_delivered()
    written = sorted((node.config.parent / "out").rglob("*.dcm"))
    assert len(written) == scan.head.stack.grid.shape[2] + 1
    assert all(read_front(path).sop_instance_uid for path in written)
