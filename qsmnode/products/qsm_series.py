"""The susceptibility map as classic MR images: stored value = ppb, one image per source slice.

The only kind of object that every viewer tried could show; the unit and the quantity are coded in the
real-world value mapping (DICOM PS3.3 C.7.6.16.2.11), without a rescale slope, which the MR IOD does not have.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydicom import Dataset, Sequence
from pydicom.uid import MRImageStorage

from qsmnode.engine.types import Float
from qsmnode.products import codes
from qsmnode.products.context import ProductContext
from qsmnode.products.identity import copy, identified

NAME = "qsm"
WINDOW_CENTRE_PPB, WINDOW_WIDTH_PPB = 50, 300
LARGEST_PPB = 32767

_COPIED = (
    "FrameOfReferenceUID",
    "PatientPosition",
    "MagneticFieldStrength",
    "ImagingFrequency",
    "ImagedNucleus",
    "FlipAngle",
    "NumberOfAverages",
    "AcquisitionNumber",
    "AcquisitionDate",
    "AcquisitionTime",
    "ProtocolName",
    "ReceiveCoilName",
    "TransmitCoilName",
    "InPlanePhaseEncodingDirection",
)
# type 1 or 2 in the MR Image module: what a flattened enhanced header may lack
_DEFAULTS = {
    "ScanningSequence": "GR",
    "SequenceVariant": "NONE",
    "ScanOptions": "",
    "RepetitionTime": None,
    "EchoTrainLength": None,
    "PositionReferenceIndicator": "",
    "PatientPosition": "",
}


def series_uid(context: ProductContext) -> str:
    """The series that holds it."""
    return context.uid(NAME, "series")


def build(context: ProductContext) -> list[Dataset]:
    """One image per slice, in the order of the slices, ready to be written."""
    stored = stored_ppb(context.maps.susceptibility)
    smallest, largest = int(stored.min()), int(stored.max())
    images = []
    for index in range(len(context.source.slices)):
        image = header(context, index)
        plane = np.ascontiguousarray(stored[:, :, index].T)  # rows are Y
        image.Rows, image.Columns = plane.shape
        image.SamplesPerPixel = 1
        image.PhotometricInterpretation = "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
        image["SmallestImagePixelValue"] = _signed("SmallestImagePixelValue", int(plane.min()))
        image["LargestImagePixelValue"] = _signed("LargestImagePixelValue", int(plane.max()))
        image["SmallestPixelValueInSeries"] = _signed("SmallestPixelValueInSeries", smallest)
        image["LargestPixelValueInSeries"] = _signed("LargestPixelValueInSeries", largest)
        image.PixelData = plane.astype("<i2").tobytes()
        image["PixelData"].VR = "OW"
        images.append(image)
    return images


def stored_ppb(susceptibility_ppm: Float) -> npt.NDArray[np.int16]:
    """What is stored: whole ppb, cut off at what 16 bits can hold."""
    return np.clip(np.rint(susceptibility_ppm * np.float32(1000)), -LARGEST_PPB, LARGEST_PPB).astype(np.int16)


def clipped_voxels(susceptibility_ppm: Float) -> int:
    """How many voxels the stored values cannot hold."""
    return int(np.count_nonzero(np.abs(np.rint(susceptibility_ppm * np.float32(1000))) > LARGEST_PPB))


def header(context: ProductContext, index: int) -> Dataset:
    """One image without its pixels."""
    source = context.source
    image = identified(context)
    image.SOPClassUID = MRImageStorage
    image.SOPInstanceUID = context.uid(NAME, "image", str(index))
    image.SeriesInstanceUID = series_uid(context)
    image.Modality = "MR"
    image.SeriesNumber = context.series_number(1)
    image.InstanceNumber = index + 1
    image.SeriesDescription = "QSM ppb (research use)"
    image.ImageType = ["DERIVED", "PRIMARY", "OTHER", "QSM"]
    for keyword, value in _DEFAULTS.items():
        found = source.template.get(keyword)
        setattr(image, keyword, value if found in (None, "") else found)
    for keyword in _COPIED:
        copy(source.template, image, keyword)
    image.MRAcquisitionType = source.template.get("MRAcquisitionType") or "3D"
    image.EchoTime = None  # a field of all echoes has none
    image.BodyPartExamined = source.template.get("BodyPartExamined") or "BRAIN"
    _place(image, context, index)
    _describe(image, context, index)
    image.BurnedInAnnotation = "NO"
    image.LossyImageCompression = "00"
    image.WindowCenter, image.WindowWidth = WINDOW_CENTRE_PPB, WINDOW_WIDTH_PPB
    image.WindowCenterWidthExplanation = "QSM, ppb"
    image.RealWorldValueMappingSequence = Sequence([_mapping()])
    return image


def _place(image: Dataset, context: ProductContext, index: int) -> None:
    source = context.source
    image.ImagePositionPatient = _decimals(source.slices[index].position_mm)
    image.ImageOrientationPatient = _decimals(source.orientation)
    image.PixelSpacing = _decimals(source.pixel_spacing_mm)
    image.SliceThickness = _decimal(source.slice_thickness_mm)
    image.SpacingBetweenSlices = _decimal(source.slice_spacing_mm)


def _describe(image: Dataset, context: ProductContext, index: int) -> None:
    replaces = f"; replaces series {context.revision_of}" if context.revision_of else ""
    image.DerivationDescription = (
        f"Quantitative susceptibility map, ppb, relative to {context.maps.reference}; "
        f"{context.algorithm}; research use, not for diagnosis{replaces}"
    )[:1024]
    image.DerivationCodeSequence = codes.sequence_of(codes.SUSCEPTIBILITY)
    image.SourceImageSequence = Sequence(_references(context, index))


def _references(context: ProductContext, index: int) -> list[Dataset]:
    """The images of this slice, frames of one object in one item."""
    frames: dict[tuple[str, str], list[int]] = {}
    for reference in context.source.slices[index].references:
        numbers = frames.setdefault((reference.sop_class_uid, reference.sop_instance_uid), [])
        if reference.frame_number is not None:
            numbers.append(reference.frame_number)
    items = []
    for (sop_class, sop_instance), numbers in frames.items():
        item = Dataset()
        item.ReferencedSOPClassUID = sop_class
        item.ReferencedSOPInstanceUID = sop_instance
        if numbers:
            item.ReferencedFrameNumber = sorted(numbers)
        item.PurposeOfReferenceCodeSequence = codes.sequence_of(codes.SOURCE_IMAGE)
        items.append(item)
    return items


def _mapping() -> Dataset:
    quantity = Dataset()
    quantity.ValueType = "CODE"
    quantity.ConceptNameCodeSequence = codes.sequence_of(codes.QUANTITY)
    quantity.ConceptCodeSequence = codes.sequence_of(codes.SUSCEPTIBILITY)
    item = Dataset()
    item.LUTExplanation = "Magnetic susceptibility"
    item.LUTLabel = "QSM"
    item.MeasurementUnitsCodeSequence = codes.sequence_of(codes.PPB)
    item["RealWorldValueFirstValueMapped"] = _signed("RealWorldValueFirstValueMapped", -LARGEST_PPB - 1)
    item["RealWorldValueLastValueMapped"] = _signed("RealWorldValueLastValueMapped", LARGEST_PPB)
    item.RealWorldValueIntercept = 0.0
    item.RealWorldValueSlope = 1.0
    item.QuantityDefinitionSequence = Sequence([quantity])
    return item


def _signed(keyword: str, value: int):  # type: ignore[no-untyped-def]  # pydicom's element
    from pydicom.datadict import tag_for_keyword
    from pydicom.dataelem import DataElement

    return DataElement(tag_for_keyword(keyword), "SS", value)


def _decimals(values: tuple[float, ...]) -> list[str]:
    return [_decimal(value) for value in values]


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters, as exact as they allow."""
    for digits in range(16, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16:
            return text
    raise ValueError(f"{value}: no decimal string of 16 characters")
