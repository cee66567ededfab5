"""A builder of small scans in several vendors' encodings: every pixel tells its kind, echo and place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage

from qsmnode.dicom.acquisition import Acquisition, group
from qsmnode.dicom.identity import derive_uid
from qsmnode.dicom.instance import Instance, read_instance

ROWS, COLUMNS = 6, 8


@dataclass(frozen=True)
class Made:
    """One written scan: its files, headers and acquisitions."""

    paths: dict[str, Path]
    headers: tuple[Instance, ...]

    @property
    def acquisition(self) -> Acquisition:
        (one,) = group(self.headers).acquisitions
        return one


@dataclass(frozen=True)
class Scan:
    """A gradient-echo scan to be written; ``change`` gets each data set before it is saved."""

    vendor: str = "siemens"
    kinds: tuple[str, ...] = ("M", "P")
    echo_times_ms: tuple[float, ...] = (5.0, 10.0, 15.0)
    slices: int = 4
    flags: tuple[str, ...] = ("ND",)
    start: str = "101500.100000"
    study: str = "study"
    salt: str = ""
    orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0)
    origin: tuple[float, float, float] = (-10.0, -20.0, 30.0)
    spacing_mm: float = 2.0
    thickness_mm: float = 2.0
    dimension: str = "3D"
    declared: bool = True
    change: Callable[[Dataset], None] = field(default=lambda dataset: None)

    def changed(self, **values: Any) -> Scan:
        return replace(self, **values)

    def position(self, z: int) -> list[float]:
        row, column = np.array(self.orientation[:3], float), np.array(self.orientation[3:], float)
        return list(np.round(np.array(self.origin) + np.cross(row, column) * self.spacing_mm * z, 6))


def stored(kind: str, echo: int, z: int) -> np.ndarray:
    """(rows, columns) uint16 up to 4095: no two pixels of a scan that matter are equal by accident."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    base = {"M": 500, "P": 100, "R": 2300, "I": 1500}[kind]
    return (base + 97 * rows + 13 * columns + 301 * echo + 7 * z).astype(np.uint16)


def classic(scan: Scan, kind: str, echo: int, z: int) -> Dataset:
    """One image as a classic object of the scan's vendor."""
    ds = Dataset()
    ds.SOPClassUID = MRImageStorage
    ds.SOPInstanceUID = derive_uid(scan.study, scan.salt, kind, str(echo), str(z), "/".join(scan.flags))
    ds.StudyInstanceUID = derive_uid(scan.study)
    ds.SeriesInstanceUID = derive_uid(scan.study, scan.salt, kind if scan.vendor == "siemens" else "all")
    ds.FrameOfReferenceUID = derive_uid(scan.study, "frame")
    ds.Modality, ds.PatientName, ds.PatientID = "MR", "TEST^BUILDER", "T1"
    ds.StudyDate = ds.AcquisitionDate = "20260102"
    ds.AcquisitionTime = scan.start
    ds.ScanningSequence, ds.SequenceVariant, ds.MRAcquisitionType = "GR", "SP", scan.dimension
    ds.RepetitionTime, ds.FlipAngle, ds.EchoTime = "30", "15", str(scan.echo_times_ms[echo])
    ds.MagneticFieldStrength, ds.ImagingFrequency, ds.ImagedNucleus = "3", "123.25", "1H"
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = "4", str(z + 1), "1"
    ds.EchoTrainLength = "0"
    ds.InPlanePhaseEncodingDirection = "ROW"
    ds.ImagePositionPatient = scan.position(z)
    ds.ImageOrientationPatient = list(scan.orientation)
    ds.PixelSpacing, ds.SliceThickness = ["1.5", "1.25"], str(scan.thickness_mm)
    ds.Rows, ds.Columns, ds.SamplesPerPixel = ROWS, COLUMNS, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = stored(kind, echo, z).tobytes()
    _VENDORS[scan.vendor](ds, scan, kind)
    return ds


