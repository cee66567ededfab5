"""The page as an object: a Secondary Capture, or an Encapsulated PDF."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from pydicom import Dataset, Sequence
from pydicom.uid import EncapsulatedPDFStorage, SecondaryCaptureImageStorage

from qsmnode.products import codes, qsm_series
from qsmnode.products.context import Plan, ProductContext
from qsmnode.products.identity import identified, plain
from qsmnode.products.page.sheet import sheet
from qsmnode.products.page.style import PDF
from qsmnode.products.revision import name_series, titled

NAME = "page"
NEEDS = (qsm_series.NAME,)
_OFFSET = 5
_DOTS_PER_INCH = 124.0  # about the width of A4
_JPEG_QUALITY = 95


def series_uid(context: ProductContext) -> str:
    """The series that holds it."""
    return context.uid(NAME, "series", *_chosen(context))


def plan(context: ProductContext) -> Plan:
    """What it will be called."""
    kind = EncapsulatedPDFStorage if context.page.form == PDF else SecondaryCaptureImageStorage
    return Plan(
        series_uid=series_uid(context),
        series_number=context.series_number(_OFFSET),
        sop_class_uid=str(kind),
        sop_instance_uids=(context.uid(NAME, "page", *_chosen(context)),),
    )


def build(context: ProductContext) -> list[Dataset]:
    """The page, ready to be written."""
    planned = plan(context)
    page = identified(context)
    page.SOPClassUID = planned.sop_class_uid
    page.SOPInstanceUID = planned.sop_instance_uids[0]
    page.SeriesInstanceUID = planned.series_uid
    page.SeriesNumber = planned.series_number
    page.InstanceNumber = 1
    page.ConversionType = "WSD"
    page.SeriesDescription = titled(context.title("QSM page"), context.revision)
    page.BurnedInAnnotation = "YES"  # the patient's ID
    name_series(page, context.replaces.get(NAME))
    picture = sheet(context)
    if context.page.form == PDF:
        _as_pdf(page, picture, context)
    else:
        _as_capture(page, picture, context)
    return [page]


def _chosen(context: ProductContext) -> tuple[str, ...]:
    """What decides about the page beyond the map."""
    style = context.page
    window = context.style(qsm_series.NAME).window
    return (style.language, style.form, style.logo.hex(), str(window or ""), *context.told)


def _as_capture(page: Dataset, picture: Image.Image, context: ProductContext) -> None:
    page.Modality = "OT"
    page.ImageType = ["DERIVED", "SECONDARY"]
    page.BodyPartExamined = context.template.get("BodyPartExamined") or "BRAIN"
    page.PatientOrientation = ""
    page.LossyImageCompression = "00"
    page.DerivationDescription = plain(f"Summary. {context.algorithm}; research use, not for diagnosis")
    page.SourceImageSequence = Sequence(_sources(context, purpose=True))
    page.Rows, page.Columns = picture.height, picture.width
    page.SamplesPerPixel, page.PlanarConfiguration = 3, 0
    page.PhotometricInterpretation = "RGB"
    page.BitsAllocated, page.BitsStored, page.HighBit, page.PixelRepresentation = 8, 8, 7, 0
    page.PixelData = np.asarray(picture, np.uint8).tobytes()
    page["PixelData"].VR = "OB"


def _as_pdf(page: Dataset, picture: Image.Image, context: ProductContext) -> None:
    page.Modality = "DOC"
    page.AcquisitionDateTime = ""
    page.DocumentTitle = "QSM page"
    page.ConceptNameCodeSequence = codes.sequence_of(codes.MEASUREMENT_REPORT)
    page.SourceInstanceSequence = Sequence(_sources(context, purpose=False))
    page.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made = context.created_at.timetuple()
    stream = io.BytesIO()
    picture.save(
        stream,
        format="PDF",
        resolution=_DOTS_PER_INCH,
        quality=_JPEG_QUALITY,
        title="QSM page",
        creationDate=made,
        modDate=made,
    )
    content = stream.getvalue()
    page.EncapsulatedDocumentLength = len(content)
    page.EncapsulatedDocument = content + bytes(len(content) % 2)


def _sources(context: ProductContext, *, purpose: bool) -> list[Dataset]:
    planned = qsm_series.SERIES.plan(context)
    items = []
    for uid in planned.sop_instance_uids:
        item = Dataset()
        item.ReferencedSOPClassUID = planned.sop_class_uid
        item.ReferencedSOPInstanceUID = uid
        if purpose:
            item.PurposeOfReferenceCodeSequence = codes.sequence_of(codes.SOURCE_IMAGE)
        items.append(item)
    return items
