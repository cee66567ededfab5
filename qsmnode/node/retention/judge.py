"""What may go, since when, and why the rest stays: pure decisions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Sequence, Set
from dataclasses import dataclass

from qsmnode.ledger.holdings import File, HeldDelivery, HeldJob, Holding, Stray

DAY_S = 86400.0
_OVER = frozenset({"ignored", "unmatched", "rejected"})
_WAITS = frozenset({"collecting", "complete", "held"})
_UNDER_WAY = frozenset({"queued", "running", "pending", "sending"})


@dataclass(frozen=True)
class Rules:
    """What decides.

    Attributes:
        ignored_days: how long what became no map is kept.
        commits: whether a peer is asked if it has what it was sent, by its name.
        undelivered: whether that may go too which waits for somebody: failed jobs, parked deliveries.
    """

    ignored_days: float
    commits: Callable[[str], bool]
    undelivered: bool = False


@dataclass(frozen=True)
class Judged:
    """One thing in the store; ``stays`` is empty where it may go, and says why not otherwise.

    Attributes:
        acquisition: its id; None for an instance that belongs to nothing.
        since: from when on nobody needed it any more.
        why: in words, of what may go.
    """

    acquisition: int | None
    description: str
    since: float
    why: str
    stays: str
    instances: tuple[File, ...]
    objects: tuple[File, ...]


def judge(holding: Holding, rules: Rules, now: float) -> Judged:
    """Whether the files of an acquisition may go."""
    stays = _stays(holding, rules, now)
    return Judged(
        holding.id,
        holding.description,
        holding.since,
        "" if stays else _why(holding),
        stays,
        tuple(holding.instances),
        tuple(holding.objects),
    )


def judge_stray(stray: Stray, rules: Rules, now: float) -> Judged:
    """Whether an instance of no use may go."""
    stays = "" if rules.undelivered else _not_yet(stray.received_at, rules.ignored_days, stray.state, now)
    description = f"instance {stray.file.row}"
    return Judged(
        None, description, stray.received_at, "" if stays else stray.state, stays, (stray.file,), ()
    )


def _stays(holding: Holding, rules: Rules, now: float) -> str:
    """Why it has to stay; "" where it may go."""
    if holding.state in _WAITS:
        return f"it is {holding.state}: its images are still waited for or decided on"
    for job in holding.jobs:
        if found := _job_stays(job, rules) or _cancelled(job, holding, rules, now):
            return found
    for delivery in holding.deliveries:
        if found := _delivery_stays(delivery, rules):
            return found
    if holding.state in _OVER and not rules.undelivered:
        return _not_yet(holding.since, rules.ignored_days, holding.state, now)
    if holding.state not in _OVER and not holding.jobs:
        return f"it is {holding.state}, without a job"
    return ""


def _job_stays(job: HeldJob, rules: Rules) -> str:
    if job.state in _UNDER_WAY:
        return f"job {job.id} is {job.state}"
    if job.state == "failed" and not rules.undelivered:
        return f"job {job.id} failed: retry it, or purge it with --undelivered"
    return ""


def _cancelled(job: HeldJob, holding: Holding, rules: Rules, now: float) -> str:
    if job.state != "cancelled" or rules.undelivered:
        return ""
    return _not_yet(holding.since, rules.ignored_days, f"without job {job.id}, cancelled", now)


def _delivery_stays(delivery: HeldDelivery, rules: Rules) -> str:
    where = f"delivery {delivery.id} to {delivery.peer} is {delivery.state}"
    if delivery.state in _UNDER_WAY:
        return where
    if delivery.state == "committed" or rules.undelivered:
        return ""
    if delivery.state == "sent":
        return f"{where}: it is not committed yet" if rules.commits(delivery.peer) else ""
    return f"{where}: retry it, or purge it with --undelivered"


def _not_yet(since: float, days: float, state: str, now: float) -> str:
    left = since + days * DAY_S - now
    return "" if left <= 0 else f"it is {state}: kept for another {left / DAY_S:.1f} days"


def _why(holding: Holding) -> str:
    if holding.state in _OVER:
        return holding.state
    ends = sorted({f"{each.state} to {each.peer}" for each in holding.deliveries})
    return ", ".join(ends) or "its jobs are over"


@dataclass(frozen=True)
class Limits:
    """When what may go goes; all zero: at once.

    Attributes:
        older_than_days: of what nobody has needed for so long.
        bytes_needed: then of the rest, oldest first, until so much is free.
    """

    older_than_days: float | None
    bytes_needed: int = 0


@dataclass(frozen=True)
class Plan:
    """What goes now, file by file, and what stays with the reason."""

    goes: tuple[Judged, ...]
    stays: tuple[Judged, ...]
    instances: tuple[File, ...]
    objects: tuple[File, ...]


def plan(
    everything: Sequence[Judged],
    limits: Limits,
    now: float,
    *,
    size: Callable[[File], int],
    promised: Set[int] = frozenset(),
    only: Collection[int] | None = None,
) -> Plan:
    """Choose what goes.

    A file goes only with the last acquisition that needs it, and never while it is promised.

    Args:
        everything: in the store.
        limits: age and space.
        now: the time.
        size: of a file, bytes.
        promised: ids of instances that storage commitment obliges this node to keep.
        only: ids of acquisitions: nothing else goes.
    """
    free = [each for each in everything if not each.stays and (only is None or each.acquisition in only)]
    free.sort(key=lambda each: each.since)
    kept = _needed(everything, free) | {
        file.path for each in everything for file in each.instances if file.row in promised
    }
    goes: list[Judged] = []
    counted: set[str] = set()
    got = 0
    for each in free:
        mine = {file.path: file for file in (*each.objects, *each.instances) if file.path not in kept}
        old = limits.older_than_days is not None and each.since <= now - limits.older_than_days * DAY_S
        if mine and (old or got < limits.bytes_needed):
            goes.append(each)
            got += sum(size(file) for path, file in mine.items() if path not in counted)
            counted.update(mine)
    kept |= _needed(everything, goes)
    left = _without(everything, goes)
    return Plan(
        tuple(goes),
        tuple(_with_reason(each, limits) for each in left),
        _unique(file for each in goes for file in each.instances if file.path not in kept),
        _unique(file for each in goes for file in each.objects),
    )


def _without(everything: Sequence[Judged], some: Sequence[Judged]) -> list[Judged]:
    chosen = set(map(id, some))
    return [each for each in everything if id(each) not in chosen]


def _needed(everything: Sequence[Judged], goes: Sequence[Judged]) -> set[str]:
    """Files of all that does not go."""
    return {file.path for each in _without(everything, goes) for file in each.instances}


def _with_reason(each: Judged, limits: Limits) -> Judged:
    """Why something stays that may go."""
    if each.stays:
        return each
    shared = "its images are part of another acquisition that stays, or promised by storage commitment"
    return dataclasses.replace(
        each, stays=shared if limits.older_than_days == 0 else "it may go, and does not have to yet"
    )


def _unique(files: Iterable[File]) -> tuple[File, ...]:
    return tuple({file.path: file for file in files}.values())
