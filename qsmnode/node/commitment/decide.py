"""What follows from a report, from a status and from silence: pure decisions."""

from __future__ import annotations

from enum import Enum

from qsmnode.config import DeliverySettings
from qsmnode.node.wire import status

_FOR_GOOD = frozenset(
    {
        status.NO_SUCH_OBJECT,
        status.NO_SUCH_CLASS,
        status.CLASS_NOT_SUPPORTED,
        status.NO_SUCH_ACTION,
        status.NOT_AUTHORISED,
        status.UNRECOGNISED_OPERATION,
    }
)


class Next(Enum):
    """What becomes of a delivery after a report."""

    COMMIT = "the peer answers for all of it"
    RESEND = "what the peer does not have is sent again"
    PARK = "the peer loses it again and again: somebody has to look"
    LEAVE = "the report is not about what was sent last"


def after_report(state: str, *, uncommitted: int, lacking: int, rounds: int, most_rounds: int) -> Next:
    """What a report leads to.

    Args:
        state: of the delivery.
        uncommitted: objects of it that no report has answered for.
        lacking: of these, what this report says that the peer does not have.
        rounds: reports before this one that lacked something.
        most_rounds: with so many it ends.
    """
    if state not in ("sent", "unconfirmed"):
        return Next.LEAVE
    if not uncommitted:
        return Next.COMMIT
    if not lacking:
        return Next.LEAVE
    return Next.RESEND if rounds + 1 < most_rounds else Next.PARK


def is_for_good(code: int) -> bool:
    """Whether a peer that answers a request so will never take one."""
    return code in _FOR_GOOD


def wait_s(tries: int, settings: DeliverySettings) -> float:
    """Seconds until the next try."""
    return float(min(settings.longest_backoff_s, settings.first_backoff_s * 2.0 ** min(tries, 64)))