def _siemens(ds: Dataset, scan: Scan, kind: str) -> None:
    ds.Manufacturer = "SIEMENS"
    ds.ImageType = ["ORIGINAL", "PRIMARY", kind, *scan.flags]
    if kind != "M":
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "2", "-4096", "US"
    if scan.declared:
        block = ds.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
        block.add_new(0x20, "OB", protocol_text(scan))


def protocol_text(scan: Scan) -> bytes:
    lines = [
        "### ASCCONV BEGIN ###",
        f"lContrasts\t = \t{len(scan.echo_times_ms)}",
        *(f"alTE[{index}]\t = \t{round(1000 * time)}" for index, time in enumerate(scan.echo_times_ms)),
        f"sSliceArray.lSize\t = \t{1 if scan.dimension == '3D' else scan.slices}",
        f"sKSpace.lImagesPerSlab\t = \t{scan.slices}",
        "### ASCCONV END ###",
        "",
    ]
    return "\n".join(lines).encode().ljust(400 + 2 * scan.slices)


def _philips(ds: Dataset, scan: Scan, kind: str) -> None:
    ds.Manufacturer = "Philips"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "PHASE MAP" if kind == "P" else f"{kind}_FFE", kind, "FFE"]
    pair = {"P": ("1.53455433455433", "-3142"), "M": ("1.25", "0")}.get(kind, ("1", "-2048"))
    ds.RescaleSlope, ds.RescaleIntercept = pair
    ds.RescaleType = "mrad" if kind == "P" else "normalized"
    if scan.declared:
        block = ds.private_block(0x2001, "Philips Imaging DD 001", create=True)
        block.add_new(0x18, "SL", scan.slices)
        block.add_new(0x14, "SL", len(scan.echo_times_ms))


def _ge(ds: Dataset, scan: Scan, kind: str) -> None:
    ds.Manufacturer = "GE MEDICAL SYSTEMS"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    ds.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2F, "SS", "MPRI".index(kind))
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 15, 1
    if kind != "M":
        ds.PixelData = (np.frombuffer(ds.PixelData, np.uint16).astype(np.int16) - 1900).tobytes()
    if scan.declared:
        ds.ImagesInAcquisition = str(scan.slices * len(scan.echo_times_ms) * len(scan.kinds))
        ds.private_block(0x0021, "GEMS_RELA_01", create=True).add_new(0x4F, "SS", scan.slices)


def _other(ds: Dataset, scan: Scan, kind: str) -> None:
    ds.Manufacturer = "Somebody Else"
    ds.ImageType = ["ORIGINAL", "PRIMARY", kind]
    ds.ComplexImageComponent = {"M": "MAGNITUDE", "P": "PHASE", "R": "REAL", "I": "IMAGINARY"}[kind]


_VENDORS = {"siemens": _siemens, "philips": _philips, "ge": _ge, "other": _other}


def enhanced(scan: Scan) -> Dataset:
    """The whole scan as one enhanced object, as Philips writes it."""
    ds = classic(scan, "M", 0, 0)
    frames, pixels = [], []
    for z in range(scan.slices):
        for kind in scan.kinds:
            for echo in range(len(scan.echo_times_ms)):
                frames.append(_frame(scan, kind, echo, z))
                pixels.append(stored(kind, echo, z).tobytes())
    for keyword in (
        "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "EchoTime",
        "ImagingFrequency", "ScanningSequence", "AcquisitionTime", "AcquisitionDate", "RescaleSlope",
        "RescaleIntercept", "RescaleType", "RepetitionTime", "FlipAngle",
    ):  # fmt: skip
        if keyword in ds:
            delattr(ds, keyword)
    ds.SOPClassUID = EnhancedMRImageStorage
    ds.ImageType = ["ORIGINAL", "PRIMARY", "T1", "MIXED"]
    ds.AcquisitionDateTime = "20260102" + scan.start
    ds.EchoPulseSequence, ds.EchoPlanarPulseSequence, ds.Spoiling = "GRADIENT", "NO", "RF"
    shared = Dataset()
    shared.MRImagingModifierSequence = Sequence([Dataset()])
    shared.MRImagingModifierSequence[0].TransmitterFrequency = 123.25
    shared.MRTimingAndRelatedParametersSequence = Sequence([Dataset()])
    shared.MRTimingAndRelatedParametersSequence[0].RepetitionTime = "30"
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    ds.NumberOfFrames = len(frames)
    ds.PixelData = b"".join(pixels)
    return ds


