"""What an archive says that it has of a series: C-FIND at IMAGE level."""

from __future__ import annotations

from collections.abc import Callable, Collection

from pydicom import Dataset

from qsmnode.errors import PeerError
from qsmnode.node.wire.dataset import decoded, encoded, said
from qsmnode.node.wire.finding import FIND, Note, answers
from qsmnode.node.wire.requestor import Association, Target

_MOST_IMAGES = 20_000
_ANSWER = "an answer to C-FIND"


def listed(
    target: Target,
    study_uid: str,
    series_uid: str,
    uids: Collection[str],
    stopping: Callable[[], bool],
    note: Note,
) -> int:
    """How many of these objects an archive lists.

    Raises:
        PeerUnreachable: no association, no answer in time, or ``stopping`` said so.
        PeerRefused: it takes no such question, or answers with a failure.
        PeerError: its answers break the protocol, or never end.
    """
    asked = Dataset()
    asked.QueryRetrieveLevel = "IMAGE"
    asked.StudyInstanceUID, asked.SeriesInstanceUID, asked.SOPInstanceUID = study_uid, series_uid, ""
    found: set[str] = set()
    count = 0
    with Association(target, [FIND]) as association:
        for answer in answers(association, encoded(asked), stopping, note):
            found.add(said(decoded(answer, _ANSWER), "SOPInstanceUID", _ANSWER))
            count += 1
            if count > _MOST_IMAGES:
                raise PeerError(f"{target}: lists more than {_MOST_IMAGES} images for one series")
    return len(found & set(uids))
