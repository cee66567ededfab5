"""One image of an instance, seen the same way as a classic object and as a frame of an enhanced one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset

from qsmnode.dicom.reading import element_value, items
from qsmnode.errors import UnreadableDicom

MAX_FRAMES = 100_000

_MACROS = {
    "EffectiveEchoTime": "MREchoSequence",
    "FrameType": "MRImageFrameTypeSequence",
    "ComplexImageComponent": "MRImageFrameTypeSequence",
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
    "FrameAcquisitionDateTime": "FrameContentSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "TransmitterFrequency": "MRImagingModifierSequence",
    "RepetitionTime": "MRTimingAndRelatedParametersSequence",
    "FlipAngle": "MRTimingAndRelatedParametersSequence",
    "InPlanePhaseEncodingDirection": "MRFOVGeometrySequence",
}
"""Functional group in which an enhanced MR object keeps an attribute (DICOM PS3.3 A.36.2)."""


@dataclass(frozen=True)
class ImageView:
    """Attributes of one image: of the frame, then of all frames, then of the whole object.

    Private sequences are never looked into: Philips nests a classic header there with another position.
    """

    dataset: Dataset
    shared: Dataset | None = None
    frame: Dataset | None = None

    @property
    def enhanced(self) -> bool:
        """Whether this is a frame of an enhanced object."""
        return self.frame is not None

    def get(self, keyword: str) -> Any:
        """Value of an attribute, or None; several values as a tuple."""
        macro = _MACROS.get(keyword)
        if macro is not None and self.frame is not None:
            for group in (self.frame, self.shared):
                for item in items(group, macro)[:1] if group is not None else ():
                    value = element_value(item, keyword)
                    if value is not None:
                        return value
            return None
        return element_value(self.dataset, keyword)

    def items(self, keyword: str) -> tuple[Dataset, ...]:
        """Items of a functional group, or of a sequence of a classic object."""
        if self.frame is None:
            return items(self.dataset, keyword)
        return items(self.frame, keyword) or (items(self.shared, keyword) if self.shared is not None else ())


def views(dataset: Dataset) -> Iterator[ImageView]:
    """Every image of an instance, in the order of its frames.

    Raises:
        UnreadableDicom: the number of frames is absurd.
    """
    per_frame = items(dataset, "PerFrameFunctionalGroupsSequence")
    if not per_frame:
        yield ImageView(dataset)
        return
    if len(per_frame) > MAX_FRAMES:
        raise UnreadableDicom(f"expected at most {MAX_FRAMES} frames, got {len(per_frame)}")
    shared = next(iter(items(dataset, "SharedFunctionalGroupsSequence")), None)
    for frame in per_frame:
        yield ImageView(dataset, shared, frame)
