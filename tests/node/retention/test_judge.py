"""What may go, and what a plan chooses of it: by rules alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.ledger.holdings import File, HeldDelivery, HeldJob, Holding, Stray
from qsmnode.node.retention.judge import DAY_S, Judged, Limits, Rules, judge, judge_stray, plan

RULES = Rules(30.0, lambda peer: peer == "pacs")
NOW = 1000 * DAY_S


def _holding(state: str = "queued", jobs: str = "succeeded", age: float = 0.0, **deliveries: str) -> Holding:
    return Holding(
        1,
        state,
        "a scan",
        NOW - age * DAY_S,
        jobs=[HeldJob(1, jobs)] if jobs else [],
        deliveries=[HeldDelivery(n, peer, at) for n, (peer, at) in enumerate(deliveries.items(), start=1)],
    )


@pytest.mark.parametrize(
    ("holding", "words"),
    [
        (_holding("collecting", ""), "it is collecting"),
        (_holding("held", ""), "it is held"),
        (_holding("complete", ""), "it is complete"),
        (_holding(jobs="queued"), "job 1 is queued"),
        (_holding(jobs="running"), "job 1 is running"),
        (_holding(jobs="failed"), "job 1 failed: retry it"),
        (_holding(jobs="cancelled", age=29), "another 1.0 days"),
        (_holding(plain="pending"), "delivery 1 to plain is pending"),
        (_holding(plain="sending"), "delivery 1 to plain is sending"),
        (_holding(plain="parked"), "is parked: retry it"),
        (_holding(plain="held"), "is held: retry it"),
        (_holding(pacs="unconfirmed"), "is unconfirmed: retry it"),
        (_holding(pacs="sent"), "it is not committed yet"),
        (_holding(plain="sent", pacs="sent"), "delivery 2 to pacs"),
        (_holding("rejected", "", age=29.5), "it is rejected: kept for another 0.5 days"),
        (_holding("rejected", age=31, plain="pending"), "delivery 1"),
        (_holding(jobs=""), "without a job"),
    ],
)
def test_what_stays_says_why(holding: Holding, words: str) -> None:
    assert words in judge(holding, RULES, NOW).stays


@pytest.mark.parametrize(
    ("holding", "why"),
    [
        (_holding(plain="sent"), "sent to plain"),
        (_holding(pacs="committed", plain="sent"), "committed to pacs, sent to plain"),
        (_holding("ignored", "", age=30), "ignored"),
        (_holding("unmatched", "", age=31), "unmatched"),
        (_holding("rejected", age=31, plain="sent"), "rejected"),
        (_holding(jobs="cancelled", age=30), "its jobs are over"),
    ],
)
def test_what_may_go_says_why(holding: Holding, why: str) -> None:
    judged = judge(holding, RULES, NOW)
    assert (judged.stays, judged.why) == ("", why)


@pytest.mark.parametrize(
    ("holding", "goes"),
    [
        (_holding(jobs="failed"), True),
        (_holding(jobs="cancelled"), True),
        (_holding(pacs="parked"), True),
        (_holding(pacs="unconfirmed"), True),
        (_holding("rejected", ""), True),
        (_holding(jobs="running"), False),
        (_holding(pacs="pending"), False),
        (_holding("collecting", ""), False),
    ],
)
def test_a_person_can_let_go_what_waits_for_a_person_only(holding: Holding, goes: bool) -> None:
    rules = Rules(30.0, lambda _: True, undelivered=True)
    assert (judge(holding, rules, NOW).stays == "") is goes


@pytest.mark.parametrize(("age", "goes"), [(29.0, False), (31.0, True)])
def test_an_object_of_no_use_goes_after_the_same_days(age: float, goes: bool) -> None:
    stray = Stray(File(1, "instances/1", 1), "unreadable", NOW - age * DAY_S)
    assert (judge_stray(stray, RULES, NOW).stays == "") is goes


_FILES = st.lists(st.integers(1, 12).map(lambda n: File(n, f"instances/{n}", n)), max_size=4, unique=True)
_JUDGED = st.lists(
    st.builds(
        Judged,
        acquisition=st.none(),
        description=st.just("x"),
        since=st.floats(0, NOW),
        why=st.just("sent"),
        stays=st.sampled_from(["", "", "job 1 is running"]),
        instances=_FILES.map(tuple),
        objects=st.integers(1, 9).map(lambda n: (File(n, f"products/{n}"),)),
    ),
    max_size=6,
)


@given(_JUDGED, st.sets(st.integers(1, 12)), st.one_of(st.none(), st.floats(0, 1000)), st.integers(0, 40))
def test_no_plan_takes_what_is_needed_or_promised(
    everything: list[Judged], promised: set[int], days: float | None, needed: int
) -> None:
    made = plan(everything, Limits(days, needed), NOW, size=lambda file: file.size or 5, promised=promised)
    assert len(made.goes) + len(made.stays) == len(everything)
    assert all(each.stays for each in made.stays)
    assert not any(each.stays for each in made.goes)
    kept = {file.path for each in made.stays for file in each.instances}
    assert not kept & {file.path for file in made.instances}
    assert not promised & {file.row for file in made.instances}
    assert len({file.path for file in made.instances}) == len(made.instances)
    if days == 0:
        waiting = {file.path for each in everything if each.stays for file in each.instances}
        free = {file.path for each in everything if not each.stays for file in each.instances}
        assert {file.path for file in made.instances} == {
            path for path in free - waiting if int(path.rpartition("/")[2]) not in promised
        }


def _one(number: int, age: float, *files: int) -> Judged:
    rows = tuple(File(n, f"instances/{n}", 100) for n in files)
    return Judged(number, "x", NOW - age * DAY_S, "sent", "", rows, ())


def test_room_is_made_from_the_oldest_on_and_no_further_than_needed() -> None:
    everything = [_one(1, 1, 1, 2), _one(2, 9, 3), _one(3, 5, 4)]
    made = plan(everything, Limits(None, 150), NOW, size=lambda file: file.size or 0)
    assert [each.acquisition for each in made.goes] == [2, 3]
    made = plan(everything, Limits(8.0), NOW, size=lambda file: file.size or 0)
    assert [each.acquisition for each in made.goes] == [2]
    assert "does not have to yet" in made.stays[0].stays


def test_an_image_goes_with_the_last_acquisition_that_needs_it() -> None:
    waits = Judged(2, "x", NOW, "", "it is held", (File(1, "instances/1", 100),), ())
    made = plan([_one(1, 9, 1, 2), waits], Limits(0.0), NOW, size=lambda file: 100)
    assert [file.row for file in made.instances] == [2]
    made = plan([_one(1, 9, 1), waits], Limits(0.0), NOW, size=lambda file: 100)
    assert not made.goes
    assert "part of another acquisition" in made.stays[0].stays


def test_only_what_is_named_goes() -> None:
    made = plan([_one(1, 9, 1), _one(2, 9, 2)], Limits(0.0), NOW, size=lambda file: 100, only={2})
    assert [each.acquisition for each in made.goes] == [2]
