"""What the campaigns run against: objects to send, an archive that counts, a node and its scanner."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from qsmnode.config import Config
from qsmnode.errors import PeerError
from qsmnode.ledger import Store
from qsmnode.node.sender.files import send_files
from qsmnode.node.wire import command
from qsmnode.node.wire.commitment import PAIR, REQUEST, Demand, encode_demand
from qsmnode.node.wire.exchange import Exchange
from qsmnode.node.wire.part10 import read_front
from qsmnode.node.wire.requestor import Target
from qsmnode.node.wire.uids import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.siemens import write_classic
from tests.campaigns.disk import Disk
from tests.campaigns.process import NodeProcess
from tests.campaigns.steps import Steps
from tests.peers.ports import free_port

_PATIENCE_S = 180.0
_IN_A_STUDY = 100


def small_objects(folder: Path, count: int, seed: int) -> list[Path]:
    """Images that are no source of a map: received, read and ignored."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    paths = []
    for number in range(1, count + 1):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MRImageStorage
        meta.MediaStorageSOPInstanceUID = f"2.25.{seed}{number:05d}"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset = FileDataset(None, {}, file_meta=meta)
        dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        study = number // _IN_A_STUDY
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"2.25.7{study}", f"2.25.8{study}{number % 3}"
        dataset.Modality, dataset.PatientID, dataset.PatientName = "MR", "CAMPAIGN", "Knownname^Campaign"
        dataset.Rows = dataset.Columns = 32
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 0
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.PixelData = random.integers(0, 4096, 1024, dtype=np.uint16).tobytes()
        dataset["PixelData"].VR = "OW"
        path = folder / f"{number:05d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def tiny_head(folder: Path) -> list[Path]:
    """A head that a fast recipe reconstructs in a moment."""
    folder.mkdir(parents=True, exist_ok=True)
    head = simulate(HeadShape(seed=3), quick_protocol(6.0, echo_times_s=(0.004, 0.012)))
    return list(write_classic(head, folder))


