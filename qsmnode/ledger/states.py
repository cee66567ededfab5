"""Every state and every permitted change of state, as data.

Reading guide: ``TRANSITIONS["job"]["running"]`` is the set of states that a running job may go to. A row
that is in a state without successors has ended; every other row is picked up again after a restart.
"""

from __future__ import annotations

from types import MappingProxyType

from qsmnode.errors import IllegalTransition

INSTANCE = {
    # bytes are durable; the header has not been read yet
    "received": {"indexed", "unreadable", "lost"},
    "indexed": {"lost", "purged"},
    "unreadable": {"lost", "purged"},
    # a known SOP Instance UID with other bytes: kept, flagged, not used unless the first cannot be read
    "conflicting": {"received", "lost", "purged"},
    "lost": {"received", "purged"},  # acknowledged, and its file is gone; received: a backup brought it back
    "purged": set(),
}

ACQUISITION = {
    "collecting": {"complete", "held", "rejected", "unmatched", "ignored"},
    "complete": {"queued", "collecting", "held", "unmatched", "ignored"},
    "queued": {"collecting"},  # reopened by a late instance before the job started
    # the rest may change their minds when something arrives or the configuration changes
    "held": {"collecting", "complete", "rejected", "unmatched", "ignored"},
    "rejected": {"collecting", "complete", "held", "unmatched", "ignored"},
    "unmatched": {"collecting", "complete", "held", "rejected", "ignored"},
    "ignored": {"collecting", "complete", "held", "rejected", "unmatched"},
}

JOB = {
    "queued": {"running", "cancelled"},
    "running": {
        "succeeded",
        "failed",
        "cancelled",
        "queued",
    },  # queued: retryable error, lost lease or restart
    "succeeded": set(),
    "failed": {"queued"},  # by `retry`
    "cancelled": {"queued"},  # by `retry`, or because a late instance completed the acquisition again
}

DELIVERY = {
    "pending": {"sending", "parked"},
    "sending": {"sent", "pending", "parked", "held"},
    # pending or parked: the peer reported that it does not have all of it
    "sent": {"committed", "unconfirmed", "pending", "parked"},
    "committed": set(),
    "unconfirmed": {"committed", "pending", "parked"},  # the report came late, or `retry`
    "parked": {"pending"},  # by `retry`
    "held": {"pending"},
}

COMMITMENT = {
    "asking": {"asked", "answered", "lost", "expired"},
    "asked": {"answered", "lost", "expired"},
    # a report may come late, also for a request of which nobody knows whether it arrived
    "lost": {"answered"},
    "expired": {"answered"},
    "answered": {"settled"},
    "settled": set(),
}

PROMISE = {
    "asked": {"checked"},
    "checked": {"reported", "parked"},
    "reported": {"asked"},  # the same request again: it wants the same report again
    "parked": {"asked"},
}

TRANSITIONS = MappingProxyType(
    {
        "instance": MappingProxyType(INSTANCE),
        "acquisition": MappingProxyType(ACQUISITION),
        "job": MappingProxyType(JOB),
        "delivery": MappingProxyType(DELIVERY),
        "commitment": MappingProxyType(COMMITMENT),
        "promise": MappingProxyType(PROMISE),
    }
)


def check(entity: str, identity: int, before: str, after: str) -> None:
    """Raise :class:`IllegalTransition` unless the table permits ``before -> after``."""
    allowed = TRANSITIONS[entity].get(before)
    if allowed is None or after not in allowed:
        known = ", ".join(sorted(allowed)) if allowed else "nothing"
        raise IllegalTransition(
            f"{entity} {identity}: {before} -> {after} is not permitted; it may go to {known}"
        )
