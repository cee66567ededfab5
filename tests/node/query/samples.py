"""An image that is here, and what an archive may answer."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset

from qsmnode.dicom.encodings.encoding import Declared
from qsmnode.dicom.instance import Instance

MEMBER = Instance(
    sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
    sop_instance_uid="2.25.9",
    study_uid="2.25.100",
    series_uid="2.25.101",
    frame_of_reference_uid="2.25.50",
    modality="MR",
    manufacturer="SIEMENS",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    rows=4,
    columns=4,
    pixel_spacing=(1.0, 1.0),
    slice_thickness_mm=1.0,
    imaging_frequency_mhz=123.2,
    field_t=3.0,
    mr_acquisition_type="3D",
    acquisition_number=1,
    sequence=(),
    start_is_exact=False,
    field_map_sequence=False,
    declared=Declared(),
    not_source=None,
    phase_problem=None,
    frames=(),
    keywords={"ProtocolName": ("qsm",)},
)


def image(uid: str) -> tuple[int, Dataset]:
    answer = Dataset()
    answer.QueryRetrieveLevel, answer.SOPInstanceUID = "IMAGE", uid
    return 0xFF00, answer


def series(number: int, **values: Any) -> tuple[int, Dataset]:
    answer = Dataset()
    answer.QueryRetrieveLevel, answer.SeriesInstanceUID = "SERIES", f"2.25.{number}"
    for keyword, value in values.items():
        setattr(answer, keyword, value)
    return 0xFF00, answer
