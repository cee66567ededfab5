"""The codes that products use (DICOM PS3.16; SNOMED CT, LOINC and UCUM as DICOM includes them)."""

from __future__ import annotations

from pydicom import Dataset, Sequence
from pydicom.sr.coding import Code

SUSCEPTIBILITY = Code("126396", "DCM", "Magnetic Susceptibility")
QUANTITY = Code("246205007", "SCT", "Quantity")
PPB = Code("[ppb]", "UCUM", "parts per billion")
CUBIC_CENTIMETRE = Code("cm3", "UCUM", "cubic centimeter")
VOLUME = Code("118565006", "SCT", "Volume")
BRAIN = Code("12738006", "SCT", "Brain")
ANATOMICAL_STRUCTURE = Code("91723000", "SCT", "Anatomical structure")
MEAN = Code("373098007", "SCT", "Mean")
STANDARD_DEVIATION = Code("386136009", "SCT", "Standard Deviation")
MEDIAN = Code("373099004", "SCT", "Median")
P5 = Code("371888009", "SCT", "5th percentile")
P95 = Code("371889001", "SCT", "95th percentile")
SOURCE_IMAGE = Code("121322", "DCM", "Source image for image processing operation")
ACQUISITION_EQUIPMENT = Code("109101", "DCM", "Acquisition Equipment")
PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment")
BRAIN_MRI = Code("24590-2", "LN", "Brain MRI")
MEASUREMENT_REPORT = Code("126000", "DCM", "Imaging Measurement Report")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
QUALITY_ASSESSMENT = Code("111050", "DCM", "Quality Assessment")
QUALITY_ISSUE = Code("113010", "DCM", "Quality Issue")
COMMENT = Code("121106", "DCM", "Comment")
ENGLISH = Code("en", "RFC5646", "English")


def sequence_of(code: Code) -> Sequence:
    """A code sequence with one item."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return Sequence([item])
