"""The UIDs that matter on the wire, and what counts as storage."""

from __future__ import annotations

import re
from types import MappingProxyType

from pydicom.config import IGNORE
from pydicom.uid import UID
from pynetdicom.service_class import ServiceClass, StorageServiceClass
from pynetdicom.sop_class import uid_to_service_class

from qsmnode import __version__
from qsmnode.dicom.identity import derive_uid

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
VERIFICATION = "1.2.840.10008.1.1"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
STORAGE_COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
IMPLEMENTATION_CLASS = derive_uid("implementation", "qsmnode")  # as in the products' files
IMPLEMENTATION_VERSION = f"QSMNODE {__version__}"[:16]

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LS_LOSSLESS = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR_LOSSLESS = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"

ACCEPTED_TRANSFER_SYNTAXES = MappingProxyType(
    {
        # the first of these that a context proposes is accepted; every other syntax is refused, among them
        # all that can only lose detail
        EXPLICIT_LITTLE: "keeps the value representation of private elements",
        IMPLICIT_LITTLE: "the default that every DICOM program can send",
        RLE_LOSSLESS: "lossless, decoded by pydicom itself",
        JPEG_LOSSLESS_SV1: "lossless, decoded by GDCM",
        JPEG_LOSSLESS: "lossless, decoded by GDCM",
        JPEG_LS_LOSSLESS: "lossless, decoded by CharLS",
        JPEG_2000_LOSSLESS: "lossless, decoded by OpenJPEG",
        EXPLICIT_BIG: "retired, still sent by old archives",
        DEFLATED: "lossless; only from peers with `deflated: true`; its header is read up to 32 MB",
        JPEG_LS_NEAR_LOSSLESS: "stored; a source only where its bit stream says that nothing was lost",
        JPEG_2000: "stored; a source only where its bit stream says that nothing was lost",
    }
)

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_STANDARD_ROOT = "1.2.840.10008."
_STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."
_LONGEST_UID = 64


def is_uid(text: str) -> bool:
    """Whether this is a UID by its characters and length (PS3.5 section 9)."""
    return len(text) <= _LONGEST_UID and _UID.fullmatch(text) is not None


def is_storage(sop_class_uid: str) -> bool:
    """Whether objects of this class are accepted: every known storage class, newer ones, private ones.

    A scanner forwards whole exams; some retry all of it for ever because one private context was refused.
    """
    if not is_uid(sop_class_uid):
        return False
    service = uid_to_service_class(sop_class_uid)
    if issubclass(service, StorageServiceClass):
        return True
    if service is not ServiceClass:
        return False  # a known service that is none: worklist, print, query ...
    return sop_class_uid.startswith(_STORAGE_ROOT) or not sop_class_uid.startswith(_STANDARD_ROOT)


def uid_name(uid: str) -> str:
    """The standard's name of a UID with the UID itself, for people."""
    if not is_uid(uid):
        return printable(uid)
    name = UID(uid, validation_mode=IGNORE).name  # an odd one is told of here, not by the library
    return uid if name == uid else f"{name} ({uid})"


def printable(text: str) -> str:
    """Text from the wire for a log: quoted, control and non-ASCII characters escaped."""
    return ascii(text[:64])
