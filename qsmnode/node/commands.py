"""What people may ask of a store: the same for a running node and for the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qsmnode.errors import IllegalTransition, UsageError
from qsmnode.ledger.store import Store


def retry(store: Store, *, job: int | None = None, delivery: int | None = None) -> str:
    """Queue a failed or cancelled job, or a parked delivery, again; with neither, everything that is stuck.

    Raises:
        UsageError: there is no such row, or it is in a state from which nothing can be retried.
    """
    if job is not None:
        _ask("job", job, lambda: store.jobs.retry(job))
        return f"job {job} is queued again"
    if delivery is not None:
        _ask("delivery", delivery, lambda: store.deliveries.retry(delivery))
        return f"delivery {delivery} is pending again"
    with store.database.transaction():
        jobs = [row.id for row in store.jobs.all() if row.state == "failed"]
        deliveries = [row.id for row in store.deliveries.all() if row.state in ("parked", "held")]
        for identity in jobs:
            store.jobs.retry(identity)
        for identity in deliveries:
            store.deliveries.retry(identity)
    return f"{len(jobs)} failed jobs queued again, {len(deliveries)} parked deliveries pending again"


def cancel(store: Store, *, job: int) -> str:
    """Cancel a queued or running job; its process is ended.

    Raises:
        UsageError: there is no such job, or it has ended.
    """
    _ask("job", job, lambda: store.jobs.cancel(job, "cancelled on request"))
    return f"job {job} is cancelled"


COMMANDS: Mapping[str, Callable[..., str]] = {"retry": retry, "cancel": cancel}


def perform(store: Store, verb: str, arguments: Mapping[str, Any]) -> str:
    """Perform a command by name.

    Raises:
        UsageError: no such command, wrong arguments, or it cannot be done.
    """
    if verb not in COMMANDS:
        raise UsageError(f"{verb!r}: no such command; expected one of {', '.join(COMMANDS)}")
    bad = [f"{name}={value!r}" for name, value in arguments.items() if type(value) is not int]
    if bad:
        raise UsageError(f"{verb}: expected row numbers, got {', '.join(bad)}")
    try:
        return COMMANDS[verb](store, **arguments)
    except TypeError as error:
        raise UsageError(f"{verb}: {error}") from error


def _ask(noun: str, identity: int, change: Callable[[], None]) -> None:
    try:
        change()
    except IllegalTransition as error:
        raise UsageError(f"{noun} {identity}: {error}; see `qsmnode jobs`") from error
