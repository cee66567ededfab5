"""A map as classic MR images: whole numbers, one image per source slice.

The only kind of object that every viewer tried could show; unit and quantity are coded in the real-world
value mapping (DICOM PS3.3 C.7.6.16.2.11), without a rescale slope, which the MR IOD does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pydicom import DataElement, Dataset, Sequence
from pydicom.sr.coding import Code
from pydicom.uid import MRImageStorage
from pydicom.valuerep import format_number_as_ds

from qsmnode.dicom.geometry import along_normal, slice_normal
from qsmnode.engine.types import Float
from qsmnode.errors import JobFailed, NotEligible
from qsmnode.products import codes
from qsmnode.products.context import Plan, ProductContext
from qsmnode.products.identity import identified, plain
from qsmnode.products.patient import copy
from qsmnode.products.revision import REFUSAL_PAGE, name_series, titled

LARGEST, SMALLEST = 32767, -32768
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


@dataclass(frozen=True)
class Pixels:
    """What is stored: whole numbers, how much one of them is worth, and the window to begin with.

    Attributes:
        stored: (X, Y, Z).
        step: worth of 1, in the series' unit.
        centre, width: of the window, in stored numbers.
    """

    stored: npt.NDArray[np.int16]
    step: float
    centre: float
    width: float


@dataclass(frozen=True)
class ImageSeries:
    """One kind of map that is sent as a series of images.

    Attributes:
        name: of the product.
        offset: of its series number after the source's.
        title: the SeriesDescription's beginning: what it is and its unit.
        kind: the fourth value of ImageType.
        label: of the real-world value mapping, at most 16 characters.
        explanation: of the same, in words.
        unit: of the numbers.
        quantity: what they are a number of; None where no code is defined.
        pixels: the images of a reconstruction.
        about: what the map is, for DerivationDescription.
        derivation: the code of how it came about; None where none is defined.
        steps: what a recipe has to have for it, with the method where the recipe names none.
    """

    name: str
    offset: int
    title: str
    kind: str
    label: str
    explanation: str
    unit: Code
    quantity: Code | None
    pixels: Callable[[ProductContext], Pixels]
    about: Callable[[ProductContext], str]
    derivation: Code | None = None
    steps: Mapping[str, str] = field(default_factory=dict)

    def series_uid(self, context: ProductContext) -> str:
        """The series that holds it."""
        return context.uid(self.name, "series", *context.styled(self.name))

    def plan(self, context: ProductContext) -> Plan:
        """What the images will be called, in the order of the slices."""
        styled = context.styled(self.name)
        slices = range(len(context.source.slices))
        return Plan(
            series_uid=self.series_uid(context),
            series_number=context.series_number(context.style(self.name).number or self.offset),
            sop_class_uid=str(MRImageStorage),
            sop_instance_uids=tuple(context.uid(self.name, "image", str(index), *styled) for index in slices),
        )

    def build(self, context: ProductContext) -> list[Dataset]:
        """One image per slice, in the order of the slices, ready to be written.

        Raises:
            NotEligible: the source names no study or no frame of reference.
            JobFailed: the map was not made, or holds values that are not finite.
        """
        pixels = self.pixels(context)
        images = self.headers(context, pixels)
        smallest, largest = int(pixels.stored.min()), int(pixels.stored.max())
        for index, image in enumerate(images):
            plane = np.ascontiguousarray(pixels.stored[:, :, index].T)  # rows are Y
            image.Rows, image.Columns = plane.shape
            image.SamplesPerPixel = 1
            image.PhotometricInterpretation = "MONOCHROME2"
            image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
            image["SmallestImagePixelValue"] = signed("SmallestImagePixelValue", int(plane.min()))
            image["LargestImagePixelValue"] = signed("LargestImagePixelValue", int(plane.max()))
            image["SmallestPixelValueInSeries"] = signed("SmallestPixelValueInSeries", smallest)
            image["LargestPixelValueInSeries"] = signed("LargestPixelValueInSeries", largest)
            image.PixelData = plane.astype("<i2").tobytes()
            image["PixelData"].VR = "OW"
        return images

    def headers(self, context: ProductContext, pixels: Pixels) -> list[Dataset]:
        """Every image without its pixels, in the order of the slices."""
        if not context.source.template.get("FrameOfReferenceUID"):
            raise NotEligible("FrameOfReferenceUID: expected one in the source, got none")
        planned = self.plan(context)
        common = self._common(context, planned, pixels)
        images = []
        for index, sop_instance_uid in enumerate(planned.sop_instance_uids):
            image = deepcopy(common)
            image.SOPInstanceUID = sop_instance_uid
            image.InstanceNumber = index + 1
            _place(image, context, index)
            image.SourceImageSequence = Sequence(references(context, index))
            images.append(image)
        return images

    def _common(self, context: ProductContext, planned: Plan, pixels: Pixels) -> Dataset:
        """What all images of the series share."""
        source, style = context.source, context.style(self.name)
        image = identified(context)
        image.SOPClassUID = planned.sop_class_uid
        image.SeriesInstanceUID = planned.series_uid
        image.Modality = "MR"
        image.SeriesNumber = planned.series_number
        title = context.title(style.description or self.title, as_it_is=bool(style.description))
        image.SeriesDescription = titled(title, context.revision)
        name_series(image, context.replaces.get(self.name), context.replaces.get(REFUSAL_PAGE))
        image.ImageType = ["DERIVED", "PRIMARY", "OTHER", self.kind]
        for keyword, value in _DEFAULTS.items():
            found = source.template.get(keyword)
            # Siemens writes an echo train length of 0, which is no length
            setattr(image, keyword, value if found in (None, "", 0) else found)
        for keyword in _COPIED:
            copy(source.template, image, keyword)
        image.EchoTime = None  # what is made of all echoes has none
        self._describe(image, context)
        image.BurnedInAnnotation = "NO"
        image.LossyImageCompression = "00"
        centre, width = pixels.centre, pixels.width
        if style.window is not None:
            centre, width = style.window[0] / pixels.step, style.window[1] / pixels.step
        image.WindowCenter, image.WindowWidth = f"{centre:.10g}", f"{width:.10g}"
        image.WindowCenterWidthExplanation = self.title.replace(" ", ", ")
        image.RealWorldValueMappingSequence = Sequence([self.mapping(pixels.step)])
        return image

    def _describe(self, image: Dataset, context: ProductContext) -> None:
        replaced = [
            context.replaces[name].series_uid
            for name in (self.name, REFUSAL_PAGE)
            if name in context.replaces
        ]
        replaces = f"; replaces series {' and '.join(replaced)}" if replaced else ""
        image.DerivationDescription = plain(
            f"{self.about(context)} {context.algorithm}; research use, not for diagnosis{replaces}"
        )[:_DESCRIPTION_LIMIT]
        if self.derivation is not None:
            image.DerivationCodeSequence = codes.sequence_of(self.derivation)

    def mapping(self, step: float) -> Dataset:
        """Unit and quantity of the stored numbers, ``step`` of the unit each."""
        item = Dataset()
        item.LUTExplanation = self.explanation
        item.LUTLabel = self.label
        item.MeasurementUnitsCodeSequence = codes.sequence_of(self.unit)
        item["RealWorldValueFirstValueMapped"] = signed("RealWorldValueFirstValueMapped", SMALLEST)
        item["RealWorldValueLastValueMapped"] = signed("RealWorldValueLastValueMapped", LARGEST)
        item.RealWorldValueIntercept = 0.0
        item.RealWorldValueSlope = step
        if self.quantity is not None:
            quantity = Dataset()
            quantity.ValueType = "CODE"
            quantity.ConceptNameCodeSequence = codes.sequence_of(codes.QUANTITY)
            quantity.ConceptCodeSequence = codes.sequence_of(self.quantity)
            item.QuantityDefinitionSequence = Sequence([quantity])
        return item


def stored(name: str, values: Float, steps: float) -> npt.NDArray[np.int16]:
    """Whole numbers, ``steps`` of which make 1, cut off at what 16 bits can hold.

    Raises:
        JobFailed: a value is not finite; an integer image has no way to say so.
    """
    broken = int(np.count_nonzero(~np.isfinite(values)))
    if broken:
        raise JobFailed(f"{name}: expected finite values, got {broken} voxels of NaN or infinity")
    whole: npt.NDArray[np.int16] = np.clip(in_steps(values, steps), SMALLEST, LARGEST).astype(np.int16)
    return whole


def in_steps(values: Float, steps: float) -> npt.NDArray[np.float64]:
    """The nearest whole numbers of steps, ``steps`` of which make 1."""
    return np.rint(values.astype(np.float64) * steps)


def _place(image: Dataset, context: ProductContext, index: int) -> None:
    source = context.source
    image.ImagePositionPatient = decimals(source.slices[index].position_mm)
    image.ImageOrientationPatient = decimals(source.orientation)
    image.PixelSpacing = decimals(source.pixel_spacing_mm)
    image.SliceThickness = decimal(source.slice_thickness_mm)
    image.SpacingBetweenSlices = decimal(source.slice_spacing_mm)
    image.SliceLocation = decimal(
        along_normal(source.slices[index].position_mm, slice_normal(source.orientation))
    )


def references(context: ProductContext, index: int) -> list[Dataset]:
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


def signed(keyword: str, value: int) -> DataElement:
    """An attribute whose VR follows PixelRepresentation, as signed 16 bit."""
    return DataElement(keyword, "SS", value)


def decimals(values: tuple[float, ...]) -> list[str]:
    return [decimal(value) for value in values]


def decimal(value: float) -> str:
    """A decimal string of at most 16 characters, as exact as they allow."""
    return format_number_as_ds(float(value))
