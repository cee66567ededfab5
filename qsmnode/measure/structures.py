"""Structures of the brain that regions are named after, and their codes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from pydicom.sr.codedict import codes as dictionary
from pydicom.sr.coding import Code

SCHEME = "99QSMNODE"
"""This node's own coding scheme, for what has no code in DICOM's part of SNOMED CT."""

ANATOMICAL_STRUCTURE = Code("91723000", "SCT", "Anatomical structure")
SPATIAL_CONCEPT = Code("309825002", "SCT", "Spatial and Relational Concept")
BRAIN = Code("12738006", "SCT", "Brain")
REGION_OF_INTEREST = Code("ST-199", SCHEME, "Region of interest")
"""The kind of a region of which nobody says what it is."""

_ALL = (
    Code("11000004", "SCT", "Caudate Nucleus"),
    Code("89278009", "SCT", "Putamen"),
    Code("14738005", "SCT", "Globus Pallidus"),
    Code("70007007", "SCT", "Substantia nigra"),
    Code("42695009", "SCT", "Thalamus"),
    Code("65216001", "SCT", "Cerebrospinal Fluid"),
    Code("80621003", "SCT", "Choroid plexus"),
    Code("389080008", "SCT", "White Matter"),
    Code("389081007", "SCT", "Gray Matter"),
    Code("66720007", "SCT", "Lateral Ventricle"),
    Code("29092000", "SCT", "Vein"),
    Code("ST-101", SCHEME, "Red nucleus"),
    Code("ST-102", SCHEME, "Dentate nucleus"),
    Code("ST-103", SCHEME, "Subthalamic nucleus"),
    Code("ST-104", SCHEME, "External globus pallidus"),
    Code("ST-105", SCHEME, "Internal globus pallidus"),
)
# by name, in small letters; values of this node's own codes are for good
STRUCTURES: Mapping[str, Code] = MappingProxyType(
    {**{code.meaning.lower(): code for code in _ALL}, "caudate": _ALL[0]}
)


def named(name: str) -> Code:
    """The structure of that name; a region of interest where the name is none that is known."""
    return STRUCTURES.get(name.strip().lower(), REGION_OF_INTEREST)


def of_snomed(value: str, name: str) -> Code:
    """A SNOMED CT code with its meaning, which is ``name`` where DICOM does not include the code."""
    known = {code.value: code for code in _ALL if code.scheme_designator == "SCT"}
    return known.get(value) or Code(value, "SCT", _meanings().get(value, name))


def category(structure: Code) -> Code:
    """The category of segments of that kind."""
    return SPATIAL_CONCEPT if structure == REGION_OF_INTEREST else ANATOMICAL_STRUCTURE


@cache
def _meanings() -> Mapping[str, str]:
    """Meanings of the SNOMED CT codes that DICOM includes; the first of several in the order of the names."""
    found: dict[str, str] = {}
    for name in sorted(dictionary.SCT.dir()):
        code = getattr(dictionary.SCT, name)
        found.setdefault(code.value, code.meaning)
    return found