def _frame(scan: Scan, kind: str, echo: int, z: int) -> Dataset:
    groups: dict[str, dict[str, Any]] = {
        "MREchoSequence": {"EffectiveEchoTime": scan.echo_times_ms[echo]},
        "MRImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "T1", kind]},
        "PlanePositionSequence": {"ImagePositionPatient": scan.position(z)},
        "PlaneOrientationSequence": {"ImageOrientationPatient": list(scan.orientation)},
        "PixelMeasuresSequence": {"PixelSpacing": ["1.5", "1.25"], "SliceThickness": str(scan.thickness_mm)},
        "PixelValueTransformationSequence": {
            "RescaleSlope": "1.53455433455433" if kind == "P" else "1.25",
            "RescaleIntercept": "-3142" if kind == "P" else "0",
            "RescaleType": "US",
        },
    }
    frame = Dataset()
    for name, values in groups.items():
        item = Dataset()
        for keyword, value in values.items():
            setattr(item, keyword, value)
        setattr(frame, name, Sequence([item]))
    if kind == "P":
        unit, mapping = Dataset(), Dataset()
        unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "mrad", "UCUM", "milliradian"
        mapping.MeasurementUnitsCodeSequence = Sequence([unit])
        mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 1.53455433455433, -3142.0
        frame.RealWorldValueMappingSequence = Sequence([mapping])
    return frame


def save(ds: Dataset, path: Path) -> Path:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def write(scan: Scan, folder: Path) -> Made:
    """Every image of a scan as a classic file."""
    datasets = (
        classic(scan, kind, echo, z)
        for kind in scan.kinds
        for echo in range(len(scan.echo_times_ms))
        for z in range(scan.slices)
    )
    return write_all(datasets, folder, scan.change)


def write_all(
    datasets: Iterable[Dataset], folder: Path, change: Callable[[Dataset], None] = lambda dataset: None
) -> Made:
    paths, headers = {}, []
    for number, ds in enumerate(datasets):
        change(ds)
        path = save(ds, folder / f"{number:05d}-{ds.SOPInstanceUID[-6:]}.dcm")
        paths[str(ds.SOPInstanceUID)] = path
        headers.append(read_instance(path))
    return Made(paths, tuple(headers))


@dataclass(frozen=True)
class Builder:
    """What tests make scans with; every call writes into a folder of its own."""

    folder: Path
    Scan: type[Scan] = Scan

    def write(self, scan: Scan | None = None, **values: Any) -> Made:
        return write((scan or Scan()).changed(**values), self._fresh())

    def write_enhanced(self, scan: Scan) -> Made:
        return write_all([enhanced(scan)], self._fresh(), scan.change)

    def write_all(self, datasets: Iterable[Dataset]) -> Made:
        return write_all(datasets, self._fresh())

    def write_one(self, ds: Dataset) -> Path:
        return save(ds, self._fresh() / "one.dcm")

    def classic(self, scan: Scan | None = None, kind: str = "M", echo: int = 0, z: int = 0) -> Dataset:
        return classic(scan or Scan(), kind, echo, z)

    def stored(self, kind: str, echo: int, z: int) -> np.ndarray:
        return stored(kind, echo, z)

    def _fresh(self) -> Path:
        number = sum(1 for _ in self.folder.iterdir())
        path = self.folder / f"scan{number}"
        path.mkdir()
        return path


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    folder = tmp_path / "built"
    folder.mkdir()
    return Builder(folder)


@pytest.fixture(scope="session")
def session_builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    return Builder(tmp_path_factory.mktemp("built"))
