"""What comes along in an exam and is no image of a scan: screen shot, report, an object without pixels."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.uid import EncapsulatedPDFStorage, SecondaryCaptureImageStorage

from qsmnode.phantom.encoders.maker import Maker
from qsmnode.phantom.head import SimulatedHead
from qsmnode.phantom.part10 import SeriesWriter
from qsmnode.phantom.visit import Visit, clock

PRIVATE_SOP_CLASS = "1.3.12.2.1107.5.9.1"  # Siemens' own non-image storage; any private class does


def write_private_object(folder: Path, visit: Visit, maker: Maker) -> Path:
    """An object of a private SOP class without pixels, as scanners send their protocol data."""
    ds = _loose_object(visit, PRIVATE_SOP_CLASS, "PhoenixZIPReport", 99, "MR", maker)
    ds.add_new(0x00290010, "LO", "SIEMENS CSA NON-IMAGE")
    ds.add_new(0x00291008, "CS", "SIMULATED")
    ds.add_new(0x00291010, "OB", bytes(range(256)))
    return _write_loose(folder, ds, "0099-private.dcm")


def write_secondary_capture(head: SimulatedHead, folder: Path, visit: Visit, maker: Maker) -> Path:
    """A screen shot of the middle slice."""
    ds = _loose_object(visit, SecondaryCaptureImageStorage, "Screenshot", 90, "OT", maker)
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


def write_pdf(folder: Path, visit: Visit, maker: Maker) -> Path:
    """An encapsulated PDF of one page."""
    ds = _loose_object(visit, EncapsulatedPDFStorage, "Report", 91, "DOC", maker)
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


def _loose_object(
    visit: Visit, sop_class: str, description: str, series_number: int, modality: str, maker: Maker
) -> Dataset:
    """Patient, study and series of an object that is no slice of a scan."""
    moment = visit.began + timedelta(minutes=40)
    ds = visit.header()
    del ds.FrameOfReferenceUID, ds.PositionReferenceIndicator
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = visit.uid("instance", series_number)
    ds.SeriesInstanceUID = visit.uid("series", series_number)
    ds.Modality = modality
    ds.Manufacturer = maker.manufacturer
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
