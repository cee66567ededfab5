"""An assembler on a store of its own, fed through the receiver's intake: everything but the network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from qsmnode.config import Config
from qsmnode.dicom.identity import derive_uid
from qsmnode.dicom.instance import Instance, read_instance
from qsmnode.errors import UnreadableDicom
from qsmnode.ledger import Store
from qsmnode.ledger.acquisitions import AcquisitionRow
from qsmnode.ledger.jobs import JobRow
from qsmnode.node.assembler import Assembler
from qsmnode.node.headers import HeaderLimits, HeaderReader
from qsmnode.node.receiver.intake import Answer, Described, Intake
from qsmnode.node.receiver.reserve import Reserve
from qsmnode.node.receiver.shelf import Shelf
from qsmnode.node.recipes import written_out
from qsmnode.node.wire.part10 import read_front

_PATIENCE_S = 30.0
ROUTE = {
    "name": "brain",
    "match": {"acquisition": {"echoes": {"min": 2}, "kinds": ["magnitude", "phase"]}},
    "send_to": ["out"],
}


class InProcess(HeaderReader):
    """Reads headers without a process of its own, which would take longer to start than a study to decide."""

    def start(self) -> None:
        """There is nothing to start."""

    def read(self, paths: Sequence[str]) -> Iterator[Instance | UnreadableDicom]:
        for path in paths:
            try:
                yield read_instance(self._root / path)
            except UnreadableDicom as error:
                yield error


@dataclass
class Bench:
    """A store with an intake and an assembler; `hand_in` is what an association does."""

    store: Store
    assembler: Assembler
    associations: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.intake = Intake(self.store, Reserve())
        self.shelf = Shelf(self.store)

    def hand_in(self, path: Path, association: str = "mr1", calling_ae: str = "MR1") -> Answer:
        """One object on an open association, byte for byte as it would come over the wire."""
        front = read_front(path)
        if association not in self.associations:
            self.associations[association] = self.store.instances.open_association(
                association, calling_ae, "127.0.0.1"
            )
        described = Described(
            front.sop_class_uid, front.sop_instance_uid, front.transfer_syntax, calling_ae, association
        )
        arrival = self.intake.begin(described, lambda: self.associations[association], self.shelf)
        arrival.take(memoryview(path.read_bytes())[front.offset :])
        answer = arrival.finish()
        self.intake.register.flush()
        return answer

    def hand_in_all(self, paths: Sequence[Path], association: str = "mr1") -> None:
        for path in paths:
            assert self.hand_in(path, association).stored
        self.end(association)

    def end(self, association: str) -> None:
        """The peer releases; what it sends later comes in another association."""
        if association in self.associations:
            self.store.instances.end_association(self.associations.pop(association))

    def end_all(self) -> None:
        for association in list(self.associations):
            self.end(association)

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for the assembler to have decided something."""
        deadline = time.monotonic() + _PATIENCE_S
        while not (found := condition()):
            assert time.monotonic() < deadline, f"{what} did not come: {self.rows()}"
            self.store.database.wait_for_change(self.store.database.version, 0.01)
        return found

    def rows(self) -> list[AcquisitionRow]:
        """The acquisitions that are or may become something."""
        return [row for row in self.store.acquisitions.all() if not row.key.startswith("ignored:")]

    def jobs(self) -> list[JobRow]:
        return self.store.jobs.all()

    def run_job(self, count: int = 1) -> JobRow:
        """Do as the worker does: claim the job that waits and end it well with two products."""
        self.until(lambda: len(self.jobs()) >= count and self.jobs()[-1].state == "queued", f"job {count}")
        job = self.store.jobs.claim(60)
        assert job is not None
        with self.store.database.transaction():
            for kind in ("qsm", "report"):
                uid = derive_uid(kind, str(job.id))
                made = (MRImageStorage, derive_uid(uid, "object"), f"products/{job.id}/{kind}.dcm")
                self.store.deliveries.add_product(job.id, kind, uid, [made], job.order["send_to"])
            self.store.jobs.succeed(job, {})
        return job


