"""What follows from the end of an attempt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.node.worker.decide import Ended, outcome
from qsmnode.node.worker.folder import Result


def test_a_result_without_a_reason_is_a_success() -> None:
    assert outcome(Ended(0, Result()), failures=0, attempts=3).succeeded


def test_a_success_that_crashed_afterwards_is_none() -> None:
    assert not outcome(Ended(-11, Result()), failures=0, attempts=3).succeeded


def test_a_refusal_is_final_at_once() -> None:
    verdict = outcome(Ended(3, Result("phase, echo 1: unknown scaling")), failures=0, attempts=3)
    assert verdict.retry_in_s is None
    assert verdict.reason == "phase, echo 1: unknown scaling"


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Ended(-9, None), "SIGKILL"),
        (Ended(-11, None), "SIGSEGV"),
        (Ended(1, None), "exit code 1"),
        (Ended(-9, None, timed_out_s=10.0), "jobs.timeout_s = 10 s"),
        (Ended(-9, None, 70.0, 60.0), "jobs.timeout_s with 60 s for its regions = 70 s"),
        (Ended(1, Result("out of memory", retryable=True)), "out of memory"),
    ],
)
def test_a_crash_is_tried_again_and_then_failed_with_its_reason(ended: Ended, words: str) -> None:
    first = outcome(ended, failures=0, attempts=3)
    assert first.retry_in_s is not None
    last = outcome(ended, failures=2, attempts=3)
    assert last.retry_in_s is None
    assert words in first.reason
    assert words in last.reason
    assert "attempt 3 of 3" in last.reason


@given(st.integers(1, 20))
def test_the_pause_grows_and_the_attempts_end(attempts: int) -> None:
    pauses = [outcome(Ended(-9, None), failures, attempts).retry_in_s for failures in range(attempts)]
    assert pauses[-1] is None
    waits = [pause for pause in pauses[:-1] if pause is not None]
    assert len(waits) == attempts - 1
    assert waits == sorted(waits)
