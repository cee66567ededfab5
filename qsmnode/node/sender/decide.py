"""What a status means, and whether and when there is another try: pure decisions."""

from __future__ import annotations

from enum import Enum

from qsmnode.config import DeliverySettings
from qsmnode.node.wire import status

# a warning says that the object was stored; a duplicate that an object with this UID was: ours are derived
# from their content, so it is the same one, sent by a try whose answer got lost
_STORED = frozenset({status.SUCCESS, 0x0001, 0x0107, 0x0116, status.DUPLICATE})
_FOR_GOOD = frozenset({0x0106, status.INVALID_INSTANCE, 0x0118, 0x0119, status.CLASS_NOT_SUPPORTED, 0x0124})


class Outcome(Enum):
    """What a peer's answer means for an object."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    LATER = "later"


def judge(code: int) -> Outcome:
    """What a C-STORE status means (PS3.4 table B.2-1): only a known refusal for good is not tried again."""
    if code in _STORED or 0xB000 <= code <= 0xBFFF:
        return Outcome.ACKNOWLEDGED
    if code in _FOR_GOOD or 0xA900 <= code <= 0xA9FF or 0xC000 <= code <= 0xCFFF:
        return Outcome.REFUSED
    return Outcome.LATER


def decide(tries: int, settings: DeliverySettings, *, permanent: bool) -> float | None:
    """Seconds until the next try, or None: park it.

    Args:
        tries: how many ended badly before this one, since the last progress.
        settings: how often, and how long between.
        permanent: whether another try cannot help.
    """
    if permanent or tries + 1 >= settings.attempts:
        return None
    return backoff_s(tries, settings)


def backoff_s(failures: int, settings: DeliverySettings) -> float:
    """The wait after one more failure than so many: doubled each time, up to its bound."""
    return min(settings.longest_backoff_s, settings.first_backoff_s * 2.0 ** min(failures, 64))