@pytest.fixture(scope="session")
def make_bench() -> Callable[..., Any]:
    """make_bench(stack, folder, assembly={...}, routes=[...]): a Bench whose assembler runs."""

    def make(stack: ExitStack, folder: Path, **parts: Any) -> Bench:
        config = Config.model_validate(
            {
                "node": {"store": str(folder / "store")},
                "peers": {
                    "mr1": {"ae_title": "MR1", "host": "127.0.0.1"},
                    "out": {"folder": str(folder / "out")},
                },
                "routes": [ROUTE],
                **parts,
            }
        )
        store = stack.enter_context(Store(config.node.store))
        assembler = Assembler(config, store, written_out(config), InProcess(store.root, HeaderLimits()))
        assembler.start()
        stack.callback(assembler.stop, 20)
        return Bench(store, assembler)

    return make


@pytest.fixture
def bench(make_bench: Callable[..., Bench], tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """bench(assembly={...}): a Bench of this test."""
    with ExitStack() as stack:
        yield lambda **parts: make_bench(stack, tmp_path, **parts)


def _image(kind: str, echo: int, z: int, slices: int | None) -> Dataset:
    """One small Philips-like image; its header declares ``slices`` and two echoes, or nothing."""
    ds = Dataset()
    ds.SOPClassUID = MRImageStorage
    ds.SOPInstanceUID = derive_uid("arrivals", str(slices), kind, str(echo), str(z))
    ds.StudyInstanceUID, ds.SeriesInstanceUID = derive_uid("arrivals"), derive_uid("arrivals", "series")
    ds.FrameOfReferenceUID = derive_uid("arrivals", "frame")
    ds.Modality, ds.Manufacturer, ds.PatientID, ds.PatientName = "MR", "Philips", "T1", "TEST^ARRIVALS"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "PHASE MAP" if kind == "P" else "M_FFE", kind, "FFE"]
    ds.ScanningSequence, ds.SequenceVariant, ds.MRAcquisitionType = "GR", "SP", "3D"
    ds.StudyDate, ds.AcquisitionTime, ds.AcquisitionNumber = "20260102", "101500", "3"
    ds.EchoTime, ds.RepetitionTime, ds.FlipAngle = str(5.0 * (echo + 1)), "30", "15"
    ds.MagneticFieldStrength, ds.ImagingFrequency = "3", "127.7"
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 2 * z], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = ["2", "2"], "2"
    ds.Rows = ds.Columns = 4
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleSlope, ds.RescaleIntercept = ("1.53455433455433", "-3142") if kind == "P" else ("1", "0")
    ds.RescaleType = "mrad" if kind == "P" else "normalized"
    ds.PixelData = bytes([40 * echo + z + 1, kind == "P"] * 16)
    ds["PixelData"].VR = "OW"
    if slices:
        block = ds.private_block(0x2001, "Philips Imaging DD 001", create=True)
        block.add_new(0x18, "SL", slices)
        block.add_new(0x14, "SL", 2)
    return ds


@dataclass(frozen=True)
class Study:
    """The files of one small scan: two echoes, magnitude and phase."""

    folder: Path
    slices: int
    declared: bool

    def file(self, kind: str, echo: int, z: int, change: Callable[[Dataset], None] | None = None) -> Path:
        ds = _image(kind, echo, z, self.slices if self.declared else None)
        name = f"{kind}{echo}-{z:02d}{'-changed' if change else ''}.dcm"
        if change is not None:
            change(ds)
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.save_as(self.folder / name, enforce_file_format=True)
        return self.folder / name

    def files(self) -> list[Path]:
        return [self.file(k, e, z) for k in "MP" for e in range(2) for z in range(self.slices)]

    def uid(self, path: Path) -> str:
        return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)


@pytest.fixture(scope="session")
def make_study(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Study]:
    """make_study(slices=3, declared=True): a Study with a folder of its own."""
    return lambda slices=3, declared=True: Study(tmp_path_factory.mktemp("study"), slices, declared)
