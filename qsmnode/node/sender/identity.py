"""Whether a peer has the study under the same patient and request as what is about to be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import pydicom
from pydicom import Dataset

from qsmnode.dicom.reading import BROKEN, quiet, text
from qsmnode.errors import PeerError, PeerRefused, PeerUnreachable, UnreadableDicom
from qsmnode.node.sender.shortfall import Shortfall
from qsmnode.node.wire import qido
from qsmnode.node.wire.dataset import decoded, encoded, said
from qsmnode.node.wire.finding import FIND, Note, answers
from qsmnode.node.wire.part10 import Part10
from qsmnode.node.wire.requestor import Association, Target
from qsmnode.node.wire.uids import is_uid
from qsmnode.node.wire.web import WebSession, WebTarget

COMPARED = ("PatientID", "AccessionNumber")
_KEYWORDS = ("StudyInstanceUID", *COMPARED)
_MOST_STUDIES = 100
_ANSWER = "an answer to C-FIND"

Studies = Callable[[str], Iterable[Mapping[str, str]]]
"""By UID, what a peer has of a study, once for each of its answers: the UID and what is compared."""


def by_find(target: Target, stopping: Callable[[], bool], note: Note) -> Studies:
    """An archive, asked by C-FIND."""

    def ask(study_uid: str) -> Iterator[Mapping[str, str]]:
        asked = Dataset()
        asked.QueryRetrieveLevel = "STUDY"
        asked.StudyInstanceUID = study_uid
        for keyword in COMPARED:
            setattr(asked, keyword, "")
        with Association(target, [FIND]) as association:
            for answer in answers(association, encoded(asked), stopping, note):
                found = decoded(answer, _ANSWER)
                yield {keyword: said(found, keyword, _ANSWER) for keyword in _KEYWORDS}

    return ask


def by_qido(target: WebTarget, note: Note) -> Studies:
    """A DICOMweb server, asked by QIDO-RS."""

    def ask(study_uid: str) -> Iterable[Mapping[str, str]]:
        with WebSession(target, note) as session:
            return qido.studies(session, study_uid, _KEYWORDS)

    return ask


def compare(target: Target | WebTarget, studies: Studies, file: Part10) -> Shortfall | None:
    """None where a file's study may be sent; what cannot be compared is not sent either."""
    try:
        differing = difference(target, studies, file)
    except PeerRefused as error:
        service = "C-FIND" if isinstance(target, Target) else "QIDO-RS"
        why = f"{error}; check_identity of this peer needs {service}: allow it there, or switch it off here"
        return Shortfall(why, permanent=error.permanent, peer_is_down=not error.permanent)
    except UnreadableDicom as error:
        return Shortfall(f"an object of this node's store: {error}", permanent=True)
    except PeerError as error:
        away = isinstance(error, PeerUnreachable)
        return Shortfall(str(error), permanent=False, peer_is_down=True, unreachable=away)
    if not differing:
        return None
    return Shortfall(
        f"{target}: has this study with another {differing}, and nothing is sent: correct one, then retry",
        permanent=True,
        hold=True,
    )


def difference(target: Target | WebTarget, studies: Studies, file: Part10) -> str:
    """What a peer has otherwise of a file's study, "" for nothing; no values: they are a patient's.

    A study that it does not have is no difference.

    Raises:
        PeerUnreachable: no connection, no answer in time, or this node stops.
        PeerRefused: it takes no such question, or answers with a failure.
        PeerError: its answers break the protocol, or never end.
        UnreadableDicom: the file's header cannot be read.
    """
    ours = _identity(file)
    differing: set[str] = set()
    for count, found in enumerate(studies(ours["StudyInstanceUID"]), 1):
        if found["StudyInstanceUID"] != ours["StudyInstanceUID"]:
            raise PeerError(f"{target}: answers with another study than it was asked for")
        differing |= {keyword for keyword in COMPARED if found[keyword] != ours[keyword]}
        if count > _MOST_STUDIES:
            raise PeerError(f"{target}: lists one study more than {_MOST_STUDIES} times")
    return " and ".join(keyword for keyword in COMPARED if keyword in differing)


def _identity(file: Part10) -> dict[str, str]:
    try:
        with quiet():
            header = pydicom.dcmread(
                file.path, specific_tags=[*_KEYWORDS, "SpecificCharacterSet"], stop_before_pixels=True
            )
            found = {keyword: text(header, keyword) for keyword in _KEYWORDS}
    except (*BROKEN, MemoryError) as error:
        why = f"its header cannot be read ({type(error).__name__})"
        raise UnreadableDicom(f"{file.path.name}: {why}") from error
    if not is_uid(found["StudyInstanceUID"]):
        raise UnreadableDicom(f"{file.path.name}: it has no StudyInstanceUID that is one")
    return found
