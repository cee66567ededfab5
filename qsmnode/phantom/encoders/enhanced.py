"""Enhanced MR objects: many frames in one object, what they share in one group and what differs per frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag
from pydicom.uid import EnhancedMRImageStorage

from qsmnode.phantom.encoders.image import COMPONENTS, FIELD_MAP, PHASE, Image, pixel_bytes, pixel_elements
from qsmnode.phantom.encoders.maker import Maker
from qsmnode.phantom.part10 import SeriesWriter
from qsmnode.phantom.pixels import decimal, plane_position
from qsmnode.phantom.scan import PulseSequence, Scan
from qsmnode.phantom.visit import clock

_DESCRIBED = {
    "PixelPresentation": "MONOCHROME",
    "VolumetricProperties": "VOLUME",
    "VolumeBasedCalculationTechnique": "NONE",
}
_PULSE = {
    "EchoPulseSequence": "GRADIENT",
    "EchoPlanarPulseSequence": "NO",
    "MultiPlanarExcitation": "NO",
    "PhaseContrast": "NO",
    "TimeOfFlightContrast": "NO",
    "SteadyStatePulseSequence": "NONE",
    "SaturationRecovery": "NO",
    "SpectrallySelectedSuppression": "NONE",
    "OversamplingPhase": "NONE",
    "GeometryOfKSpaceTraversal": "RECTILINEAR",
    "SegmentedKSpaceTraversal": "SINGLE",
    "RectilinearPhaseEncodeReordering": "LINEAR",
    "CoverageOfKSpace": "FULL",
    "KSpaceFiltering": "NONE",
    "NumberOfKSpaceTrajectories": 1,
    "ResonantNucleus": "1H",
    "ContentQualification": "PRODUCT",
    "ApplicableSafetyStandardAgency": "IEC",
}
_STACK, _POSITION, _CONTENT = 0x00209056, 0x00209057, 0x00209111


@dataclass(frozen=True)
class Dimension:
    """One dimension index: which attribute in which functional group, and its index for an image."""

    pointer: int
    group: int
    index_of: Callable[[Image], int]


@dataclass(frozen=True)
class Object:
    """One enhanced object to be written.

    Attributes:
        maker: of the scanner.
        number, parts: SeriesNumber, and what tells the series' UID.
        instance: InstanceNumber.
        image_type: of the whole object.
        component: ComplexImageComponent of the whole object.
        dimensions: beyond stack and position in it.
        frame_type: of an image.
        frame: functional groups of an image beyond those of every vendor.
    """

    maker: Maker
    number: int
    parts: tuple[object, ...]
    instance: int
    image_type: list[str]
    component: str
    dimensions: tuple[Dimension, ...]
    frame_type: Callable[[Image], list[str]]
    frame: Callable[[Scan, Image, int], Dataset]


def item(**values: Any) -> Items:
    """A sequence of one item."""
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return Items([ds])


def stamp(scan: Scan, index: int) -> str:
    """Date and time at which slice ``index`` was measured."""
    return scan.visit.began.strftime("%Y%m%d") + clock(scan.acquired(index))


def write_object(
    scan: Scan, images: Sequence[Image], made: Object, shared: Dataset, top: Dataset, path: Path
) -> Path:
    """Write one object.

    Args:
        scan: sequence, geometry and identity.
        images: its frames, in their order; all of one layout of pixels.
        made: what this object is.
        shared: functional groups of all frames beyond those of every vendor.
        top: elements of the object beyond those of every vendor.
        path: the file.
    """
    own = _object(scan, images, made)
    own.SharedFunctionalGroupsSequence = Items([_shared(scan, shared)])
    own.PerFrameFunctionalGroupsSequence = Items(
        [_frame(scan, image, made, number) for number, image in enumerate(images, 1)]
    )
    layout = pixel_elements(images[0])
    del layout.SmallestImagePixelValue, layout.LargestImagePixelValue
    own.update(layout)
    own.PixelData = b"".join(pixel_bytes(image) for image in images)
    own["PixelData"].VR = "OW"
    own.update(top)
    header = scan.visit.header()
    header.SOPClassUID = EnhancedMRImageStorage
    return SeriesWriter(path.parent, header).write(path.name, own)


def _object(scan: Scan, images: Sequence[Image], made: Object) -> Dataset:
    sequence, day = scan.sequence, scan.visit.began.strftime("%Y%m%d")
    echoes = sorted({image.echo for image in images})
    ds = made.maker.elements(scan.field_t)
    ds.SOPInstanceUID = scan.visit.uid(
        scan.label, "instance", made.number, made.component, *echoes, images[0].kind, images[0].copy
    )
    ds.ImageType, ds.ComplexImageComponent = made.image_type, made.component
    ds.AcquisitionContrast = "T1"
    for keyword, value in (_DESCRIBED | _PULSE).items():
        setattr(ds, keyword, value)
    ds.Modality = "MR"
    ds.SeriesInstanceUID = scan.series_uid(*made.parts)
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = made.number, made.instance, 1
    ds.SeriesDescription = ds.ProtocolName = sequence.description
    ds.PulseSequenceName = sequence.name
    ds.InstanceCreationDate = ds.SeriesDate = ds.ContentDate = day
    ds.InstanceCreationTime = ds.SeriesTime = ds.ContentTime = clock(scan.began)
    ds.AcquisitionDateTime = stamp(scan, 0)
    ds.AcquisitionDuration = 300.0
    ds.BodyPartExamined, ds.PatientPosition = "HEAD", "HFS"
    ds.MRAcquisitionType = "3D" if sequence.slab else "2D"
    ds.MagneticFieldStrength = decimal(scan.field_t)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Columns, ds.Rows, ds.NumberOfFrames = *scan.geometry.shape[:2], len(images)
    ds.BurnedInAnnotation, ds.LossyImageCompression = "NO", "00"
    ds.PresentationLUTShape = "IDENTITY"
    ds.AcquisitionContextSequence = Items([])
    _describe_dimensions(ds, scan, made)
    return ds


def _describe_dimensions(ds: Dataset, scan: Scan, made: Object) -> None:
    uid = scan.series_uid(*made.parts, made.component, "dimensions")
    pointers = [(_STACK, _CONTENT), (_POSITION, _CONTENT)]
    pointers += [(one.pointer, one.group) for one in made.dimensions]
    ds.DimensionOrganizationSequence = item(DimensionOrganizationUID=uid)
    ds.DimensionIndexSequence = Items(
        [
            item(
                DimensionOrganizationUID=uid,
                DimensionIndexPointer=Tag(pointer),
                FunctionalGroupPointer=Tag(group),
            )[0]
            for pointer, group in pointers
        ]
    )


def _shared(scan: Scan, more: Dataset) -> Dataset:
    sequence, geometry = scan.sequence, scan.geometry
    ds = _equipment(sequence)
    ds.MRImagingModifierSequence = item(
        PixelBandwidth="300",
        MagnetizationTransfer="NONE",
        BloodSignalNulling="NO",
        Tagging="NONE",
        TransmitterFrequency=scan.frequency_mhz,
    )
    ds.MRTimingAndRelatedParametersSequence = item(
        SpecificAbsorptionRateSequence=item(
            SpecificAbsorptionRateDefinition="IEC_WHOLE_BODY", SpecificAbsorptionRateValue=0.05
        ),
        OperatingModeSequence=item(OperatingModeType="RF", OperatingMode="IEC_NORMAL"),
        RepetitionTime=decimal(sequence.repetition_time_ms),
        EchoTrainLength=0,
        FlipAngle=decimal(sequence.flip_deg),
        RFEchoTrainLength=0,
        GradientEchoTrainLength=len(sequence.echo_times_s),
    )
    ds.MRAveragesSequence = item(NumberOfAverages="1")
    ds.MRFOVGeometrySequence = item(
        PercentSampling="100",
        PercentPhaseFieldOfView="100",
        InPlanePhaseEncodingDirection="COLUMN",
        MRAcquisitionFrequencyEncodingSteps=geometry.shape[0],
        MRAcquisitionPhaseEncodingStepsInPlane=geometry.shape[1],
        MRAcquisitionPhaseEncodingStepsOutOfPlane=geometry.shape[2] if sequence.slab else 1,
    )
    ds.PlaneOrientationSequence = item(
        ImageOrientationPatient=[decimal(cosine) for cosine in geometry.orientation]
    )
    ds.PixelMeasuresSequence = item(
        SliceThickness=decimal(scan.slice_mm),
        SpacingBetweenSlices=decimal(geometry.voxel_mm[2]),
        PixelSpacing=[decimal(geometry.voxel_mm[1]), decimal(geometry.voxel_mm[0])],
    )
    ds.update(more)
    return ds


def _equipment(sequence: PulseSequence) -> Dataset:
    """Coils, what the sequence leaves out, and the part of the body."""
    ds = Dataset()
    ds.MRReceiveCoilSequence = item(
        ReceiveCoilName="HEAD",
        ReceiveCoilManufacturerName="",
        ReceiveCoilType="VOLUME",
        QuadratureReceiveCoil="YES",
    )
    ds.MRTransmitCoilSequence = item(
        TransmitCoilName="BODY", TransmitCoilManufacturerName="", TransmitCoilType="BODY"
    )
    ds.MRModifierSequence = item(
        InversionRecovery="NO" if sequence.inversion_time_ms is None else "YES",
        FlowCompensation="NONE",
        Spoiling="RF",
        T2Preparation="NO",
        SpectrallySelectedExcitation="NONE",
        SpatialPresaturation="NONE",
        ParallelAcquisition="NO",
        PartialFourier="NO",
    )
    ds.FrameAnatomySequence = item(
        AnatomicRegionSequence=item(CodeValue="T-A0100", CodingSchemeDesignator="SRT", CodeMeaning="Brain"),
        FrameLaterality="U",
    )
    return ds


def _frame(scan: Scan, image: Image, made: Object, number: int) -> Dataset:
    time_s = 0.0 if image.kind == FIELD_MAP else scan.sequence.echo_times_s[image.echo]
    ds = Dataset()
    ds.MREchoSequence = item(EffectiveEchoTime=1000.0 * time_s)
    ds.MRImageFrameTypeSequence = item(
        FrameType=made.frame_type(image),
        ComplexImageComponent=COMPONENTS[image.kind],
        AcquisitionContrast="T1",
        **_DESCRIBED,
    )
    ds.FrameContentSequence = item(
        FrameAcquisitionDateTime=stamp(scan, image.index),
        FrameReferenceDateTime=stamp(scan, image.index),
        FrameAcquisitionDuration=300_000.0,
        StackID="1",
        InStackPositionNumber=image.index + 1,
        TemporalPositionIndex=1,
        FrameAcquisitionNumber=1,
        DimensionIndexValues=[1, image.index + 1, *(one.index_of(image) for one in made.dimensions)],
    )
    place = plane_position(scan.geometry, image.place)
    ds.PlanePositionSequence = item(ImagePositionPatient=place.ImagePositionPatient)
    if image.scaling.said or image.kind != PHASE:  # a must of the standard
        ds.PixelValueTransformationSequence = item(
            RescaleIntercept=decimal(image.scaling.intercept),
            RescaleSlope=decimal(image.scaling.slope),
            RescaleType=image.scaling.unit or "US",
        )
    ds.update(made.frame(scan, image, number))
    return ds
