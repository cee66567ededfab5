"""Receiving goes first while objects come fast; headers wait for some seconds at most."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qsmnode.node.assembler.pace import Backlog, rest_s


def test_a_fast_sender_is_left_alone_until_it_pauses() -> None:
    assert 0 < rest_s(Backlog(300, 100.0, 101.0), 101.1) < 0.25
    assert rest_s(Backlog(300, 100.0, 101.0), 101.3) == 0


def test_a_slow_sender_leaves_time_enough() -> None:
    assert rest_s(Backlog(20, 100.0, 101.0), 101.05) == 0
    assert rest_s(Backlog(1, 101.0, 101.0), 101.0) == 0


def test_nothing_waits_for_more_than_five_seconds() -> None:
    assert rest_s(Backlog(5000, 100.0, 104.9), 104.9) > 0
    assert rest_s(Backlog(5000, 100.0, 105.0), 105.0) == 0


def test_nothing_is_nothing_and_a_clock_that_was_set_back_stops_nothing() -> None:
    assert rest_s(Backlog(0, 0.0, 0.0), 101.0) == 0
    assert rest_s(Backlog(500, 200.0, 201.0), 101.0) == 0


@given(st.integers(0, 10_000), st.floats(0, 100), st.floats(0, 100), st.floats(0, 200))
def test_a_rest_is_short_and_never_negative(count: int, oldest: float, span: float, now: float) -> None:
    assert 0 <= rest_s(Backlog(count, oldest, oldest + span), now) <= 0.25
