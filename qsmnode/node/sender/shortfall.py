"""Why a try to deliver did not bring everything."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Shortfall:
    """What stands between a delivery and its end.

    Attributes:
        reason: for people.
        permanent: another try cannot help.
        peer_is_down: it is the peer that has to change, not the objects: one alert, however many deliveries.
        unreachable: it does not even answer: asked whether it is back before anything is sent again.
        hold: somebody has to look before anything is sent.
    """

    reason: str
    permanent: bool
    peer_is_down: bool = False
    unreachable: bool = False
    hold: bool = False


def cannot_store_now(target: object, words: str) -> Shortfall:
    """A peer that answers, and is full or in trouble."""
    return Shortfall(
        f"{target}: cannot store now: {words}; look at its disk and its log",
        permanent=False,
        peer_is_down=True,
    )


def refused_for_good(target: object, refused: Counter[str], count: int) -> Shortfall:
    """Objects that a peer will never take as it is."""
    words = "; ".join(f"{number} x {reason}" for reason, number in refused.items())
    return Shortfall(
        f"{target}: refuses {refused.total()} of {count} objects: {words}; allow them there, then retry",
        permanent=True,
    )
