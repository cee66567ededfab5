"""Products as files: Part 10, explicit VR little endian, durable, readable by the node's user only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from qsmnode import __version__
from qsmnode.dicom.identity import derive_uid

IMPLEMENTATION_CLASS_UID = derive_uid("implementation", "qsmnode")


def write(objects: Sequence[Dataset], folder: Path, name: str) -> list[Path]:
    """Write objects as ``<name>-000001.dcm`` and so on; the files' contents are on disk when this returns."""
    return [_write(item, folder / f"{name}-{number:06d}.dcm") for number, item in enumerate(objects, start=1)]


def _write(item: Dataset, path: Path) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(item.SOPClassUID)
    meta.MediaStorageSOPInstanceUID = UID(item.SOPInstanceUID)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = f"QSMNODE {__version__}"[:16]
    item.file_meta = meta
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        dcmwrite(DicomFileLike(stream), item, enforce_file_format=True)
        stream.flush()
        os.fsync(stream.fileno())
    return path
