"""The one header that products copy patient, study, equipment and sequence facts from."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import MRImageStorage

from qsmnode.dicom.frames import ImageView
from qsmnode.dicom.reading import BROKEN, number, text

_ENHANCED_ONLY = (
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "DimensionOrganizationSequence",
    "DimensionIndexSequence",
    "NumberOfFrames",
    "ReferencedImageEvidenceSequence",
    "SourceImageEvidenceSequence",
)
_FROM_FRAME = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "RepetitionTime",
    "FlipAngle",
)


def template_of(view: ImageView) -> Dataset:
    """Public elements of an image's header as a classic object has them.

    Elements that cannot be read are left out: a damaged comment must not stop a reconstruction, and what a
    product needs and does not find, it reports itself.

    Args:
        view: one image; its data set is not changed.
    """
    template = Dataset()
    for tag in sorted(view.dataset.keys()):
        if _copied(tag):
            try:
                template.add(view.dataset[tag])
            except BROKEN:
                continue
    template.remove_private_tags()
    if view.enhanced:
        _flatten(template, view)
    return template


def _copied(tag: BaseTag) -> bool:
    return not tag.is_private and tag.group < 0x5000 and tag.group != 0x0002


def _flatten(template: Dataset, view: ImageView) -> None:
    for keyword in _ENHANCED_ONLY:
        if keyword in template:
            delattr(template, keyword)
    for keyword in _FROM_FRAME:
        value = view.get(keyword)
        if value is not None:
            setattr(template, keyword, list(value) if isinstance(value, tuple) else value)
    echo, frequency = view.get("EffectiveEchoTime"), view.get("TransmitterFrequency")
    if echo is not None:
        template.EchoTime = f"{float(echo):.10g}"
    if frequency is not None:
        template.ImagingFrequency = f"{float(frequency):.10g}"
    template.SOPClassUID = MRImageStorage
    template.ScanningSequence = "GR"
    spoiled = text(view.dataset, "Spoiling").upper() in ("RF", "GRADIENT")
    template.SequenceVariant = "SP" if spoiled else "NONE"
    template.ImageType = list(view.get("FrameType") or ("ORIGINAL", "PRIMARY", "M"))
    _date_and_time(template, view)


def _date_and_time(template: Dataset, view: ImageView) -> None:
    stamp = str(view.get("FrameAcquisitionDateTime") or text(view.dataset, "AcquisitionDateTime"))
    if len(stamp) >= 14 and stamp[:14].isdigit() and number(template, "AcquisitionTime") is None:
        template.AcquisitionDate = stamp[:8]
        template.AcquisitionTime = stamp[8:21]
