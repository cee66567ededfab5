"""Questions with many answers: C-FIND and C-MOVE on an open association, each with an end in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from qsmnode.errors import PeerError, PeerRefused, PeerUnreachable
from qsmnode.node.wire import command
from qsmnode.node.wire.requestor import Association, Pair, Reply, pair_name
from qsmnode.node.wire.status import SUCCESS, describe
from qsmnode.node.wire.uids import IMPLICIT_LITTLE, STUDY_ROOT_FIND

LONGEST_S = 600.0
"""For one question with all of its answers."""

FIND: Pair = (STUDY_ROOT_FIND, IMPLICIT_LITTLE)
_WORDS = {
    0xA701: "it cannot count the images",
    0xA702: "it cannot send the images",
    0xA801: "it does not know the destination",
    0xFE00: "cancelled by the archive",
}


Note = Callable[[bytes], None]
"""Told what is asked before it is: for the audit trail."""


def answers(
    association: Association, asked: bytes, stopping: Callable[[], bool], note: Note
) -> Iterator[bytes]:
    """The identifiers that answer a C-FIND.

    Raises:
        PeerUnreachable, PeerRefused, PeerError: as for :func:`replies`; refused also by a failure status.
    """
    for reply in replies(association, FIND, command.C_FIND_RQ, asked, {}, stopping, note):
        if not reply.is_last:
            yield reply.identifier
        elif reply.status != SUCCESS:
            raise PeerRefused(f"{association.target}: answers C-FIND with {described(reply.status)}")


def replies(
    association: Association,
    pair: Pair,
    kind: int,
    asked: bytes,
    extra: Mapping[int, command.Value],
    stopping: Callable[[], bool],
    note: Note,
) -> Iterator[Reply]:
    """Every answer to a question, up to and with the last.

    Raises:
        PeerUnreachable: the association ended, no answer came in time, or ``stopping`` said so.
        PeerRefused: the peer takes no such question.
        PeerError: its answers break the protocol, or never end.
    """
    if refusal := association.refusal(pair):
        raise PeerRefused(f"{association.target}: {pair_name(pair)}: {refusal}", permanent=True)
    note(asked)
    deadline = time.monotonic() + LONGEST_S
    for reply in association.ask(pair, kind, asked, extra):
        yield reply
        if stopping():
            raise PeerUnreachable(f"{association.target}: this node stops")
        if time.monotonic() > deadline:
            raise PeerError(f"{association.target}: answers do not end within {LONGEST_S:g} s")


def described(status: int) -> str:
    """A status of an answer, in words."""
    words = _WORDS.get(status)
    return f"0x{status:04X}, {words}" if words else describe(status)
