"""The rest of a clinical exam around the QSM scan: what a scanner forwards and no susceptibility map can use.

Localiser, magnitude-only gradient echo, field map with a phase difference, MPRAGE, a PDF, a secondary capture
and an object of a private SOP class, all in the study that :mod:`qsmnode.phantom.siemens` writes into.
"""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.uid import EncapsulatedPDFStorage, SecondaryCaptureImageStorage

from qsmnode.engine.types import Float
from qsmnode.phantom.head import SimulatedHead
from qsmnode.phantom.part10 import SeriesWriter
from qsmnode.phantom.pixels import stored_magnitude, stored_phase
from qsmnode.phantom.protocol import AXIAL, CORONAL, SAGITTAL, SliceGeometry
from qsmnode.phantom.siemens import PulseSequence, Scan, write_series
from qsmnode.phantom.tissues import BONE, CSF, EYE, GREY, SOFT, VEIN, VENTRICLE, WHITE
from qsmnode.phantom.visit import Visit, clock

PRIVATE_SOP_CLASS = "1.3.12.2.1107.5.9.1"  # the scanner's own non-image storage
_FIELD_MAP_TIMES_S = (0.00492, 0.00738)
_T1_WEIGHTED = {SOFT: 0.7, BONE: 0.1, CSF: 0.2, GREY: 0.6, WHITE: 1.0, VENTRICLE: 0.2, EYE: 0.2, VEIN: 0.5}


def write_exam(
    head: SimulatedHead,
    folder: Path | str,
    *,
    patient_id: str | None = None,
    seed: int | None = None,
    salt: str = "",
) -> list[Path]:
    """Write everything of an exam but the QSM scan.

    Args:
        head: what was measured; its images are taken as far as contrast allows.
        folder: where to; made if it does not exist.
        patient_id, seed, salt: the same as given to ``write_classic``, so that the study is the same.

    Returns:
        the files, in the order in which a scanner would send them.
    """
    visit = Visit(head.seed if seed is None else seed, salt, patient_id)
    folder = Path(folder)
    return [
        *write_localiser(head, folder, visit),
        *write_magnitude_only(head, folder, visit),
        *write_field_map(head, folder, visit),
        *write_mprage(head, folder, visit),
        write_private_object(folder, visit),
        write_secondary_capture(head, folder, visit),
        write_pdf(folder, visit),
    ]


def write_localiser(head: SimulatedHead, folder: Path, visit: Visit) -> list[Path]:
    """Three single slices through the middle: transverse, sagittal, coronal, in one series."""
    written: list[Path] = []
    for number, plane in enumerate((AXIAL, SAGITTAL, CORONAL)):
        geometry = SliceGeometry((96, 96, 1), (2.6, 2.6, 7.0), plane, head.geometry.centre_mm)
        sequence = PulseSequence(
            "*fl2d1",
            "localizer",
            1,
            (0.0035,),
            ("NORM", "DIS2D"),
            slab=False,
            flip_deg=20.0,
            minutes_into_study=1.0,
        )
        scan = _scan(head, visit, sequence, geometry, f"localiser {number}", "localiser")
        stored = stored_magnitude(resampled(head, head.stack.magnitude[0], geometry)[None])
        written += write_series(scan, folder, "M", stored, first_instance=number + 1)
    return written


def write_magnitude_only(head: SimulatedHead, folder: Path, visit: Visit) -> list[Path]:
    """A 2-D T2*-weighted gradient echo without phase images."""
    geometry = _thick_slices(head, 5.0)
    sequence = PulseSequence(
        "*fl2d1", "t2_fl2d_tra_hemo", 3, (0.020,), ("NORM", "DIS2D"), slab=False, minutes_into_study=4.0
    )
    last = head.stack.magnitude[-1]
    stored = stored_magnitude(resampled(head, last, geometry)[None])
    return write_series(_scan(head, visit, sequence, geometry, "hemo"), folder, "M", stored)


def write_field_map(head: SimulatedHead, folder: Path, visit: Visit) -> list[Path]:
    """Two magnitude echoes in one series; in another their phase difference, under the second echo's time."""
    geometry = _thick_slices(head, 4.0)
    sequence = PulseSequence(
        "*fm2d2r",
        "gre_field_mapping",
        5,
        _FIELD_MAP_TIMES_S,
        slab=False,
        repetition_time_ms=500.0,
        flip_deg=60.0,
        minutes_into_study=6.0,
    )
    scan = _scan(head, visit, sequence, geometry, "field map")
    magnitude = np.repeat(resampled(head, head.stack.magnitude[0], geometry)[None], 2, axis=0)
    written = write_series(scan, folder, "M", stored_magnitude(magnitude))
    gap_s = _FIELD_MAP_TIMES_S[1] - _FIELD_MAP_TIMES_S[0]
    turn = 2.0 * math.pi * gap_s * resampled(head, head.total_field_hz, geometry)
    difference = np.angle(np.exp(1j * turn)).astype(np.float32)
    phase = stored_phase(difference[None])
    return written + write_series(scan, folder, "P", phase, series_offset=1, echoes=(1,))


def write_mprage(head: SimulatedHead, folder: Path, visit: Visit) -> list[Path]:
    """A T1-weighted 3-D volume: inversion-prepared, one echo, magnitude."""
    extent = [n * v for n, v in zip(head.geometry.shape, head.geometry.voxel_mm, strict=True)]
    shape = (max(8, round(extent[0] / 2.0)), max(8, round(extent[1] / 2.0)), 24)
    geometry = SliceGeometry(shape, (2.0, 2.0, 2.0), head.geometry.orientation, head.geometry.centre_mm)
    sequence = PulseSequence(
        "*tfl3d1_16",
        "t1_mprage",
        8,
        (0.00298,),
        ("ND", "NORM"),
        ("GR", "IR"),
        "SK",
        repetition_time_ms=2300.0,
        flip_deg=9.0,
        inversion_time_ms=900.0,
        minutes_into_study=9.0,
    )
    weights = np.full(256, 0.65, np.float32)
    weights[0] = 0.0
    weights[list(_T1_WEIGHTED)] = list(_T1_WEIGHTED.values())
    stored = stored_magnitude(resampled(head, weights[head.labels], geometry)[None])
    return write_series(_scan(head, visit, sequence, geometry, "mprage"), folder, "M", stored)


