"""What people may ask of a store: the same for a running node and for the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qsmnode.config import Config
from qsmnode.errors import IllegalTransition, UsageError
from qsmnode.ledger.store import Store
from qsmnode.node.retention import planned, purge
from qsmnode.node.retention.judge import Limits
from qsmnode.node.retention.purge import rules_of


@dataclass(frozen=True)
class Desk:
    """Where commands are performed, and for whom.

    Attributes:
        asked_by: who asks, for those who want to know later.
    """

    store: Store
    config: Config
    asked_by: str


def retry(desk: Desk, *, job: int | None = None, delivery: int | None = None) -> str:
    """Queue a failed or cancelled job, or a parked delivery, again; with neither, everything that is stuck.

    Raises:
        UsageError: there is no such row, or it is in a state from which nothing can be retried.
    """
    store = desk.store
    if job is not None:
        if _is_purged(store, job):
            raise UsageError(f"job {job}: its images were purged; have them sent again")
        _ask("job", job, lambda: store.jobs.retry(job))
        return f"job {job} is queued again"
    if delivery is not None:
        _ask("delivery", delivery, lambda: store.deliveries.retry(delivery))
        return f"delivery {delivery} is pending again"
    with store.database.transaction():
        failed = [row.id for row in store.jobs.all() if row.state == "failed"]
        jobs = [identity for identity in failed if not _is_purged(store, identity)]
        deliveries = [row.id for row in store.deliveries.all() if row.state in ("parked", "held")]
        for identity in jobs:
            store.jobs.retry(identity)
        for identity in deliveries:
            store.deliveries.retry(identity)
    return f"{len(jobs)} failed jobs queued again, {len(deliveries)} parked deliveries pending again"


def cancel(desk: Desk, *, job: int) -> str:
    """Cancel a queued or running job; its process is ended.

    Raises:
        UsageError: there is no such job, or it has ended.
    """
    _ask("job", job, lambda: desk.store.jobs.cancel(job, "cancelled on request"))
    return f"job {job} is cancelled"


def purge_files(
    desk: Desk, *, acquisition: int | None = None, older_than_days: int = 0, undelivered: int = 0
) -> str:
    """Let the files go that may go: of one acquisition, or all of that age.

    Raises:
        UsageError: the one that is named has to stay.
    """
    rules = rules_of(desk.config, undelivered=bool(undelivered))
    only = None if acquisition is None else {acquisition}
    limits = Limits(float(older_than_days))
    if only:
        for each in planned(desk.store, rules, limits, only=only).stays:
            if each.acquisition == acquisition:
                raise UsageError(f"acquisition {acquisition} stays: {each.stays}")
    gone = purge(desk.store, rules, limits, f"on request of {desk.asked_by}", only=only)
    return f"{gone.files} files removed, {gone.size / 1e6:.1f} MB"


def note_backup(desk: Desk, *, folder: str) -> str:
    """Tell the audit trail that the ledger was copied into a folder."""
    desk.store.audit_events.note_backup(folder, desk.asked_by)
    return "the audit trail tells of it"


COMMANDS: Mapping[str, Callable[..., str]] = {
    "retry": retry,
    "cancel": cancel,
    "purge": purge_files,
    "note_backup": note_backup,
}
_TEXTS = frozenset({"folder"})


def perform(desk: Desk, verb: str, arguments: Mapping[str, Any]) -> str:
    """Perform a command by name.

    Raises:
        UsageError: no such command, wrong arguments, or it cannot be done.
    """
    if verb not in COMMANDS:
        raise UsageError(f"{verb!r}: no such command; expected one of {', '.join(COMMANDS)}")
    bad = [
        f"{name}={value!r}"
        for name, value in arguments.items()
        if type(value) is not (str if name in _TEXTS else int)
    ]
    if bad:
        raise UsageError(f"{verb}: expected row numbers, got {', '.join(bad)}")
    try:
        return COMMANDS[verb](desk, **arguments)
    except TypeError as error:
        raise UsageError(f"{verb}: {error}") from error


def _is_purged(store: Store, job: int) -> bool:
    try:
        return store.holdings.are_purged(store.jobs.get(job).acquisition_id)
    except KeyError:
        return False  # there is none: told by whoever is asked to change it


def _ask(noun: str, identity: int, change: Callable[[], None]) -> None:
    try:
        change()
    except IllegalTransition as error:
        raise UsageError(f"{noun} {identity}: {error}; see `qsmnode jobs`") from error
