"""A simulated measurement as a Siemens classic (syngo MR E11) scanner exports it.

One series of magnitude, one of phase, all echoes and slices in each. Phase is 12 bit with slope 2 and
intercept -4096, so that (stored x slope + intercept) / 4096 x pi are radians. The counts that tell when a
series is complete stand, as on the real scanner, only in the private series header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import MRImageStorage

from qsmnode.errors import UsageError
from qsmnode.phantom import csa
from qsmnode.phantom.part10 import SeriesWriter
from qsmnode.phantom.pixels import (
    Measured,
    Stored,
    decimal,
    plane_bytes,
    plane_module,
    plane_position,
    stored_magnitude,
    stored_phase,
)
from qsmnode.phantom.protocol import SliceGeometry
from qsmnode.phantom.visit import Visit, clock

NUMBERINGS = ("repeating", "running")
_SHORT = {"M": "mag", "P": "pha"}


@dataclass(frozen=True)
class PulseSequence:
    """What the headers say of one scan besides its geometry.

    ``flags`` follow the kind in ImageType; ``scanning`` and ``variant`` are ScanningSequence and
    SequenceVariant; ``slab`` is whether all slices were excited together (3-D).
    """

    name: str
    description: str
    series_number: int
    echo_times_s: tuple[float, ...]
    flags: tuple[str, ...] = ("ND",)
    scanning: tuple[str, ...] = ("GR",)
    variant: str = "SP"
    slab: bool = True
    repetition_time_ms: float = 35.0
    flip_deg: float = 15.0
    inversion_time_ms: float | None = None
    minutes_into_study: float = 5.0


@dataclass(frozen=True)
class Scan:
    """One scan of a visit: where, with what, and in which field.

    ``label`` tells its UIDs from those of other scans; scans of one ``series_label`` share a series.
    """

    visit: Visit
    sequence: PulseSequence
    geometry: SliceGeometry
    field_t: float
    frequency_mhz: float
    label: str = "gre"
    series_label: str = ""

    @property
    def began(self) -> datetime:
        """When the scan began."""
        return self.visit.began + timedelta(minutes=self.sequence.minutes_into_study)


def write_classic(
    measured: Measured,
    folder: Path | str,
    *,
    patient_id: str | None = None,
    seed: int | None = None,
    salt: str = "",
    repeat: int = 1,
    numbering: str = "repeating",
    description: str = "t2star_qsm_3d_tra",
) -> list[Path]:
    """Write magnitude and phase of a multi-echo gradient echo, one file per image.

    Args:
        measured: a simulated head or sphere.
        folder: where to; made if it does not exist.
        patient_id: instead of ``QSM-PHANTOM-<seed>``.
        seed: of the identity, the head's own by default.
        salt: another one gives other UIDs for the same data.
        repeat: 1 for the first run of the protocol in this study, 2 for the next one, and so on.
        numbering: InstanceNumber "repeating" across echoes or "running" over all images of a series.
        description: SeriesDescription and ProtocolName.

    Returns:
        the files in the order in which the scanner sends them: magnitude, then phase; echo by echo, slice by
        slice.

    Raises:
        UsageError: ``numbering`` is unknown or ``repeat`` below 1.
    """
    if numbering not in NUMBERINGS or repeat < 1:
        raise UsageError(
            f"numbering, repeat: expected one of {NUMBERINGS} and at least 1, got {numbering!r}, {repeat}"
        )
    visit = Visit(measured.seed if seed is None else seed, salt, patient_id)
    scan = _multi_echo_scan(measured, visit, repeat, description)
    magnitude = stored_magnitude(measured.stack.magnitude)
    written = write_series(scan, Path(folder), "M", magnitude, numbering=numbering)
    phase = stored_phase(measured.stack.phase)
    return written + write_series(scan, Path(folder), "P", phase, numbering=numbering, series_offset=1)


def _multi_echo_scan(measured: Measured, visit: Visit, repeat: int, description: str) -> Scan:
    protocol, times = measured.protocol, measured.protocol.echo_times_s
    sequence = PulseSequence(
        f"*fl3d{len(times)}r",
        description,
        10 + 2 * repeat,
        times,
        repetition_time_ms=round(1000 * times[-1] + 5.0, 1),
        minutes_into_study=10.0 + 8.0 * repeat,
    )
    label = f"gre {repeat}"
    return Scan(visit, sequence, measured.geometry, protocol.field_t, protocol.frequency_mhz, label)


def write_series(
    scan: Scan,
    folder: Path,
    kind: str,
    stored: Stored,
    *,
    numbering: str = "repeating",
    series_offset: int = 0,
    echoes: Sequence[int] | None = None,
    first_instance: int = 1,
) -> list[Path]:
    """Write one series of (E, X, Y, Z) stored pixels.

    Args:
        scan: sequence, geometry and identity.
        folder: where to.
        kind: "M" or "P", the third value of ImageType.
        stored: pixels of ``echoes``.
        numbering: as in :func:`write_classic`.
        series_offset: added to the scan's series number.
        echoes: which of the scan's echoes these are, by default all.
        first_instance: InstanceNumber of the first slice, where several scans share a series.

    Returns:
        the files, echo by echo and slice by slice.
    """
    series_number = scan.sequence.series_number + series_offset
    writer = SeriesWriter(folder, _series_header(scan, kind, series_number, stored))
    slices = scan.geometry.shape[2]
    image_headers = [_image_header(scan, index) for index in range(slices)]
    written: list[Path] = []
    for place, echo in enumerate(range(len(stored)) if echoes is None else echoes):
        for index in range(slices):
            instance = first_instance + index + (place * slices if numbering == "running" else 0)
            own = _instance_header(scan, kind, series_number, echo, index, instance)
            own.add_new(0x00291010, "OB", image_headers[index])
            own.PixelData = plane_bytes(stored[place], index)
            own["PixelData"].VR = "OW"
            plane = stored[place, :, :, index]
            own.add_new("SmallestImagePixelValue", "US", int(plane.min()))
            own.add_new("LargestImagePixelValue", "US", int(plane.max()))
            name = f"{series_number:04d}-{_SHORT[kind]}-e{echo + 1:02d}-s{first_instance + index:04d}.dcm"
            written.append(writer.write(name, own))
    return written


def slice_by_slice(files: list[Path]) -> list[Path]:
    """The order of a sender that finishes every slice (all echoes, magnitude and phase) before the next."""

    def key(path: Path) -> tuple[str, ...]:
        number, kind, echo, place = path.stem.split("-")
        return place, echo, number, kind

    return sorted(files, key=key)


def _series_header(scan: Scan, kind: str, series_number: int, stored: Stored) -> Dataset:
    sequence, began = scan.sequence, scan.began
    ds = scan.visit.header()
    ds.update(plane_module(scan.geometry))
    ds.update(_equipment(scan))
    day = scan.visit.began.strftime("%Y%m%d")
    delay = timedelta(seconds=0.25 * "MP".index(kind))
    ds.SOPClassUID = MRImageStorage
    ds.ImageType = ["ORIGINAL", "PRIMARY", kind, *sequence.flags]
    ds.Modality = "MR"
    ds.SeriesInstanceUID = scan.visit.uid(scan.series_label or scan.label, "series", series_number)
    ds.SeriesNumber = series_number
    ds.SeriesDescription = sequence.description
    ds.ProtocolName = sequence.description
    ds.InstanceCreationDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = day
    ds.SeriesTime = clock(began + timedelta(seconds=52) + delay)
    ds.AcquisitionNumber = 1
    ds.BodyPartExamined = "HEAD"
    ds.PatientPosition = "HFS"
    ds.update(_sequence_elements(scan))
    ds.WindowCenter, ds.WindowWidth = ("0", "8192") if kind == "P" else ("1200", "2800")
    ds.WindowCenterWidthExplanation = "Algo1"
    if kind == "P":
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "-4096", "2", "US"
    ds.update(_private_series(scan, kind))
    return ds


def _equipment(scan: Scan) -> Dataset:
    ds = Dataset()
    ds.Manufacturer = "SIEMENS"
    ds.ManufacturerModelName = {1.5: "Aera", 3.0: "Prisma", 7.0: "Terra"}.get(scan.field_t, "Simulated")
    ds.SoftwareVersions = "syngo MR E11"
    ds.DeviceSerialNumber = "00000"
    ds.StationName = "SIMULATED"
    ds.InstitutionName = "Simulated data"
    return ds


def _sequence_elements(scan: Scan) -> Dataset:
    sequence, shape = scan.sequence, scan.geometry.shape
    ds = Dataset()
    ds.ScanningSequence = list(sequence.scanning)
    ds.SequenceVariant = sequence.variant
    ds.ScanOptions = ""
    ds.MRAcquisitionType = "3D" if sequence.slab else "2D"
    ds.SequenceName = sequence.name
    ds.AngioFlag = "N"
    ds.RepetitionTime = decimal(sequence.repetition_time_ms)
    if sequence.inversion_time_ms is not None:
        ds.InversionTime = decimal(sequence.inversion_time_ms)
    ds.NumberOfAverages = "1"
    ds.ImagingFrequency = decimal(scan.frequency_mhz)
    ds.ImagedNucleus = "1H"
    ds.MagneticFieldStrength = decimal(scan.field_t)
    if not sequence.slab:
        ds.SpacingBetweenSlices = decimal(scan.geometry.voxel_mm[2])
    ds.NumberOfPhaseEncodingSteps = shape[1]
    ds.EchoTrainLength = 0
    ds.PercentSampling = ds.PercentPhaseFieldOfView = "100"
    ds.PixelBandwidth = "300"
    ds.TransmitCoilName = "Body"
    ds.AcquisitionMatrix = [shape[0], 0, 0, shape[1]]
    ds.InPlanePhaseEncodingDirection = "COL"
    ds.FlipAngle = decimal(sequence.flip_deg)
    ds.VariableFlipAngleFlag = "N"
    ds.SAR = "0.05"
    ds.dBdt = "0"
    return ds


def _instance_header(
    scan: Scan, kind: str, series_number: int, echo: int, index: int, instance: int
) -> Dataset:
    began, sequence = scan.began, scan.sequence
    # a slab is measured as a whole; slices of a 2-D scan follow each other
    acquired = began if sequence.slab else began + timedelta(milliseconds=80 * index)
    stored_at = began + timedelta(seconds=53, milliseconds=20 * index + 250 * "MP".index(kind))
    ds = plane_position(scan.geometry, index)
    ds.SOPInstanceUID = scan.visit.uid(scan.label, "instance", series_number, kind, echo, index)
    ds.InstanceCreationTime = ds.ContentTime = clock(stored_at)
    ds.AcquisitionTime = clock(acquired)
    ds.EchoTime = decimal(1000.0 * sequence.echo_times_s[echo])
    ds.EchoNumbers = echo + 1
    ds.InstanceNumber = instance
    return ds


def _private_series(scan: Scan, kind: str) -> Dataset:
    day = scan.visit.began.strftime("%Y%m%d")
    ds = Dataset()
    ds.add_new(0x00290010, "LO", "SIEMENS CSA HEADER")
    ds.add_new(0x00291008, "CS", "IMAGE NUM 4")
    ds.add_new(0x00291009, "LO", day)
    ds.add_new(0x00291018, "CS", "MR")
    ds.add_new(0x00291019, "LO", day)
    ds.add_new(0x00291020, "OB", series_header(scan))
    ds.add_new(0x00510010, "LO", "SIEMENS MR HEADER")
    ds.add_new(0x00511008, "CS", "IMAGE NUM 4")
    ds.add_new(0x00511016, "LO", "/".join((kind, *scan.sequence.flags)))
    return ds


def _image_header(scan: Scan, index: int) -> bytes:
    """The private image header (0029,1010) of one slice."""
    position = scan.geometry.affine[:3] @ [0.0, 0.0, float(index), 1.0]
    tags = [
        csa.Tag("UsedChannelString", "UT", ("XX",)),
        csa.Tag("B_value", "IS"),
        csa.integers("ProtocolSliceNumber", 0 if scan.sequence.slab else index),
        csa.integers("MeasuredFourierLines", 0),
        csa.integers("PhaseEncodingDirectionPositive", 1),
        csa.Tag("NumberOfImagesInMosaic", "US"),
        csa.decimals("SlicePosition_PCS", *position, vr="FD"),
        csa.Tag("ImaCoilString", "LO", ("HEA;HEP",)),
    ]
    return csa.encode(tags)


def series_header(scan: Scan) -> bytes:
    """The private series header (0029,1020): the only place where the number of images is declared."""
    sequence, geometry = scan.sequence, scan.geometry
    slices, slabs = (geometry.shape[2], 1) if sequence.slab else (1, geometry.shape[2])
    values = {
        "ulVersion": "51130001",
        "tSequenceFileName": '""%SiemensSeq%\\gre""',
        "tProtocolName": f'""{sequence.description}""',
        "lContrasts": str(len(sequence.echo_times_s)),
        "alTR[0]": str(round(1000 * sequence.repetition_time_ms)),
        **{f"alTE[{n}]": str(round(1e6 * time)) for n, time in enumerate(sequence.echo_times_s)},
        "sTXSPEC.asNucleusInfo[0].lFrequency": str(round(1e6 * scan.frequency_mhz)),
        "adFlipAngleDegree[0]": decimal(sequence.flip_deg),
        "sSliceArray.asSlice[0].dThickness": decimal(geometry.voxel_mm[2] * slices),
        "sSliceArray.asSlice[0].dPhaseFOV": decimal(geometry.voxel_mm[1] * geometry.shape[1]),
        "sSliceArray.asSlice[0].dReadoutFOV": decimal(geometry.voxel_mm[0] * geometry.shape[0]),
        "sSliceArray.lSize": str(slabs),
        "sKSpace.lBaseResolution": str(geometry.shape[0]),
        "sKSpace.lPhaseEncodingLines": str(geometry.shape[1]),
        "sKSpace.lPartitions": str(slices),
        "sKSpace.lImagesPerSlab": str(slices),
        "sKSpace.ucDimension": "0x4" if sequence.slab else "0x2",
    }
    tags = [
        csa.integers("UsedPatientWeight", 70),
        csa.integers("NumberOfPrescans", 0),
        csa.decimals("TransmitterCalibration", 250.0),
        csa.Tag("SequenceFileOwner", "SH", ("SIEMENS",)),
        csa.integers("MrProtocolVersion", 51130001),
        csa.Tag("DataFileName", "LO"),
        csa.decimals("ReadoutOS", 2.0, vr="FD"),
        csa.Tag("CoilString", "LO", ("HEA;HEP",)),
        csa.integers("Isocentered", 0, vr="US"),
        csa.Tag("MrPhoenixProtocol", "UN", (csa.protocol_text(values),)),
        csa.Tag("MrProtocol", "UN"),
        csa.integers("EchoTrainLength", 0),
    ]
    return csa.encode(tags)
