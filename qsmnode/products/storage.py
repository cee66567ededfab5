"""Products as files: Part 10, explicit VR little endian, durable, readable by the node's user only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from qsmnode import __version__
from qsmnode.dicom.identity import derive_uid

IMPLEMENTATION_CLASS_UID = derive_uid("implementation", "qsmnode")


def write(objects: Sequence[Dataset], folder: Path, name: str) -> list[Path]:
    """Write objects as ``<name>-000001.dcm`` and so on; the files' contents are on disk when this returns.

    Args:
        objects: complete but for their file meta information, which is made here.
        folder: where to; made, for this user only, where it does not exist.
        name: of the product.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return [_write(item, folder / f"{name}-{number:06d}.dcm") for number, item in enumerate(objects, start=1)]


def open_private(path: Path) -> BinaryIO:
    """A new, empty file that only this user can read, whatever stood there before."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "wb")


def _write(item: Dataset, path: Path) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(item.SOPClassUID)
    meta.MediaStorageSOPInstanceUID = UID(item.SOPInstanceUID)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = f"QSMNODE {__version__}"[:16]
    item.file_meta = meta
    with open_private(path) as stream:
        dcmwrite(DicomFileLike(stream), item, enforce_file_format=True)
        stream.flush()
        os.fsync(stream.fileno())
    return path
