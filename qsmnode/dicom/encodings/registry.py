"""Which encoding speaks for an instance."""

from __future__ import annotations

from qsmnode.dicom.encodings.encoding import Encoding
from qsmnode.dicom.encodings.ge import GE
from qsmnode.dicom.encodings.philips import PHILIPS
from qsmnode.dicom.encodings.siemens import SIEMENS
from qsmnode.dicom.encodings.standard import STANDARD


def encoding_for(manufacturer: str) -> Encoding:
    """The vendor's encoding, or the standard's where the vendor's is not known."""
    name = manufacturer.strip().upper()
    if name.startswith("SIEMENS"):
        return SIEMENS
    if name.startswith("PHILIPS"):
        return PHILIPS
    if name.startswith(("GE ", "GE_", "GEMS")) or name == "GE":
        return GE
    return STANDARD
