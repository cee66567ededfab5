"""The susceptibility map as one Enhanced MR object: the frames are the images of the classic series.

Stored value = ppb as there, one frame per slice, with geometry, unit, window and source images in functional
groups (DICOM PS3.3 A.36). For archives and programs that prefer one object to hundreds; not every viewer
shows it, so it goes beside the classic series or in its place, as the route says.
"""

from __future__ import annotations

import numpy as np
from pydicom import Dataset, Sequence
from pydicom.uid import EnhancedMRImageStorage

from qsmnode.errors import NotEligible
from qsmnode.products import codes, image_series, qsm_series
from qsmnode.products.context import Plan, ProductContext
from qsmnode.products.identity import identified, plain
from qsmnode.products.image_series import Pixels, decimals
from qsmnode.products.patient import copy
from qsmnode.products.revision import REFUSAL_PAGE, name_series, titled

NAME = "qsm_enhanced"
NEEDS = ()
_OFFSET = 8
_LIMIT = 1024  # VR ST
_STACK = "1"
_SAFETY = "IEC"  # of the scanner, where it does not say: IEC 60601-2-33 is the standard of all MR equipment
_FRAME_CONTENT, _STACK_ID, _IN_STACK = 0x00209111, 0x00209056, 0x00209057
_COPIED = ("FrameOfReferenceUID", "MagneticFieldStrength", "AcquisitionNumber", "ProtocolName")


def series_uid(context: ProductContext) -> str:
    """The series that holds it."""
    return context.uid(NAME, "series", *context.styled(qsm_series.NAME))


def plan(context: ProductContext) -> Plan:
    """What it will be called."""
    return Plan(
        series_uid=series_uid(context),
        series_number=context.series_number(_OFFSET),
        sop_class_uid=str(EnhancedMRImageStorage),
        sop_instance_uids=(context.uid(NAME, "map", *context.styled(qsm_series.NAME)),),
    )


def build(context: ProductContext) -> list[Dataset]:
    """One object with all slices, in their order, ready to be written.

    Raises:
        NotEligible: the source names no study or no frame of reference.
        JobFailed: the map holds values that are not finite.
    """
    if not context.template.get("FrameOfReferenceUID"):
        raise NotEligible("FrameOfReferenceUID: expected one in the source, got none")
    pixels = qsm_series.SERIES.pixels(context)
    image = _header(context, plan(context))
    _dimensions(image, context.uid(NAME, "dimensions"))
    image.SharedFunctionalGroupsSequence = Sequence([_shared(context, pixels)])
    frames = range(len(context.source.slices))
    image.PerFrameFunctionalGroupsSequence = Sequence([_of_frame(context, index) for index in frames])
    image.NumberOfFrames = len(frames)
    _fill(image, pixels)
    return [image]


def _header(context: ProductContext, planned: Plan) -> Dataset:
    """Everything that holds for the whole object, beside pixels and functional groups."""
    image, template = identified(context), context.template
    image.SOPClassUID = planned.sop_class_uid
    image.SOPInstanceUID = planned.sop_instance_uids[0]
    image.SeriesInstanceUID = planned.series_uid
    image.SeriesNumber = planned.series_number
    image.InstanceNumber = 1
    image.Modality = "MR"
    image.SeriesDescription = titled(context.title("QSM ppb enhanced"), context.revision)
    name_series(image, context.replaces.get(NAME), context.replaces.get(REFUSAL_PAGE))
    for keyword in _COPIED:
        if template.get(keyword) not in (None, ""):
            copy(template, image, keyword)
    for keyword in ("PositionReferenceIndicator", "PatientPosition"):
        setattr(image, keyword, template.get(keyword) or "")
    image.BodyPartExamined = template.get("BodyPartExamined") or "BRAIN"
    image.AcquisitionContextSequence = Sequence([])
    _say_kind(image, "ImageType")
    image.ContentQualification = "RESEARCH"
    image.ApplicableSafetyStandardAgency = template.get("ApplicableSafetyStandardAgency") or _SAFETY
    image.SourceImageEvidenceSequence = Sequence([_evidence(context)])
    image.BurnedInAnnotation = "NO"
    image.LossyImageCompression = "00"
    image.PresentationLUTShape = "IDENTITY"
    return image


def _say_kind(item: Dataset, keyword: str) -> None:
    """What kind of MR image it is (PS3.3 C.8.13.3.1), of the whole object or of a frame."""
    setattr(item, keyword, ["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"])
    item.PixelPresentation = "MONOCHROME"
    item.VolumetricProperties = "VOLUME"
    item.VolumeBasedCalculationTechnique = "NONE"
    item.ComplexImageComponent = "MAGNITUDE"  # of what is no component of a complex signal, too
    item.AcquisitionContrast = "T2_STAR"


