"""A simulated measurement as a Siemens classic (syngo MR E11) scanner exports it.

One series of magnitude, one of phase, all echoes and slices in each. Phase is 12 bit with slope 2 and
intercept -4096, so that (stored x slope + intercept) / 4096 x pi are radians. The counts that tell when a
series is complete stand, as on the real scanner, only in the private series header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import MRImageStorage

from qsmnode.errors import UsageError
from qsmnode.phantom import csa
from qsmnode.phantom.encoders.image import (
    KINDS,
    SHORT,
    UNSAID,
    Image,
    Scaling,
    images_of,
    pixel_elements,
    rescale_elements,
)
from qsmnode.phantom.encoders.maker import Maker
from qsmnode.phantom.part10 import SeriesWriter
from qsmnode.phantom.pixels import (
    Measured,
    Stored,
    decimal,
    plane_module,
    plane_position,
    stored_magnitude,
    stored_phase,
)
from qsmnode.phantom.scan import PulseSequence, Scan, sequence_elements
from qsmnode.phantom.visit import Visit, clock

NUMBERINGS = ("repeating", "running")
PHASE_SCALING = Scaling(2.0, -4096.0, "US")
"""What 12 bits of phase mean: 4096 of the rescaled values are half a turn."""
SIEMENS_MAKER = Maker("SIEMENS", {1.5: "Aera", 3.0: "Prisma", 7.0: "Terra"}, "syngo MR E11")


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
    slices = scan.geometry.shape[2]
    which = range(len(stored)) if echoes is None else echoes
    images = [
        replace(
            image,
            echo=which[image.echo],
            echo_number=which[image.echo] + 1,
            instance=first_instance + image.index + (image.echo * slices if numbering == "running" else 0),
        )
        for image in images_of(stored, kind, 12, PHASE_SCALING if kind == "P" else UNSAID)
    ]
    return write_images(scan, folder, images, series_offset=series_offset, first_instance=first_instance)


def write_images(
    scan: Scan, folder: Path, images: Sequence[Image], *, series_offset: int = 0, first_instance: int = 1
) -> list[Path]:
    """Write one series of images of one kind.

    Args:
        scan: sequence, geometry and identity.
        folder: where to.
        images: at least one; those without a number of their own are numbered by their slice.
        series_offset: added to the scan's series number.
        first_instance: InstanceNumber of the first slice.

    Returns:
        the files, in the order of the images.
    """
    kind, series_number = images[0].kind, scan.sequence.series_number + series_offset
    writer = SeriesWriter(folder, _series_header(scan, images[0], series_number))
    private = {image.place: image_header(scan, image.place) for image in images}
    written: list[Path] = []
    for image in images:
        place = first_instance + image.index
        if scan.series_label and image.instance is not None:
            place = image.instance
        own = _instance_header(scan, series_number, image, place)
        own.add_new(0x00291010, "OB", private[image.place])
        own.update(pixel_elements(image))
        again = f"-{image.copy}" if image.copy else ""
        name = f"{series_number:04d}-{SHORT[kind]}-e{image.echo + 1:02d}-s{place:04d}{again}.dcm"
        written.append(writer.write(name, own))
    return written


def slice_by_slice(files: list[Path]) -> list[Path]:
    """The order of a sender that finishes every slice (all echoes, magnitude and phase) before the next."""

    def key(path: Path) -> tuple[str, ...]:
        number, kind, echo, place = path.stem.split("-")
        return place, echo, number, kind

    return sorted(files, key=key)


def _series_header(scan: Scan, image: Image, series_number: int) -> Dataset:
    sequence, began, kind = scan.sequence, scan.began, image.kind
    ds = scan.visit.header()
    ds.update(plane_module(scan.geometry))
    ds.SliceThickness = decimal(scan.slice_mm)
    ds.update(SIEMENS_MAKER.elements(scan.field_t))
    day = scan.visit.began.strftime("%Y%m%d")
    delay = timedelta(seconds=0.25 * KINDS.index(kind))
    ds.SOPClassUID = MRImageStorage
    ds.ImageType = ["ORIGINAL", "PRIMARY", kind, *sequence.flags]
    ds.Modality = "MR"
    ds.SeriesInstanceUID = scan.series_uid(series_number)
    ds.SeriesNumber = series_number
    ds.SeriesDescription = sequence.description
    ds.ProtocolName = sequence.description
    ds.InstanceCreationDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = day
    ds.SeriesTime = clock(began + timedelta(seconds=52) + delay)
    ds.AcquisitionNumber = 1
    ds.BodyPartExamined = "HEAD"
    ds.PatientPosition = "HFS"
    ds.update(sequence_elements(scan))
    ds.WindowCenter, ds.WindowWidth = ("0", "8192") if kind != "M" else ("1200", "2800")
    ds.WindowCenterWidthExplanation = "Algo1"
    ds.update(rescale_elements(image.scaling))
    ds.update(_private_series(scan, kind))
    return ds


def _instance_header(scan: Scan, series_number: int, image: Image, number: int) -> Dataset:
    delay = timedelta(seconds=53, milliseconds=20 * image.index + 250 * KINDS.index(image.kind))
    kind, *where = image.identity
    ds = plane_position(scan.geometry, image.place)
    ds.SOPInstanceUID = scan.visit.uid(scan.label, "instance", series_number, kind, *where)
    ds.InstanceCreationTime = ds.ContentTime = clock(scan.began + delay)
    ds.AcquisitionTime = clock(scan.acquired(image.index))
    ds.EchoTime = decimal(1000.0 * scan.sequence.echo_times_s[image.echo])
    if image.echo_number is not None:
        ds.EchoNumbers = image.echo_number
    ds.InstanceNumber = number if image.instance is None else image.instance
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


def image_header(scan: Scan, place: float) -> bytes:
    """The private image header (0029,1010) of one slice."""
    position = scan.geometry.affine[:3] @ [0.0, 0.0, float(place), 1.0]
    tags = [
        csa.Tag("UsedChannelString", "UT", ("XX",)),
        csa.Tag("B_value", "IS"),
        csa.integers("ProtocolSliceNumber", 0 if scan.sequence.slab else int(place)),
        csa.integers("MeasuredFourierLines", 0),
        csa.integers("PhaseEncodingDirectionPositive", 1),
        csa.Tag("NumberOfImagesInMosaic", "US"),
        csa.decimals("SlicePosition_PCS", *position, vr="FD"),
        csa.Tag("ImaCoilString", "LO", ("HEA;HEP",)),
    ]
    return csa.encode(tags)


def protocol_text(scan: Scan) -> str:
    """The protocol: the only place where the number of images is declared."""
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
        "sSliceArray.asSlice[0].dThickness": decimal(scan.slice_mm * slices),
        "sSliceArray.asSlice[0].dPhaseFOV": decimal(geometry.voxel_mm[1] * geometry.shape[1]),
        "sSliceArray.asSlice[0].dReadoutFOV": decimal(geometry.voxel_mm[0] * geometry.shape[0]),
        "sSliceArray.lSize": str(slabs),
        "sKSpace.lBaseResolution": str(geometry.shape[0]),
        "sKSpace.lPhaseEncodingLines": str(geometry.shape[1]),
        "sKSpace.lPartitions": str(slices),
        "sKSpace.lImagesPerSlab": str(slices),
        "sKSpace.ucDimension": "0x4" if sequence.slab else "0x2",
    }
    return csa.protocol_text(values)


def series_header(scan: Scan) -> bytes:
    """The private series header (0029,1020), which holds the protocol."""
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
        csa.Tag("MrPhoenixProtocol", "UN", (protocol_text(scan),)),
        csa.Tag("MrProtocol", "UN"),
        csa.integers("EchoTrainLength", 0),
    ]
    return csa.encode(tags)
