"""Whether an archive has the study under the same patient and request as what is about to be sent: C-FIND."""

from __future__ import annotations

from collections.abc import Callable

import pydicom
from pydicom import Dataset

from qsmnode.dicom.reading import BROKEN, quiet, text
from qsmnode.errors import PeerError, PeerRefused, PeerUnreachable, UnreadableDicom
from qsmnode.node.sender.shortfall import Shortfall
from qsmnode.node.wire.dataset import decoded, encoded, said
from qsmnode.node.wire.finding import FIND, Note, answers
from qsmnode.node.wire.part10 import Part10
from qsmnode.node.wire.requestor import Association, Target

COMPARED = ("PatientID", "AccessionNumber")
_MOST_STUDIES = 100
_ANSWER = "an answer to C-FIND"


def compare(target: Target, file: Part10, stopping: Callable[[], bool], note: Note) -> Shortfall | None:
    """None where a file's study may be sent; what cannot be compared is not sent either."""
    try:
        differing = difference(target, file, stopping, note)
    except PeerRefused as error:
        why = f"{error}; check_identity of this peer needs C-FIND: allow it there, or switch it off here"
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


def difference(target: Target, file: Part10, stopping: Callable[[], bool], note: Note) -> str:
    """What an archive has otherwise of a file's study, "" for nothing; no values: they are a patient's.

    A study that it does not have is no difference.

    Raises:
        PeerUnreachable: no association, no answer in time, or ``stopping`` said so.
        PeerRefused: it takes no such question, or answers with a failure.
        PeerError: its answers break the protocol, or never end.
        UnreadableDicom: the file's header cannot be read.
    """
    ours = _identity(file)
    asked = Dataset()
    asked.QueryRetrieveLevel = "STUDY"
    asked.StudyInstanceUID = ours["StudyInstanceUID"]
    for keyword in COMPARED:
        setattr(asked, keyword, "")
    differing: set[str] = set()
    count = 0
    with Association(target, [FIND]) as association:
        for answer in answers(association, encoded(asked), stopping, note):
            found = decoded(answer, _ANSWER)
            if said(found, "StudyInstanceUID", _ANSWER) != ours["StudyInstanceUID"]:
                raise PeerError(f"{target}: answers C-FIND with another study than it was asked for")
            differing |= {keyword for keyword in COMPARED if said(found, keyword, _ANSWER) != ours[keyword]}
            count += 1
            if count > _MOST_STUDIES:
                raise PeerError(f"{target}: lists one study more than {_MOST_STUDIES} times")
    return " and ".join(keyword for keyword in COMPARED if keyword in differing)


def _identity(file: Part10) -> dict[str, str]:
    keywords = ["StudyInstanceUID", *COMPARED]
    try:
        with quiet():
            header = pydicom.dcmread(
                file.path, specific_tags=[*keywords, "SpecificCharacterSet"], stop_before_pixels=True
            )
            found = {keyword: text(header, keyword) for keyword in keywords}
    except (*BROKEN, MemoryError) as error:
        why = f"its header cannot be read ({type(error).__name__})"
        raise UnreadableDicom(f"{file.path.name}: {why}") from error
    if not found["StudyInstanceUID"]:
        raise UnreadableDicom(f"{file.path.name}: it lacks StudyInstanceUID")
    return found
