"""Objects to send, configurations and running receivers for the network roles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, MRImageStorage

from qsmnode.config import Config
from qsmnode.ledger import Store
from qsmnode.node.receiver import Receiver
from tests.peers.ports import free_port

WriteObject = Callable[..., Path]


def _dataset(uid: str, sop_class: str, pixels: bytes) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.826.0.1.1", "1.2.826.0.1.2"
    dataset.PatientName, dataset.PatientID = "TEST^NETWORK", "NETWORK"
    dataset.Modality = "MR"
    dataset.Rows = len(pixels) // 2048 or 1
    dataset.Columns = len(pixels) // 2 // dataset.Rows
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelData = pixels
    return dataset


@pytest.fixture
def write_object() -> WriteObject:
    """Writes a small MR object: write_object(path, uid, seed=, size=, sop_class=, transfer_syntax=)."""

    def write(
        path: Path,
        uid: str,
        *,
        seed: int = 0,
        size: int = 2048,
        sop_class: str = MRImageStorage,
        transfer_syntax: str = ExplicitVRLittleEndian,
    ) -> Path:
        pixels = np.random.default_rng(seed).integers(0, 4096, size // 2, dtype=np.uint16)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, uid
        meta.TransferSyntaxUID = transfer_syntax
        kind = ">u2" if transfer_syntax == ExplicitVRBigEndian else "<u2"
        dataset = FileDataset(
            str(path),
            _dataset(uid, sop_class, pixels.astype(kind).tobytes()),
            file_meta=meta,
            is_implicit_VR=meta.TransferSyntaxUID.is_implicit_VR,
            is_little_endian=meta.TransferSyntaxUID.is_little_endian,
        )
        dataset["PixelData"].VR = "OW"
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def data_set_of() -> Callable[[Path], bytes]:
    """The bytes of a DICOM file behind its file meta information."""

    def read(path: Path) -> bytes:
        raw = path.read_bytes()
        # (0002,0000) UL 4 stands first and says how long the rest of the group is
        assert raw[128:140] == b"DICM\x02\x00\x00\x00UL\x04\x00"
        return raw[144 + int.from_bytes(raw[140:144], "little") :]

    return read


@dataclass
class RunningReceiver:
    """A receiver with its store, stopped and started again at will."""

    config: Config
    options: dict[str, Any] = field(default_factory=dict)

    def start(self) -> None:
        self.store = Store(self.config.node.store)
        self.store.instances.end_all_associations()
        self.receiver = Receiver(self.config, self.store, **self.options)
        self.receiver.start()

    def stop(self) -> None:
        self.receiver.stop(10)
        self.store.close()

    @property
    def port(self) -> int:
        return self.receiver.port

    def files(self) -> list[Path]:
        return sorted((self.store.root / "instances").rglob("*.*"))

    def rows(self, columns: str = "*", table: str = "instance") -> list[dict[str, Any]]:
        return [dict(row) for row in self.store.database.rows(f"SELECT {columns} FROM {table} ORDER BY id")]


@pytest.fixture
def node_config(tmp_path: Path) -> Callable[..., Config]:
    """A configuration as a mapping of its parts: node_config(peers={...}, limits={...}, delivery={...})."""

    def build(peers: dict[str, Any] | None = None, **parts: Any) -> Config:
        return Config.model_validate(
            {
                "node": {"port": free_port(), "store": str(tmp_path / "store")},
                "peers": peers or {"mr1": {"ae_title": "MR1", "host": "127.0.0.1"}},
                "routes": [],
                "limits": {"disk_reserve_mb": 0},
                **parts,
            }
        )

    return build


@pytest.fixture
def run_receiver(node_config: Callable[..., Config]) -> Iterator[Callable[..., RunningReceiver]]:
    """Starts a receiver: run_receiver(peers=..., limits=..., options={keyword of Receiver: ...})."""
    with ExitStack() as stack:

        def run(options: dict[str, Any] | None = None, **parts: Any) -> RunningReceiver:
            running = RunningReceiver(node_config(**parts), options or {})
            running.start()
            stack.callback(running.stop)
            return running

        yield run
