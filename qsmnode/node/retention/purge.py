"""Letting files go in an order that a crash cannot harm: first the rows, durable, then the files."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass

from qsmnode.config import Config
from qsmnode.ledger.holdings import File
from qsmnode.ledger.store import Store
from qsmnode.node.retention.judge import Judged, Limits, Plan, Rules, judge, judge_stray, plan

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Purged:
    """How many files went, and how many bytes that freed."""

    files: int
    size: int


def rules_of(config: Config, *, undelivered: bool = False) -> Rules:
    """What the configuration says about what may go."""

    def commits(name: str) -> bool:
        peer = config.peers.get(name)
        return peer is not None and peer.is_asked

    return Rules(config.retention.ignored_days, commits, undelivered)


def planned(
    store: Store,
    rules: Rules,
    limits: Limits,
    *,
    only: Collection[int] | None = None,
    now: float | None = None,
) -> Plan:
    """What would go now, and why the rest stays."""
    when = time.time() if now is None else now
    everything = [judge(each, rules, when) for each in store.holdings.all()]
    everything += [judge_stray(each, rules, when) for each in store.holdings.strays()]
    return plan(
        everything,
        limits,
        when,
        size=lambda file: size_of(store, file),
        promised=store.holdings.promised(),
        only=only,
    )


def purge(
    store: Store, rules: Rules, limits: Limits, reason: str, *, only: Collection[int] | None = None
) -> Purged:
    """Let go what may go.

    The rows say so, durably, before a file is touched: a file that a crash left behind is removed at the next
    start. Nothing changes between the decision and its booking.

    Args:
        store: where.
        rules: what may go.
        limits: what of it goes.
        reason: why, and on whose request.
        only: ids of acquisitions: nothing else goes.

    Raises:
        sqlite3.Error: the ledger cannot be written; nothing went.
    """
    with store.database.transaction():
        decided = planned(store, rules, limits, only=only)
        store.holdings.purge(decided.instances, decided.objects, reason)
        for each in decided.goes:
            if each.acquisition is not None:
                store.holdings.note(each.acquisition, f"{reason}: {each.why or 'on an explicit list'}")
    files = (*decided.instances, *decided.objects)
    freed = sum(_remove(store, file) for file in files)
    if files:
        _log.info(
            "%d files (%.1f MB) of %d acquisitions and %d single instances are removed: %s",
            len(files),
            freed / 1e6,
            sum(each.acquisition is not None for each in decided.goes),
            sum(each.acquisition is None for each in decided.goes),
            reason,
        )
    return Purged(len(files), freed)


def size_of(store: Store, file: File) -> int:
    """Of a file in bytes; 0 where there is none."""
    if file.size is not None:
        return file.size
    try:
        return store.path(file.path).stat().st_size
    except FileNotFoundError:
        return 0


def described(each: Judged) -> str:
    """One thing in the store, in words without a patient."""
    return (
        each.description if each.acquisition is None else f"acquisition {each.acquisition} {each.description}"
    )


def _remove(store: Store, file: File) -> int:
    size = size_of(store, file)
    path = store.path(file.path)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("a purged file stays until the next start: %s", error.strerror)
        return 0
    if file.path.startswith("products/"):
        with contextlib.suppress(OSError):  # not empty yet
            path.parent.rmdir()
    return size
