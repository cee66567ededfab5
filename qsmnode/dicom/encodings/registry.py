"""Which encoding speaks for an instance."""

from __future__ import annotations

from qsmnode.dicom.encodings.canon import CANON
from qsmnode.dicom.encodings.encoding import Encoding
from qsmnode.dicom.encodings.ge import GE
from qsmnode.dicom.encodings.hitachi import HITACHI
from qsmnode.dicom.encodings.philips import PHILIPS
from qsmnode.dicom.encodings.siemens import SIEMENS
from qsmnode.dicom.encodings.standard import STANDARD
from qsmnode.dicom.encodings.uih import UIH

_BY_NAME = (
    ("SIEMENS", SIEMENS),
    ("PHILIPS", PHILIPS),
    ("GE ", GE),
    ("GE_", GE),
    ("GEMS", GE),
    ("CANON", CANON),
    ("TOSHIBA", CANON),
    ("UIH", UIH),
    ("UNITED IMAGING", UIH),
    ("HITACHI", HITACHI),
    ("FUJIFILM", HITACHI),
)
"""How Manufacturer begins, in capitals; one vendor has had several names."""


def encoding_for(manufacturer: str) -> Encoding:
    """The vendor's encoding, or the standard's where the vendor's is not known."""
    name = manufacturer.strip().upper()
    if name == "GE":
        return GE
    return next((encoding for start, encoding in _BY_NAME if name.startswith(start)), STANDARD)