def write_private_object(folder: Path, visit: Visit) -> Path:
    """An object of a private SOP class without pixels, as scanners send their protocol data."""
    ds = _loose_object(visit, PRIVATE_SOP_CLASS, "PhoenixZIPReport", 99, "MR")
    ds.add_new(0x00290010, "LO", "SIEMENS CSA NON-IMAGE")
    ds.add_new(0x00291008, "CS", "SIMULATED")
    ds.add_new(0x00291010, "OB", bytes(range(256)))
    return _write_loose(folder, ds, "0099-private.dcm")


def write_secondary_capture(head: SimulatedHead, folder: Path, visit: Visit) -> Path:
    """A screen shot of the middle slice."""
    ds = _loose_object(visit, SecondaryCaptureImageStorage, "Screenshot", 90, "OT")
    middle = head.stack.magnitude[0][:, :, head.geometry.shape[2] // 2].T
    top = float(middle.max()) or 1.0
    grey = np.clip(np.rint(middle * (255.0 / top)), 0, 255).astype(np.uint8)
    grey = grey[: grey.shape[0] // 2 * 2, : grey.shape[1] // 2 * 2]
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.ConversionType = "WSD"
    ds.BodyPartExamined = "HEAD"
    ds.Rows, ds.Columns = grey.shape
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PatientOrientation = ""
    ds.PixelData = grey.tobytes()
    ds["PixelData"].VR = "OB"
    return _write_loose(folder, ds, "0090-capture.dcm")


def write_pdf(folder: Path, visit: Visit) -> Path:
    """An encapsulated PDF of one page."""
    ds = _loose_object(visit, EncapsulatedPDFStorage, "Report", 91, "DOC")
    document = one_page_pdf("Simulated exam")
    ds.ConversionType = "WSD"
    ds.BurnedInAnnotation = "YES"
    ds.DocumentTitle = "Simulated exam"
    ds.AcquisitionDateTime = ""
    ds.ConceptNameCodeSequence = []
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    ds.EncapsulatedDocumentLength = len(document)
    ds.EncapsulatedDocument = document + bytes(len(document) % 2)
    return _write_loose(folder, ds, "0091-report.dcm")


def one_page_pdf(text: str) -> bytes:
    """A valid PDF of one page that says ``text`` (letters, digits and spaces)."""
    stream = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET".encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return (
        body
        + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
        + table
        + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(body))
    )


def resampled(head: SimulatedHead, volume: Float, geometry: SliceGeometry) -> Float:
    """``volume`` on another grid by the nearest voxel; 0 outside the measured field of view."""
    to_index = np.linalg.inv(head.affine) @ geometry.affine
    indices = np.indices(geometry.shape).reshape(3, -1)
    nearest = np.rint(to_index[:3, :3] @ indices + to_index[:3, 3:]).astype(np.int64)
    size = np.array(volume.shape)[:, None]
    inside = np.all((nearest >= 0) & (nearest < size), axis=0)
    values: npt.NDArray[np.float32] = np.zeros(indices.shape[1], np.float32)
    values[inside] = volume[tuple(nearest[:, inside])]
    return values.reshape(geometry.shape)


def _thick_slices(head: SimulatedHead, thickness_mm: float) -> SliceGeometry:
    """The head's field of view in 3 mm pixels and at most 12 thick slices."""
    extent = [n * v for n, v in zip(head.geometry.shape, head.geometry.voxel_mm, strict=True)]
    slices = max(1, min(12, int(extent[2] / thickness_mm)))
    shape = (max(8, round(extent[0] / 3.0)), max(8, round(extent[1] / 3.0)), slices)
    return SliceGeometry(shape, (3.0, 3.0, thickness_mm), head.geometry.orientation, head.geometry.centre_mm)


def _scan(
    head: SimulatedHead,
    visit: Visit,
    sequence: PulseSequence,
    geometry: SliceGeometry,
    label: str,
    series: str = "",
) -> Scan:
    protocol = head.protocol
    return Scan(visit, sequence, geometry, protocol.field_t, protocol.frequency_mhz, label, series)


def _loose_object(
    visit: Visit, sop_class: str, description: str, series_number: int, modality: str
) -> Dataset:
    """Patient, study and series of an object that is no slice of a scan."""
    moment = visit.began + timedelta(minutes=40)
    ds = visit.header()
    del ds.FrameOfReferenceUID, ds.PositionReferenceIndicator
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = visit.uid("instance", series_number)
    ds.SeriesInstanceUID = visit.uid("series", series_number)
    ds.Modality = modality
    ds.Manufacturer = "SIEMENS"
    ds.SeriesNumber, ds.InstanceNumber = series_number, 1
    ds.SeriesDescription = description
    ds.SeriesDate = ds.ContentDate = moment.strftime("%Y%m%d")
    ds.SeriesTime = ds.ContentTime = clock(moment)
    return ds


def _write_loose(folder: Path, ds: Dataset, name: str) -> Path:
    own = Dataset()
    own.SOPInstanceUID = ds.SOPInstanceUID
    del ds.SOPInstanceUID
    return SeriesWriter(folder, ds).write(name, own)
