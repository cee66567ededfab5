"""Many DICOM files that share most of their header: what is shared is encoded once."""

from __future__ import annotations

import os
from pathlib import Path

from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element, write_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian

from qsmnode.dicom.identity import derive_uid

IMPLEMENTATION_CLASS_UID = derive_uid("phantom", "implementation class")
IMPLEMENTATION_VERSION = "QSMNODE_PHANTOM"


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
        self._sop_class = str(shared.SOPClassUID)
        self._shared = {int(element.tag): encode_element(element) for element in shared}

    def write(self, name: str, own: Dataset) -> Path:
        """Write one file, readable by its owner only; ``own`` holds SOPInstanceUID and all that differs."""
        parts = self._shared | {int(element.tag): encode_element(element) for element in own}
        path = self._folder / name
        body = b"".join(parts[tag] for tag in sorted(parts))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_preamble(self._sop_class, str(own.SOPInstanceUID)))
            file.write(body)
        return path


def _preamble(sop_class: str, sop_instance: str) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(sop_instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    stream = DicomBytesIO()
    stream.is_little_endian = True
    stream.is_implicit_VR = False
    stream.write(bytes(128) + b"DICM")
    write_file_meta_info(stream, meta)
    return bytes(stream.getvalue())
