"""How an attempt ended, and what follows: pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from qsmnode.node.worker.folder import Result

_FIRST_BACKOFF_S = 5.0


@dataclass(frozen=True)
class Ended:
    """What the role saw of an attempt's end.

    Attributes:
        timed_out_s: how long it ran where that was too long.
        for_regions_s: how much of that its regions were granted.
    """

    returncode: int
    result: Result | None
    timed_out_s: float | None = None
    for_regions_s: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """``retry_in_s`` None: for good."""

    succeeded: bool
    reason: str = ""
    retry_in_s: float | None = None


def outcome(ended: Ended, failures: int, attempts: int) -> Outcome:
    """Judge one attempt.

    Args:
        ended: how it ended.
        failures: attempts of this job that ended badly before.
        attempts: how many may.
    """
    if ended.result is not None and not ended.result.reason and ended.returncode == 0:
        return Outcome(True)
    reason, retryable = _reason(ended)
    if not retryable:
        return Outcome(False, reason)
    if failures + 1 >= attempts:
        return Outcome(False, f"{reason} (attempt {failures + 1} of {attempts}; no further one)")
    return Outcome(False, f"{reason} (attempt {failures + 1} of {attempts})", _FIRST_BACKOFF_S * 2**failures)


def _more(ended: Ended) -> str:
    """What was granted beyond the setting."""
    return f" with {ended.for_regions_s:g} s for its regions" if ended.for_regions_s else ""


def _reason(ended: Ended) -> tuple[str, bool]:
    if ended.timed_out_s is not None:
        return f"ran longer than jobs.timeout_s{_more(ended)} = {ended.timed_out_s:g} s and was ended", True
    if ended.result is not None and ended.result.reason:
        return ended.result.reason, ended.result.retryable
    if ended.returncode < 0:
        name = signal.Signals(-ended.returncode).name
        hint = "; was the machine out of memory?" if name == "SIGKILL" else ""
        return f"the computation was ended by {name}{hint}", True
    return f"the computation ended with exit code {ended.returncode} and left no result", True
