"""When headers are read: while objects come fast, receiving goes first, for a few seconds at most.

A scanner waits for every answer, nobody waits for a header until the scan is whole. Reading a header takes as
long as receiving an object, so the two at once would halve the speed of a transfer.
"""

from __future__ import annotations

from dataclasses import dataclass

_FAST = 50.0  # objects per second; senders that are slower leave time enough
_RECENT_S = 0.25
_LONGEST_REST_S = 5.0


@dataclass(frozen=True)
class Backlog:
    """What is received and not read yet: how many, when the first and the last of them came."""

    count: int
    oldest: float
    newest: float


def rest_s(backlog: Backlog, now: float) -> float:
    """How long to leave the headers alone from ``now`` on; 0 where they are to be read at once."""
    waited, silent = now - backlog.oldest, now - backlog.newest
    if backlog.count == 0 or not 0 <= silent < _RECENT_S or waited >= _LONGEST_REST_S:
        return 0.0
    if backlog.count < _FAST * max(waited, _RECENT_S):
        return 0.0
    return _RECENT_S - silent
