"""Many DICOM files that share most of their header: what is shared is encoded once."""

from __future__ import annotations

import os
from pathlib import Path

from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.uid import UID, ExplicitVRLittleEndian

from qsmnode.dicom.identity import derive_uid

IMPLEMENTATION_CLASS_UID = derive_uid("phantom", "implementation class")
IMPLEMENTATION_VERSION = "QSMNODE_PHANTOM"

_META_LENGTH, _INSTANCE_UID = 0x00020000, 0x00020003


def encode_element(element: DataElement) -> bytes:
    """One element, explicit VR little endian."""
    stream = DicomBytesIO()
    stream.is_little_endian = True
    stream.is_implicit_VR = False
    write_data_element(stream, element, ["iso8859"])
    return stream.getvalue()


class SeriesWriter:
    """Writes instances of one series: ``shared`` elements once for all, the rest per instance."""

    def __init__(self, folder: Path, shared: Dataset) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._meta = _fixed_meta(str(shared.SOPClassUID))
        self._shared = {int(element.tag): encode_element(element) for element in shared}

    def write(self, name: str, own: Dataset) -> Path:
        """Write one file, readable by its owner only; ``own`` holds SOPInstanceUID and all that differs."""
        parts = self._shared | {int(element.tag): encode_element(element) for element in own}
        path = self._folder / name
        body = b"".join(parts[tag] for tag in sorted(parts))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_preamble(self._meta, str(own.SOPInstanceUID)))
            file.write(body)
        return path


def _fixed_meta(sop_class: str) -> dict[int, bytes]:
    """The encoded elements of the file meta information that all instances of a class share."""
    meta = Dataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    return {int(element.tag): encode_element(element) for element in meta}


def _preamble(fixed: dict[int, bytes], sop_instance: str) -> bytes:
    """What stands before the data set: the preamble and the file meta information of one instance."""
    own = encode_element(DataElement(_INSTANCE_UID, "UI", UID(sop_instance)))
    parts = fixed | {_INSTANCE_UID: own}
    body = b"".join(parts[tag] for tag in sorted(parts))
    length = encode_element(DataElement(_META_LENGTH, "UL", len(body)))
    return bytes(128) + b"DICM" + length + body