class Peer:
    """A program of the campaigns in a process of its own (a fork while threads run is no safe place)."""

    def __init__(self, program: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.campaigns.{program}", str(folder)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def clear(self) -> None:
        """Forget all that came."""
        for path in self.folder.iterdir():
            path.unlink()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Archive(Peer):
    """An archive that counts, and commits as it is told."""

    def __init__(self, folder: Path) -> None:
        super().__init__("archive", folder)

    def objects(self) -> Counter[str]:
        """SOP Instance UIDs, and in how many different contents each came."""
        return Counter(path.stem.partition("-")[0] for path in self.folder.glob("*.sha"))


class Scanner(Peer):
    """Where reports on what a scanner asked to be kept arrive."""

    def __init__(self, folder: Path) -> None:
        super().__init__("scanner", folder)

    def reports(self, transaction_uid: str) -> list[dict[str, int]]:
        """What was reported on a request: 0 or the failure reason by SOP Instance UID."""
        found = (json.loads(path.read_text()) for path in self.folder.glob("*.json"))
        return [verdicts for transaction, verdicts in found if transaction == transaction_uid]


@dataclass
class Site:
    """A node with its store, started and killed at will; a scanner that sends again what was not taken.

    Attributes:
        commits: whether the archive is asked to answer for what it was sent.
        scanner_port: where the node reports what it keeps; None: it promises nothing.
    """

    folder: Path
    archive_port: int
    commits: bool = False
    scanner_port: int | None = None
    acknowledged: set[Path] = field(default_factory=set)
    promised: bool = False
    arriving: int = 0
    """Objects whose rows this node writes a moment after its answer."""
    node: NodeProcess | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.port = free_port()
        self.store = self.folder / "store"
        self.log = self.folder / "node.log"

    @property
    def config(self) -> Config:
        archive = {"ae_title": "ARCHIVE", "host": "127.0.0.1", "port": self.archive_port, "may_send": False}
        scanner: dict[str, Any] = {"ae_title": "MR1", "host": "127.0.0.1"}
        if self.scanner_port is not None:
            scanner["port"] = self.scanner_port
        return Config.model_validate(
            {
                "node": {"port": self.port, "store": str(self.store)},
                "peers": {"mr1": scanner, "archive": {**archive, "commitment": self.commits}},
                "routes": [
                    {
                        "name": "brain",
                        "match": {"acquisition": {"echoes": {"min": 2}, "kinds": ["magnitude", "phase"]}},
                        "recipe": "fast",
                        "products": ["qsm", "report"],
                        "send_to": ["archive"],
                    }
                ],
                "limits": {"disk_reserve_mb": 0, "disk_reserve_percent": 0},
                "assembly": {"settling_s": 0.5},
                "delivery": {"first_backoff_s": 0.2, "longest_backoff_s": 1, "attempts": 50},
                "commitment": {"provide": self.scanner_port is not None, "rounds": 10, "linger_s": 0.5},
                "jobs": {"threads": 1},
                "retention": {"min_free_percent": 0, "ignored_days": 0},
            }
        )

    def steps(self, what: str, at: int, disk: Disk | None = None, *, lasting_s: float = 0.0) -> Steps:
        """Something that goes wrong with the next start."""
        counter = self.folder / f"steps-{len(list(self.folder.glob('steps-*')))}"
        return Steps(what, at, counter, disk, lasting_s=lasting_s)

    def start(self, steps: Steps | None = None) -> bool:
        """Whether it came up."""
        self.arriving = 0
        self.node = NodeProcess(self.config, self.log, steps)
        return self.node.wait_ready()

    def send(self, files: Sequence[Path]) -> None:
        """What the node has not acknowledged yet; whether it takes it or dies."""
        left = [path for path in files if path not in self.acknowledged]
        peer = {"ae_title": "QSMNODE", "host": "127.0.0.1", "port": self.port}
        scanner = Config.model_validate({"node": {"ae_title": "MR1"}, "peers": {"node": peer}, "routes": []})
        try:
            results = send_files(scanner, "node", left)
        except PeerError:
            return
        self.acknowledged.update(result.path for result in results if result.sent)
        self.arriving = len(self.acknowledged)

    def ask_to_keep(self, transaction_uid: str, objects: Sequence[tuple[str, str]]) -> bool:
        """Storage commitment; whether the node has taken the request."""
        target = Target("node", "127.0.0.1", self.port, "QSMNODE", "MR1", 10.0, 60.0)
        fields: dict[int, command.Value] = {
            command.COMMAND_FIELD: command.N_ACTION_RQ,
            command.REQUESTED_SOP_CLASS: STORAGE_COMMITMENT,
            command.REQUESTED_SOP_INSTANCE: STORAGE_COMMITMENT_INSTANCE,
            command.ACTION_TYPE: REQUEST,
        }
        try:
            with Exchange(target, [PAIR]) as association:
                demand = encode_demand(Demand(transaction_uid, tuple(objects)))
                self.promised = association.demand(PAIR, fields, demand) == 0x0000 or self.promised
        except PeerError:
            pass  # it died, or it has the request and could not say so
        return self.promised

    def until_settled(self, deliveries: int = 0) -> bool:
        """Until nothing is left to do and so many deliveries were made; False where the node died before."""

        def done(store: Store) -> bool:
            known = store.database.rows("SELECT count(DISTINCT sop_instance_uid) AS n FROM instance")[0]["n"]
            made = len(store.deliveries.all())
            settled = not stuck(store, commits=self.commits)
            return known >= self.arriving and made >= deliveries and settled

        return self.until(done)

    def until(self, condition: Callable[[Store], bool]) -> bool:
        """Until this is true of the store; False where the node died before."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            with Store(self.store, read_only=True) as store:
                if condition(store):
                    return True
                left = stuck(store, commits=self.commits)
            assert self.node is not None
            if not self.node.alive():
                return False
            if time.monotonic() > deadline:
                raise AssertionError(f"stuck: {left}\n{self.log.read_text()[-6000:]}")
            time.sleep(0.05)


def stuck(store: Store, *, commits: bool = False) -> list[str]:
    """Rows in a state that is no end; where the archive ``commits``, a delivery ends with its report."""
    delivered = "'committed'" if commits else "'sent'"
    questions = {
        "instance": "SELECT id, state FROM instance WHERE state IN ('received', 'lost')",
        "acquisition": "SELECT id, state FROM acquisition WHERE state IN ('complete')",
        "job": "SELECT id, state FROM job WHERE state NOT IN ('succeeded', 'cancelled')",
        "delivery": f"SELECT id, state FROM delivery WHERE state NOT IN ({delivered})",
        "commitment": "SELECT id, state FROM commitment WHERE state IN ('asking', 'asked', 'answered')",
        "promise": "SELECT id, state FROM promise WHERE state != 'reported'",
        "association": "SELECT id, 'open' AS state FROM association WHERE ended_at IS NULL",
    }
    found = [
        f"{entity} {row['id']} is {row['state']}"
        for entity, question in questions.items()
        for row in store.database.rows(question)
    ]
    return found + (["an instance belongs to nothing"] if store.instances.undecided() else [])


def data_set_hash(path: Path) -> tuple[str, str]:
    """SOP Instance UID, and the hash of all behind the file meta information."""
    front = read_front(path)
    with path.open("rb") as stream:
        stream.seek(front.offset)
        return front.sop_instance_uid, hashlib.sha256(stream.read()).hexdigest()


def check_acknowledged(root: Path, acknowledged: Sequence[Path], *, purged: bool = False) -> None:
    """Every acknowledged object is here once, bit for bit, or was purged by its row.

    Raises:
        AssertionError: naming the first that is not.
    """
    with Store(root) as store:
        rows = store.database.rows("SELECT sop_instance_uid, sha256, path, state FROM instance")
        here: dict[str, list[Any]] = {}
        for row in rows:
            here.setdefault(row["sop_instance_uid"], []).append(row)
        for path in acknowledged:
            uid, wanted = data_set_hash(path)
            found = [row for row in here.get(uid, []) if row["state"] not in ("purged", "lost")]
            if purged and not found:
                assert any(row["state"] == "purged" for row in here.get(uid, [])), (
                    f"{uid}: acknowledged, lost"
                )
                continue
            assert len(found) == 1, f"{uid}: acknowledged, and here {len(found)} times"
            assert data_set_hash(store.path(found[0]["path"])) == (uid, wanted), f"{uid}: other bytes"
        paths = {row["path"] for row in rows if row["state"] not in ("purged", "lost")}
        files = {path.relative_to(root).as_posix() for path in (root / "instances").rglob("*.dcm")}
        assert paths <= files, f"rows without files: {sorted(paths - files)}"


def check_private(root: Path) -> None:
    """Nothing in the store can be read by others."""
    for path in [root, *root.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, f"{path.relative_to(root)}: mode {path.stat().st_mode:o}"


def check_no_names(log: Path, patient_name: str) -> None:
    """No part of a patient's name stands in a log, and the name not in the audit trail, which has the ID."""
    text = log.read_text(errors="replace")
    trails = [path.read_text() for path in (log.parent / "store" / "audit").glob("*.log")]
    assert any("Application Start" in trail for trail in trails), "that is no trail of a node"
    for part in filter(None, patient_name.split("^")):
        assert part not in text, "a patient's name stands in a log"
    for name in (patient_name, patient_name.replace("^", " ")):
        assert not any(name in trail for trail in trails), "a patient's name stands in the audit trail"
