"""The decision about one acquisition, state by state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.errors import Finding
from qsmnode.ledger.states import ACQUISITION
from qsmnode.node.assembler.verdict import Look, Routing, Timers, judge

MATCH = Routing("match", "brain", "")
NO = Routing("no_match", None, "no route wants it")
UNSURE = Routing("cannot_tell", None, "phase has not arrived yet")
TIMERS = Timers(settling_s=60, deadline_s=3600)
LOOK = Look(
    held="",
    ignored="",
    completeness="incomplete",
    missing=("phase, echo 3, slices 12-14 of 160",),
    has_phase=True,
    so_far=MATCH,
    finally_=MATCH,
    senders_gone=False,
    last_arrival=1000.0,
)
SOON, LATE = 1001.0, 1000.0 + 3600.0


def test_declared_and_whole_is_complete_at_once_whoever_is_still_connected() -> None:
    verdict = judge(replace(LOOK, completeness="complete", missing=()), TIMERS, SOON)
    assert (verdict.state, verdict.route) == ("complete", "brain")


def test_incomplete_collects_and_says_what_is_missing() -> None:
    verdict = judge(LOOK, TIMERS, SOON)
    assert verdict.state == "collecting"
    assert verdict.missing == LOOK.missing
    assert verdict.deadline_at == LATE


def test_at_the_deadline_it_is_rejected_naming_the_missing_slices() -> None:
    verdict = judge(LOOK, TIMERS, LATE)
    assert verdict.state == "rejected"
    assert "phase, echo 3, slices 12-14 of 160" in verdict.reason


def test_an_arrival_after_the_deadline_opens_it_again() -> None:
    assert judge(replace(LOOK, last_arrival=LATE + 1), TIMERS, LATE + 2).state == "collecting"


@pytest.mark.parametrize(
    ("now", "gone", "state"),
    [(1059.0, True, "collecting"), (1060.0, False, "collecting"), (1060.0, True, "complete")],
)
def test_without_a_declared_count_both_the_senders_and_the_settling_time_must_be_over(
    now: float, gone: bool, state: str
) -> None:
    look = replace(LOOK, completeness="undeclared", missing=(), senders_gone=gone)
    assert judge(look, TIMERS, now).state == state


def test_what_settled_while_the_node_was_down_is_whole_even_when_it_looks_after_the_deadline() -> None:
    look = replace(LOOK, completeness="undeclared", missing=(), senders_gone=True)
    assert judge(look, TIMERS, LATE + 5000).state == "complete"
    assert judge(replace(look, senders_gone=False), TIMERS, LATE).state == "rejected"
    assert judge(replace(look, held="two equally good pairs"), TIMERS, LATE).state == "rejected"


def test_an_open_association_is_looked_at_again_soon_but_not_at_once() -> None:
    verdict = judge(replace(LOOK, completeness="undeclared", missing=()), TIMERS, 1100.0)
    assert verdict.settles_at is not None
    assert 1100.0 < verdict.settles_at <= 1102.0


def test_what_no_route_wants_needs_no_proof_of_being_whole() -> None:
    assert judge(replace(LOOK, so_far=NO, finally_=NO), TIMERS, SOON).state == "unmatched"


def test_magnitude_only_is_ignored_at_the_deadline_naming_the_phase() -> None:
    look = replace(
        LOOK, has_phase=False, so_far=UNSURE, finally_=NO, missing=("phase, echo 1, slices 1-8 of 8",)
    )
    assert judge(look, TIMERS, SOON).state == "collecting"
    verdict = judge(look, TIMERS, LATE)
    assert verdict.state == "ignored"
    assert "phase, echo 1" in verdict.reason


def test_magnitude_only_on_a_matching_route_is_rejected_naming_the_phase() -> None:
    look = replace(LOOK, has_phase=False, missing=("phase, echo 1, slices 1-8 of 8",))
    verdict = judge(look, TIMERS, LATE)
    assert verdict.state == "rejected"
    assert "phase, echo 1" in verdict.reason


def test_an_ambiguous_pairing_is_held_even_when_complete_and_rejected_in_the_end() -> None:
    look = replace(LOOK, held="two magnitudes fit the phase", completeness="complete")
    assert judge(look, TIMERS, SOON).state == "held"
    assert judge(look, TIMERS, LATE).state == "rejected"


TWINS = {"held": "two images of one place", "for_good": True}


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"held": "no unit", "held_check": "phase_scaling", "for_good": True}, "phase_scaling"),
        ({"held": "filtered", "held_check": "filtered_phase", "for_good": True}, "filtered_phase"),
        ({"completeness": "contradiction", "missing": ("steps of 1 to 2 mm",)}, "slices"),
    ],
)
def test_what_nothing_can_cure_is_refused_once_all_that_is_declared_is_here(
    changes: dict[str, Any], check: str
) -> None:
    look = replace(LOOK, **{"completeness": "complete", "missing": (), "all_here": True, **changes})
    verdict = judge(look, TIMERS, SOON)
    assert (verdict.state, verdict.route) == ("rejected", "brain")
    assert [finding.check for finding in verdict.findings] == [check]
    assert verdict.findings[0].expected
    assert judge(replace(look, finally_=UNSURE), TIMERS, SOON).state == "held"


@pytest.mark.parametrize(
    "changes",
    [
        {**TWINS, "completeness": "complete"},
        {**TWINS, "completeness": "undeclared"},
        {"completeness": "contradiction", "missing": ("160 slices declared, 161 are here",)},
    ],
    ids=["twins", "twins without a count", "too many"],
)
@pytest.mark.parametrize(
    ("now", "gone", "state"), [(1059.0, True, "held"), (1061.0, False, "held"), (1060.0, True, "rejected")]
)
def test_images_that_are_too_many_are_refused_when_nobody_sends_more(
    changes: dict[str, Any], now: float, gone: bool, state: str
) -> None:
    """Each of them that still came would end in a refusal of its own."""
    verdict = judge(replace(LOOK, senders_gone=gone, **changes), TIMERS, now)
    assert verdict.state == state
    if state == "held":
        assert verdict.settles_at is not None
        assert now < verdict.settles_at <= 1062.0


def test_what_may_be_cured_waits_for_its_deadline() -> None:
    tie = replace(
        LOOK, held="two equally good pairs", completeness="complete", all_here=True, senders_gone=True
    )
    assert judge(tie, TIMERS, 3000.0).state == "held"
    lacking = replace(LOOK, **TWINS, senders_gone=True)
    assert judge(lacking, TIMERS, 3000.0).state == "held"


def test_what_waits_names_the_route_that_it_may_take() -> None:
    look = replace(LOOK, so_far=replace(UNSURE, may_take="brain"))
    assert judge(look, TIMERS, SOON).route == "brain"
    assert judge(replace(look, held="different geometries"), TIMERS, SOON).route == "brain"
    undecided = replace(look, completeness="complete", finally_=replace(UNSURE, may_take="brain"))
    assert judge(undecided, TIMERS, SOON).route is None


def test_a_contradiction_between_count_and_grid_is_held() -> None:
    look = replace(LOOK, completeness="contradiction", missing=("160 slices declared, 161 are here",))
    verdict = judge(look, TIMERS, SOON)
    assert verdict.state == "held"
    assert "161" in verdict.reason


def test_a_route_that_cannot_be_chosen_holds_a_complete_acquisition() -> None:
    look = replace(LOOK, completeness="complete", so_far=UNSURE, finally_=UNSURE)
    assert judge(look, TIMERS, SOON).state == "held"
    assert judge(look, TIMERS, LATE).state == "rejected"


GAPS = Finding("gaps", "reject", "none", "gaps of 1 mm")


def test_what_its_headers_forbid_is_rejected_on_the_route_that_matches_and_nowhere_else() -> None:
    look = replace(LOOK, completeness="complete", missing=(), rejected=(GAPS,))
    verdict = judge(look, TIMERS, SOON)
    assert (verdict.state, verdict.route, verdict.findings) == ("rejected", "brain", (GAPS,))
    assert verdict.reason == "gaps of 1 mm (expected none)"
    assert judge(replace(look, finally_=NO), TIMERS, SOON).state == "unmatched"
    assert judge(replace(look, ignored="derived"), TIMERS, SOON).state == "ignored"


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({}, "complete"),
        ({"completeness": "contradiction"}, "complete"),
        ({"held": "two magnitudes fit"}, "ambiguous"),
        ({"held": "two magnitudes fit", "completeness": "complete"}, "ambiguous"),
        ({"held": "no unit", "held_check": "phase_scaling"}, "phase_scaling"),
    ],
)
def test_a_rejection_at_the_deadline_has_the_code_of_its_reason(changes: dict[str, Any], check: str) -> None:
    verdict = judge(replace(LOOK, **changes), TIMERS, LATE)
    (finding,) = verdict.findings
    assert (verdict.state, verdict.route) == ("rejected", "brain")
    assert (finding.check, finding.severity, finding.found) == (check, "reject", verdict.reason)
    assert finding.expected


_routings = st.sampled_from([MATCH, NO, UNSURE])


@given(
    held=st.sampled_from(["", "two fit"]),
    ignored=st.sampled_from(["", "derived"]),
    completeness=st.sampled_from(["complete", "incomplete", "undeclared", "contradiction"]),
    phase=st.booleans(),
    so_far=_routings,
    finally_=_routings,
    gone=st.booleans(),
    for_good=st.booleans(),
    all_here=st.booleans(),
    now=st.sampled_from([1000.0, 1030.0, 1061.0, LATE, LATE * 2]),
)
def test_nothing_stays_in_limbo(
    held: str,
    ignored: str,
    completeness: str,
    phase: bool,
    so_far: Routing,
    finally_: Routing,
    gone: bool,
    for_good: bool,
    all_here: bool,
    now: float,
) -> None:
    """Whatever waits has a time to be looked at again, and past the deadline nothing waits."""
    look = Look(
        held,
        ignored,
        completeness,
        ("x",),
        phase,
        so_far,
        finally_,
        gone,
        1000.0,
        for_good=for_good,
        all_here=all_here,
    )
    verdict = judge(look, TIMERS, now)
    assert verdict.state in ACQUISITION
    if verdict.state in ("collecting", "held"):
        assert verdict.deadline_at == LATE
        assert now < LATE
    if verdict.state == "complete":
        assert verdict.route == "brain"
        assert not held
    if verdict.state in ("rejected", "ignored"):
        assert verdict.reason
