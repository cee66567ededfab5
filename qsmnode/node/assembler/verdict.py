"""What is to become of one acquisition, from what has arrived so far: pure.

Routing comes before completeness: what no route wants needs no proof of being whole. Completeness is proven
by declared counts; without one, by a consistent grid, ended associations and a settling time. What nothing
that may still come can cure is refused as soon as nothing more is expected. Whatever else cannot be decided
waits for its deadline, and is then rejected with exactly what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

from qsmnode.errors import Finding

COLLECTING = "collecting"
COMPLETE = "complete"
HELD = "held"
REJECTED = "rejected"
UNMATCHED = "unmatched"
IGNORED = "ignored"

_EXPECTED = {
    "complete": "magnitude and phase of every echo and slice",
    "ambiguous": "one magnitude and one phase image of every echo and slice",
    "phase_scaling": "stored values that reach over one turn, or a named unit",
    "filtered_phase": "phase as it was measured",
    "other": "images without loss, in a transfer syntax that is read",
    "slices": "slices at equal distances, each at one place",
}
_OPEN_ASSOCIATION_LOOK_S = 1.0


@dataclass(frozen=True)
class Routing:
    """A routing decision, reduced to what matters here; ``may_take``: the first route that is still open."""

    outcome: str  # match, no_match, cannot_tell
    route: str | None
    reason: str
    may_take: str | None = None


@dataclass(frozen=True)
class Look:
    """What one look at an acquisition found.

    Attributes:
        held: why it cannot be paired for certain, "" where it can.
        ignored: why it is no source, "" where it may be one.
        completeness: complete, incomplete, undeclared or contradiction (dicom.completeness).
        missing: what is missing, in words.
        has_phase: whether any phase, real or imaginary image arrived.
        so_far: routing where absent means "not yet".
        finally_: routing where absent means absent.
        senders_gone: whether every association that contributed has ended.
        last_arrival: when its newest instance came, s since 1970.
        held_check: the acceptance check behind ``held``.
        for_good: whether nothing that may still come can cure what holds it.
        all_here: whether every image that the headers declare is here, whatever is wrong with them.
        rejected: what its headers say that forbids a map on the route it takes in the end.
    """

    held: str
    ignored: str
    completeness: str
    missing: tuple[str, ...]
    has_phase: bool
    so_far: Routing
    finally_: Routing
    senders_gone: bool
    last_arrival: float
    held_check: str = "ambiguous"
    for_good: bool = False
    all_here: bool = False
    rejected: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Timers:
    """The waiting times of the configuration."""

    settling_s: float
    deadline_s: float


@dataclass(frozen=True)
class Verdict:
    """The state to be in, why, and when to look again without an arrival; ``findings`` code a rejection."""

    state: str
    reason: str = ""
    route: str | None = None
    missing: tuple[str, ...] = ()
    settles_at: float | None = None
    deadline_at: float | None = None
    findings: tuple[Finding, ...] = ()


def judge(look: Look, timers: Timers, now: float) -> Verdict:
    """Decide about one acquisition at the time ``now``."""
    if look.ignored:
        return Verdict(IGNORED, look.ignored)
    deadline = look.last_arrival + timers.deadline_s
    expired = now >= deadline
    if look.completeness == "complete":
        return _whole(look, timers, now)
    if look.so_far.outcome == "no_match" and not look.held:
        return Verdict(UNMATCHED, look.so_far.reason, missing=look.missing)
    if look.completeness == "undeclared" and (look.held or _is_quiet(look, timers, now)):
        # also after its deadline: a node that was down then must not take what is whole for incomplete
        return _whole(look, timers, now)
    if expired:
        return _expired(look)
    if look.held:
        return _waiting(HELD, look, look.held, deadline)
    if look.completeness == "contradiction":
        check = "slices" if look.all_here else "complete"
        return _incurable(look, "; ".join(look.missing), check, timers, now)
    if look.completeness == "undeclared":
        return _settling(look, timers, now, deadline)
    return _waiting(COLLECTING, look, _missing(look), deadline)


def _whole(look: Look, timers: Timers, now: float) -> Verdict:
    """Proven complete, or as whole as can be told: nothing more is expected, so the final routing counts."""
    deadline = look.last_arrival + timers.deadline_s
    expired = now >= deadline
    if look.held and expired:
        return _rejected(look, look.held, look.held_check)
    if look.held and look.for_good:
        return _incurable(look, look.held, look.held_check, timers, now)
    if look.held:
        return _waiting(HELD, look, look.held, deadline)
    routing = look.finally_
    if routing.outcome == "match" and look.rejected:
        reason = "; ".join(map(str, look.rejected))
        return Verdict(REJECTED, reason, routing.route, findings=look.rejected)
    if routing.outcome == "match":
        return Verdict(COMPLETE, "", routing.route)
    if routing.outcome == "no_match":
        return Verdict(UNMATCHED, routing.reason)
    if expired:
        return Verdict(REJECTED, f"no route could be chosen: {routing.reason}")
    # on no route: whatever came, it could not be chosen
    return Verdict(HELD, f"no route can be chosen: {routing.reason}", None, look.missing, None, deadline)


def _incurable(look: Look, reason: str, check: str, timers: Timers, now: float) -> Verdict:
    """Images that more images cannot mend: refused once all that are declared are here, or nobody sends more.

    Not before: each image that still came would open it again, and end in a refusal of its own.
    """
    over = look.all_here or _is_quiet(look, timers, now)
    if over and look.finally_.outcome == "match":
        return _rejected(look, reason, check)
    deadline = look.last_arrival + timers.deadline_s
    again = None if over else _next_look(look, timers, now)
    route = look.so_far.route or look.so_far.may_take
    return Verdict(HELD, reason, route, look.missing, again, deadline)


def _is_quiet(look: Look, timers: Timers, now: float) -> bool:
    return look.senders_gone and now >= look.last_arrival + timers.settling_s


def _next_look(look: Look, timers: Timers, now: float) -> float:
    """When quiet may have come."""
    settled = look.last_arrival + timers.settling_s
    again = settled if now < settled else now + _OPEN_ASSOCIATION_LOOK_S
    return min(again, look.last_arrival + timers.deadline_s)


def _settling(look: Look, timers: Timers, now: float, deadline: float) -> Verdict:
    """A consistent grid without a declared count: wait until nobody can be sending any more."""
    if _is_quiet(look, timers, now):
        return _whole(look, timers, now)
    why = "no count is declared; waiting for the associations to end and for the settling time"
    again = _next_look(look, timers, now)
    return Verdict(COLLECTING, why, look.so_far.route, (), again, deadline)


def _expired(look: Look) -> Verdict:
    """The deadline has passed: say exactly what kept it from being reconstructed."""
    missing = _missing(look)
    if look.held:
        return _rejected(look, look.held, look.held_check)
    if look.finally_.outcome == "match":
        return _rejected(look, f"incomplete at the deadline: {missing}", "complete")
    if not look.has_phase:
        return Verdict(IGNORED, f"magnitude only: missing {missing}", None, look.missing)
    if look.finally_.outcome == "no_match":
        return Verdict(UNMATCHED, look.finally_.reason, None, look.missing)
    reason = f"incomplete at the deadline: {missing}; no route could be chosen: {look.finally_.reason}"
    return Verdict(REJECTED, reason, None, look.missing)


def _rejected(look: Look, reason: str, check: str) -> Verdict:
    findings = (Finding(check, "reject", _EXPECTED.get(check, ""), reason),)
    return Verdict(REJECTED, reason, look.finally_.route, look.missing, findings=findings)


def _waiting(state: str, look: Look, reason: str, deadline: float) -> Verdict:
    return Verdict(state, reason, look.so_far.route or look.so_far.may_take, look.missing, None, deadline)


def _missing(look: Look) -> str:
    if look.missing:
        return "; ".join(look.missing)
    return "an end of the associations that were sending it"
