"""One archive, asked for series, for their images, and to send some of them here: C-FIND and C-MOVE."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qsmnode.errors import PeerError, PeerRefused
from qsmnode.node.query import identifier
from qsmnode.node.query.series import SeriesFound
from qsmnode.node.wire import command
from qsmnode.node.wire.finding import FIND, Note, answers, described, replies
from qsmnode.node.wire.requestor import Association, Pair, Reply, Target
from qsmnode.node.wire.status import SUCCESS
from qsmnode.node.wire.uids import IMPLICIT_LITTLE, STUDY_ROOT_MOVE

MOST_SERIES = 1000
"""Of one study."""
MOST_IMAGES = 20_000
"""Of all series together; no scan has more."""
IMAGES_AT_ONCE = 200
"""In one C-MOVE: a list of UIDs that every archive takes."""

_MOVE: Pair = (STUDY_ROOT_MOVE, IMPLICIT_LITTLE)
_SOME_FAILED = 0xB000


@dataclass(frozen=True)
class Moved:
    """What came of a request to send images: how many it sent, how many it failed to send."""

    sent: int
    failed: int


def find_series(
    target: Target, study_uid: str, stopping: Callable[[], bool], note: Note
) -> list[SeriesFound]:
    """Every series that an archive has of a study.

    Raises:
        PeerUnreachable, PeerRefused, PeerError: as for :func:`find`.
    """
    found: list[SeriesFound] = []
    with Association(target, [FIND]) as association:
        for answer in answers(association, identifier.series_of(study_uid), stopping, note):
            found.append(identifier.series_found(answer))
            if len(found) > MOST_SERIES:
                raise PeerError(f"{target}: lists more than {MOST_SERIES} series for one study")
    return found


def find(
    target: Target, study_uid: str, series_uids: Sequence[str], stopping: Callable[[], bool], note: Note
) -> dict[str, list[str]]:
    """The images that an archive has of these series, each in the order of its answers.

    Raises:
        PeerUnreachable: no association, no answer in time, or ``stopping`` said so.
        PeerRefused: it takes no such question, or answers with a failure.
        PeerError: its answers break the protocol, or never end.
    """
    found: dict[str, list[str]] = {}
    count = 0
    with Association(target, [FIND]) as association:
        for series_uid in series_uids:
            asked = identifier.images_of(study_uid, series_uid)
            images = found.setdefault(series_uid, [])
            for answer in answers(association, asked, stopping, note):
                images.append(identifier.image_uid(answer))
                count += 1
                if count > MOST_IMAGES:
                    raise PeerError(f"{target}: lists more than {MOST_IMAGES} images for one scan")
    return found


def move(
    target: Target,
    study_uid: str,
    wanted: Mapping[str, Sequence[str]],
    stopping: Callable[[], bool],
    note: Note,
) -> Moved:
    """Have an archive send images to this node, under the title by which it is called.

    Args:
        target: the archive.
        study_uid: of all of them.
        wanted: series to the images that are wanted of it.
        stopping: asked between answers.
        note: told the first request before it goes out.

    Raises:
        PeerUnreachable, PeerRefused, PeerError: as for :func:`find`.
    """
    sent = failed = 0
    begun = note
    with Association(target, [_MOVE]) as association:
        for series_uid, uids in wanted.items():
            for begin in range(0, len(uids), IMAGES_AT_ONCE):
                some = uids[begin : begin + IMAGES_AT_ONCE]
                asked = identifier.these_images(study_uid, series_uid, some)
                to: dict[int, command.Value] = {command.MOVE_DESTINATION: target.calling}
                for reply in replies(association, _MOVE, command.C_MOVE_RQ, asked, to, stopping, begun):
                    if reply.is_last:
                        one = _moved(target, reply)
                        sent, failed = sent + one.sent, failed + one.failed
                begun = _noted
    return Moved(sent, failed)


def _noted(_asked: bytes) -> None:
    """One retrieval is told once, however many requests it takes."""


def _moved(target: Target, reply: Reply) -> Moved:
    if reply.status not in (SUCCESS, _SOME_FAILED):
        raise PeerRefused(
            f"{target}: answers C-MOVE with {described(reply.status)}; does it know {target.calling} with "
            "this host's address and port?"
        )
    counts = {element: reply.command.get(element, 0) for element in (command.COMPLETED, command.WARNED)}
    failed = reply.command.get(command.FAILED, 0)
    return Moved(sum(int(count) for count in counts.values()), int(failed))
