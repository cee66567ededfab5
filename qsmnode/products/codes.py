"""The codes that products use (DICOM PS3.16; SNOMED CT, LOINC and UCUM as DICOM includes them)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydicom import Dataset, Sequence
from pydicom.sr.coding import Code

from qsmnode.measure import structures
from qsmnode.measure.offsets import FLUID
from qsmnode.measure.statistics import WHOLE_BRAIN

SUSCEPTIBILITY = Code("126396", "DCM", "Magnetic Susceptibility")
QUANTITY = Code("246205007", "SCT", "Quantity")
PPB = Code("[ppb]", "UCUM", "parts per billion")
R2STAR = Code("126395", "DCM", "R2*")
MINIMUM_PROJECTION = Code("113079", "DCM", "Minimum intensity projection")
PER_SECOND = Code("/s", "UCUM", "/s")
HERTZ = Code("Hz", "UCUM", "Hertz")
NO_UNITS = Code("1", "UCUM", "no units")
MICROGRAM_PER_GRAM = Code("ug/g", "UCUM", "microgram per gram")
CUBIC_CENTIMETRE = Code("cm3", "UCUM", "cubic centimeter")
VOLUME = Code("118565006", "SCT", "Volume")
BRAIN = structures.BRAIN
ANATOMICAL_STRUCTURE = structures.ANATOMICAL_STRUCTURE
SPATIAL_CONCEPT = structures.SPATIAL_CONCEPT
REGION_OF_INTEREST = structures.REGION_OF_INTEREST
LEFT = Code("7771000", "SCT", "Left")
RIGHT = Code("24028007", "SCT", "Right")
SIDES: Mapping[str, Code] = MappingProxyType({"left": LEFT, "right": RIGHT})
MORPHOLOGICAL = Code("123104", "DCM", "Morphological Operations")
NEIGHBOURHOOD = Code("123101", "DCM", "Neighborhood Analysis")
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


SCHEME = structures.SCHEME
SCHEME_NAME = (
    "qsmnode: reasons against acquisitions, maps and regions; structures of the brain; numbers of maps"
)


def _reason(value: str, meaning: str) -> Code:
    return Code(value, SCHEME, meaning)


# by the name of the acceptance check; values are for good: none is ever used for something else
REASONS: Mapping[str, Code] = MappingProxyType(
    {
        "complete": _reason("QA-101", "Images of the acquisition are missing"),
        "ambiguous": _reason("QA-102", "Images cannot be paired for certain"),
        "phase_scaling": _reason("QA-103", "Scaling of the phase not known"),
        "gaps": _reason("QA-104", "Gaps between slices"),
        "slices": _reason("QA-105", "Slices make no regular grid"),
        "field_strength": _reason("QA-106", "Field strength or centre frequency not known"),
        "b0_axis": _reason("QA-107", "Direction of the main field not known"),
        "magnitude": _reason("QA-108", "Magnitude empty or negative"),
        "filtered_phase": _reason("QA-109", "Phase filtered by the scanner"),
        "other": _reason("QA-199", "Cannot be reconstructed"),
        "dimensions": _reason("QA-201", "Not a 3-D acquisition"),
        "echoes": _reason("QA-202", "Too few echoes"),
        "first_echo": _reason("QA-203", "First echo too late"),
        "echo_spacing": _reason("QA-204", "Echoes not equally spaced"),
        "last_echo": _reason("QA-205", "Last echo out of range"),
        "in_plane": _reason("QA-206", "Voxels too large in plane"),
        "anisotropy": _reason("QA-207", "Voxels too anisotropic"),
        "coverage": _reason("QA-208", "Coverage too short"),
        "contrast_agent": _reason("QA-209", "Contrast agent given"),
        "neck": _reason("QA-210", "Neck examined"),
        "unwrapped_phase": _reason("QA-301", "Phase unwrapped by the scanner"),
        "poles": _reason("QA-302", "Poles of the coil combination"),
        "bipolar": _reason("QA-303", "Bipolar readout corrected"),
        "snr": _reason("QA-304", "Signal to noise too low"),
        "ghosting": _reason("QA-305", "Ghosts or motion"),
        "mask": _reason("QA-306", "Mask is no plausible brain"),
        "fit": _reason("QA-307", "Fit of the echoes out of range"),
        "streaks": _reason("QA-308", "Streak energy out of range"),
        "quality": _reason("QA-309", "Quality number out of range"),
    }
)

# what is to be said of a region, or of all that were asked for, by the kind of the issue; values are for good
REGION_ISSUES: Mapping[str, Code] = MappingProxyType(
    {
        "empty": _reason("RG-101", "Region without a voxel"),
        "outside_view": _reason("RG-102", "Region outside the field of view"),
        "outside_mask": _reason("RG-103", "Region outside the map's mask"),
        "no_values": _reason("RG-104", "Region without a finite value"),
        "too_small": _reason("RG-105", "Region smaller than the voxels"),
        "not_found": _reason("RG-106", "Region not found by the program that looks for it"),
        "size": _reason("RG-107", "Region of implausible size"),
        "sides": _reason("RG-108", "Regions of both sides differ too much in size"),
        "estimates": _reason("RG-109", "Estimates of the region's mean differ too much"),
        "regions_none": _reason("RG-110", "No regions came for the study"),
        "regions_several": _reason("RG-111", "More than one file of regions fits"),
        "regions_unusable": _reason("RG-112", "Regions cannot be used"),
        "regions_unavailable": _reason("RG-113", "Regions cannot be looked for"),
        "program_failed": _reason("RG-114", "Program that draws regions failed"),
        "program_late": _reason("RG-115", "Program that draws regions took too long"),
        "program_nothing": _reason("RG-116", "Program that draws regions left none"),
        "not_meant": _reason("RG-117", "Examination that the program is not meant for"),
        "cut": _reason("RG-201", "Region cut by the map"),
        "edge": _reason("RG-202", "Region at the edge of the images"),
        "left_out": _reason("RG-203", "Voxels of the region left out"),
        "experimental": _reason("RG-301", "Region by an experimental method"),
    }
)


# numbers that no scheme of DICOM's has a code for, and why one is missing; values are for good
OFFSETS: Mapping[str, Code] = MappingProxyType(
    {
        WHOLE_BRAIN: _reason("RO-101", "Whole brain relative to the zero of susceptibility"),
        FLUID: _reason("RO-102", "Cerebrospinal fluid relative to the zero of susceptibility"),
    }
)
IRON = _reason("IR-101", "Iron in wet tissue, estimated from susceptibility")
NO_IRON = _reason("IR-102", "No estimate of iron: susceptibility below zero")


def scheme_identification() -> list[Dataset]:
    """What names this node's own coding scheme (DICOM PS3.3 C.12.1)."""
    item = Dataset()
    item.CodingSchemeDesignator = SCHEME
    item.CodingSchemeName = SCHEME_NAME
    item.CodingSchemeResponsibleOrganization = "qsmnode"
    return [item]


def sequence_of(code: Code) -> Sequence:
    """A code sequence with one item."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return Sequence([item])
