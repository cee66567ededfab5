"""The susceptibility map as classic MR images: stored value = ppb, one image per source slice.

The only kind of object that every viewer tried could show; the unit and the quantity are coded in the
real-world value mapping (DICOM PS3.3 C.7.6.16.2.11), without a rescale slope, which the MR IOD does not have.
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import numpy.typing as npt
from pydicom import DataElement, Dataset, Sequence
from pydicom.uid import MRImageStorage
from pydicom.valuerep import format_number_as_ds

from qsmnode.dicom.geometry import along_normal, slice_normal
from qsmnode.engine.types import Float
from qsmnode.errors import JobFailed, NotEligible
from qsmnode.measure.statistics import reference_statement
from qsmnode.products import codes
from qsmnode.products.context import Plan, ProductContext
from qsmnode.products.identity import identified, plain
from qsmnode.products.patient import copy
from qsmnode.products.revision import REFUSAL_PAGE, name_series, titled

NAME = "qsm"
NEEDS = ()
WINDOW_CENTRE_PPB, WINDOW_WIDTH_PPB = 50, 300
LARGEST_PPB, SMALLEST_PPB = 32767, -32768
_DESCRIPTION_LIMIT = 1024  # VR ST

_COPIED = (
    "FrameOfReferenceUID",
    "MagneticFieldStrength",
    "ImagingFrequency",
    "ImagedNucleus",
    "FlipAngle",
    "NumberOfAverages",
    "AcquisitionNumber",
    "AcquisitionDate",
    "AcquisitionTime",
    "AcquisitionDateTime",
    "ContrastBolusAgent",
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
    "MRAcquisitionType": "",
    "RepetitionTime": None,
    "EchoTrainLength": None,
    "PositionReferenceIndicator": "",
    "PatientPosition": "",
    "BodyPartExamined": "BRAIN",
}


def series_uid(context: ProductContext) -> str:
    """The series that holds it."""
    return context.uid(NAME, "series")


def plan(context: ProductContext) -> Plan:
    """What the images will be called, in the order of the slices."""
    slices = range(len(context.source.slices))
    return Plan(
        series_uid=series_uid(context),
        series_number=context.series_number(1),
        sop_class_uid=str(MRImageStorage),
        sop_instance_uids=tuple(context.uid(NAME, "image", str(index)) for index in slices),
    )


def build(context: ProductContext) -> list[Dataset]:
    """One image per slice, in the order of the slices, ready to be written.

    Raises:
        NotEligible: the source names no study or no frame of reference.
        JobFailed: the map holds values that are not finite.
    """
    stored = stored_ppb(context.maps.susceptibility)
    smallest, largest = int(stored.min()), int(stored.max())
    images = headers(context)
    for index, image in enumerate(images):
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
    return images


def stored_ppb(susceptibility_ppm: Float) -> npt.NDArray[np.int16]:
    """What is stored: whole ppb, cut off at what 16 bits can hold.

    Raises:
        JobFailed: a value is not finite; an integer image has no way to say so.
    """
    broken = int(np.count_nonzero(~np.isfinite(susceptibility_ppm)))
    if broken:
        raise JobFailed(f"susceptibility: expected finite values, got {broken} voxels of NaN or infinity")
    stored: npt.NDArray[np.int16] = np.clip(_whole_ppb(susceptibility_ppm), SMALLEST_PPB, LARGEST_PPB).astype(
        np.int16
    )
    return stored


def clipped_voxels(susceptibility_ppm: Float) -> int:
    """How many voxels the stored values cannot hold."""
    whole = _whole_ppb(susceptibility_ppm)
    return int(np.count_nonzero((whole > LARGEST_PPB) | (whole < SMALLEST_PPB)))


def _whole_ppb(susceptibility_ppm: Float) -> npt.NDArray[np.float64]:
    return np.rint(susceptibility_ppm.astype(np.float64) * 1000.0)


def headers(context: ProductContext) -> list[Dataset]:
    """Every image without its pixels, in the order of the slices."""
    if not context.source.template.get("FrameOfReferenceUID"):
        raise NotEligible("FrameOfReferenceUID: expected one in the source, got none")
    planned = plan(context)
    common = _common(context, planned)
    images = []
    for index, sop_instance_uid in enumerate(planned.sop_instance_uids):
        image = deepcopy(common)
        image.SOPInstanceUID = sop_instance_uid
        image.InstanceNumber = index + 1
        _place(image, context, index)
        image.SourceImageSequence = Sequence(_references(context, index))
        images.append(image)
    return images


def _common(context: ProductContext, planned: Plan) -> Dataset:
    """What all images of the series share."""
    source = context.source
    image = identified(context)
    image.SOPClassUID = planned.sop_class_uid
    image.SeriesInstanceUID = planned.series_uid
    image.Modality = "MR"
    image.SeriesNumber = planned.series_number
    image.SeriesDescription = titled(context.title("QSM ppb"), context.revision)
    name_series(image, context.replaces.get(NAME), context.replaces.get(REFUSAL_PAGE))
    image.ImageType = ["DERIVED", "PRIMARY", "OTHER", "QSM"]
    for keyword, value in _DEFAULTS.items():
        found = source.template.get(keyword)
        # Siemens writes an echo train length of 0, which is no length
        setattr(image, keyword, value if found in (None, "", 0) else found)
    for keyword in _COPIED:
        copy(source.template, image, keyword)
    image.EchoTime = None  # a field of all echoes has none
    _describe(image, context)
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
    image.SliceLocation = _decimal(
        along_normal(source.slices[index].position_mm, slice_normal(source.orientation))
    )


def _describe(image: Dataset, context: ProductContext) -> None:
    replaced = [
        context.replaces[name].series_uid for name in (NAME, REFUSAL_PAGE) if name in context.replaces
    ]
    replaces = f"; replaces series {' and '.join(replaced)}" if replaced else ""
    image.DerivationDescription = plain(
        f"Quantitative susceptibility map, ppb, 0 outside the mask. {reference_statement(context.maps)} "
        f"{context.algorithm}; research use, not for diagnosis{replaces}"
    )[:_DESCRIPTION_LIMIT]
    image.DerivationCodeSequence = codes.sequence_of(codes.SUSCEPTIBILITY)


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
        item.SpatialLocationsPreserved = "YES"
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
    item["RealWorldValueFirstValueMapped"] = _signed("RealWorldValueFirstValueMapped", SMALLEST_PPB)
    item["RealWorldValueLastValueMapped"] = _signed("RealWorldValueLastValueMapped", LARGEST_PPB)
    item.RealWorldValueIntercept = 0.0
    item.RealWorldValueSlope = 1.0
    item.QuantityDefinitionSequence = Sequence([quantity])
    return item


def _signed(keyword: str, value: int) -> DataElement:
    """An attribute whose VR follows PixelRepresentation, as signed 16 bit."""
    return DataElement(keyword, "SS", value)


def _decimals(values: tuple[float, ...]) -> list[str]:
    return [_decimal(value) for value in values]


def _decimal(value: float) -> str:
    """A decimal string of at most 16 characters, as exact as they allow."""
    return format_number_as_ds(float(value))
