"""What is asked of an archive and what it answers, as data sets (PS3.4 annex C.4, PS3.5 implicit VR)."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from qsmnode.dicom.reading import BROKEN, quiet, text
from qsmnode.errors import PeerError
from qsmnode.node.query.series import SeriesFound
from qsmnode.node.wire.uids import is_uid


def series_of(study_uid: str) -> bytes:
    """C-FIND at SERIES level: every series of a study, with what tells one scan from another."""
    asked = Dataset()
    asked.QueryRetrieveLevel = "SERIES"
    asked.StudyInstanceUID = study_uid
    for keyword in ("SeriesInstanceUID", "Modality", "FrameOfReferenceUID", "ProtocolName"):
        setattr(asked, keyword, "")
    return _encoded(asked)


def series_found(identifier: bytes) -> SeriesFound:
    """The series that one answer to :func:`series_of` describes.

    Raises:
        PeerError: it names none.
    """
    found = _decoded(identifier)
    uid = _said(found, "SeriesInstanceUID")
    if not is_uid(uid):
        raise PeerError("an answer to C-FIND without a Series Instance UID")
    return SeriesFound(
        uid=uid,
        modality=_said(found, "Modality"),
        frame_of_reference_uid=_said(found, "FrameOfReferenceUID"),
        protocol=_said(found, "ProtocolName"),
    )


def images_of(study_uid: str, series_uid: str) -> bytes:
    """C-FIND at IMAGE level: the UID of every image of a series."""
    return _encoded(_level(study_uid, series_uid, [""]))


def these_images(study_uid: str, series_uid: str, sop_instance_uids: Sequence[str]) -> bytes:
    """C-MOVE at IMAGE level: these images of a series."""
    return _encoded(_level(study_uid, series_uid, sop_instance_uids))


def image_uid(identifier: bytes) -> str:
    """The image that one answer to :func:`images_of` names.

    Raises:
        PeerError: it names none.
    """
    uid = _said(_decoded(identifier), "SOPInstanceUID")
    if not is_uid(uid):
        raise PeerError("an answer to C-FIND without a SOP Instance UID")
    return uid


def _decoded(identifier: bytes) -> Dataset:
    try:
        with quiet():
            return read_dataset(BytesIO(identifier), is_implicit_VR=True, is_little_endian=True)
    except (*BROKEN, MemoryError) as error:
        raise _unreadable(error) from error


def _said(found: Dataset, keyword: str) -> str:
    """What an answer says; its values are only now converted, and may be anything."""
    try:
        with quiet():
            return text(found, keyword)
    except (*BROKEN, MemoryError) as error:
        raise _unreadable(error) from error


def _unreadable(error: BaseException) -> PeerError:
    return PeerError(f"an answer to C-FIND that cannot be read ({type(error).__name__})")


def _level(study_uid: str, series_uid: str, sop_instance_uids: Sequence[str]) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "IMAGE"
    identifier.StudyInstanceUID = study_uid
    identifier.SeriesInstanceUID = series_uid
    identifier.SOPInstanceUID = list(sop_instance_uids)
    return identifier


def _encoded(identifier: Dataset) -> bytes:
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, True
    write_dataset(stream, identifier)
    return stream.getvalue()