def _evidence(context: ProductContext) -> Dataset:
    """Every source image by series; all are of one study."""
    by_series: dict[str, dict[str, str]] = {}
    for place in context.source.slices:
        for one in place.references:
            by_series.setdefault(one.series_instance_uid, {})[one.sop_instance_uid] = one.sop_class_uid
    study, series = Dataset(), []
    for uid, instances in by_series.items():
        item = Dataset()
        item.SeriesInstanceUID = uid
        item.ReferencedSOPSequence = Sequence([_instance(*facts) for facts in instances.items()])
        series.append(item)
    study.StudyInstanceUID = context.template.StudyInstanceUID
    study.ReferencedSeriesSequence = Sequence(series)
    return study


def _instance(sop_instance_uid: str, sop_class_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item


def _dimensions(image: Dataset, uid: str) -> None:
    """Frames are ordered by stack and by their place in it."""
    organization = Dataset()
    organization.DimensionOrganizationUID = uid
    image.DimensionOrganizationSequence = Sequence([organization])
    image.DimensionOrganizationType = "3D"
    items = []
    for pointer, label in ((_STACK_ID, "Stack"), (_IN_STACK, "Position in stack")):
        item = Dataset()
        item.DimensionOrganizationUID = uid
        item.DimensionIndexPointer = pointer
        item.FunctionalGroupPointer = _FRAME_CONTENT
        item.DimensionDescriptionLabel = label
        items.append(item)
    image.DimensionIndexSequence = Sequence(items)


def _shared(context: ProductContext, pixels: Pixels) -> Dataset:
    """The functional groups that all frames share."""
    source, groups = context.source, Dataset()
    measures, orientation, anatomy, kind, value, window = (Dataset() for _ in range(6))
    measures.PixelSpacing = decimals(source.pixel_spacing_mm)
    measures.SliceThickness, measures.SpacingBetweenSlices = decimals(
        (source.slice_thickness_mm, source.slice_spacing_mm)
    )
    orientation.ImageOrientationPatient = decimals(source.orientation)
    anatomy.FrameLaterality = "U"
    anatomy.AnatomicRegionSequence = codes.sequence_of(codes.BRAIN)
    _say_kind(kind, "FrameType")
    value.RescaleIntercept, value.RescaleSlope, value.RescaleType = "0", "1", "US"
    centre, width = context.style(qsm_series.NAME).window or (pixels.centre, pixels.width)
    window.WindowCenter, window.WindowWidth = f"{centre:.10g}", f"{width:.10g}"
    window.WindowCenterWidthExplanation = "QSM, ppb"
    groups.PixelMeasuresSequence = Sequence([measures])
    groups.PlaneOrientationSequence = Sequence([orientation])
    groups.FrameAnatomySequence = Sequence([anatomy])
    groups.MRImageFrameTypeSequence = Sequence([kind])
    groups.PixelValueTransformationSequence = Sequence([value])
    groups.FrameVOILUTSequence = Sequence([window])
    groups.RealWorldValueMappingSequence = Sequence([qsm_series.SERIES.mapping(pixels.step)])
    return groups


def _of_frame(context: ProductContext, index: int) -> Dataset:
    """The functional groups of one slice."""
    groups, content, position, derivation = (Dataset() for _ in range(4))
    content.StackID = _STACK
    content.InStackPositionNumber = index + 1
    content.DimensionIndexValues = [1, index + 1]
    position.ImagePositionPatient = decimals(context.source.slices[index].position_mm)
    derivation.DerivationDescription = plain(
        f"{qsm_series.SERIES.about(context)} {context.algorithm}; research use, not for diagnosis"
    )[:_LIMIT]
    derivation.DerivationCodeSequence = codes.sequence_of(codes.SUSCEPTIBILITY)
    derivation.SourceImageSequence = Sequence(image_series.references(context, index))
    groups.FrameContentSequence = Sequence([content])
    groups.PlanePositionSequence = Sequence([position])
    groups.DerivationImageSequence = Sequence([derivation])
    return groups


def _fill(image: Dataset, pixels: Pixels) -> None:
    frames = np.ascontiguousarray(pixels.stored.transpose(2, 1, 0))  # frames, rows, columns
    _, image.Rows, image.Columns = frames.shape
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.PixelData = frames.astype("<i2").tobytes()
    image["PixelData"].VR = "OW"
