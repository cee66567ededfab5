"""What is asked of an archive and what it answers, as data sets (PS3.4 annex C.4, PS3.5 implicit VR)."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom import Dataset

from qsmnode.errors import PeerError
from qsmnode.node.query.series import SeriesFound
from qsmnode.node.wire.dataset import decoded, encoded, said
from qsmnode.node.wire.uids import is_uid

_ANSWER = "an answer to C-FIND"


def series_of(study_uid: str) -> bytes:
    """C-FIND at SERIES level: every series of a study, with what tells one scan from another."""
    asked = Dataset()
    asked.QueryRetrieveLevel = "SERIES"
    asked.StudyInstanceUID = study_uid
    for keyword in ("SeriesInstanceUID", "Modality", "FrameOfReferenceUID", "ProtocolName"):
        setattr(asked, keyword, "")
    return encoded(asked)


def series_found(identifier: bytes) -> SeriesFound:
    """The series that one answer to :func:`series_of` describes.

    Raises:
        PeerError: it names none.
    """
    found = decoded(identifier, _ANSWER)
    uid = said(found, "SeriesInstanceUID", _ANSWER)
    if not is_uid(uid):
        raise PeerError("an answer to C-FIND without a Series Instance UID")
    return SeriesFound(
        uid=uid,
        modality=said(found, "Modality", _ANSWER),
        frame_of_reference_uid=said(found, "FrameOfReferenceUID", _ANSWER),
        protocol=said(found, "ProtocolName", _ANSWER),
    )


def images_of(study_uid: str, series_uid: str) -> bytes:
    """C-FIND at IMAGE level: the UID of every image of a series."""
    return encoded(_level(study_uid, series_uid, [""]))


def these_images(study_uid: str, series_uid: str, sop_instance_uids: Sequence[str]) -> bytes:
    """C-MOVE at IMAGE level: these images of a series."""
    return encoded(_level(study_uid, series_uid, sop_instance_uids))


def image_uid(identifier: bytes) -> str:
    """The image that one answer to :func:`images_of` names.

    Raises:
        PeerError: it names none.
    """
    uid = said(decoded(identifier, _ANSWER), "SOPInstanceUID", _ANSWER)
    if not is_uid(uid):
        raise PeerError("an answer to C-FIND without a SOP Instance UID")
    return uid


def _level(study_uid: str, series_uid: str, sop_instance_uids: Sequence[str]) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "IMAGE"
    identifier.StudyInstanceUID = study_uid
    identifier.SeriesInstanceUID = series_uid
    identifier.SOPInstanceUID = list(sop_instance_uids)
    return identifier
