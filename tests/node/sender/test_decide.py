"""Statuses and tries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.config import DeliverySettings
from qsmnode.node.sender.decide import Outcome, decide, judge
from qsmnode.node.wire.status import describe

SETTINGS = DeliverySettings.model_validate({"attempts": 5, "first_backoff_s": 2.0, "longest_backoff_s": 10.0})


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x0000, Outcome.ACKNOWLEDGED),
        (0xB000, Outcome.ACKNOWLEDGED),
        (0xB007, Outcome.ACKNOWLEDGED),
        (0x0111, Outcome.ACKNOWLEDGED),
        (0x0122, Outcome.REFUSED),
        (0xA900, Outcome.REFUSED),
        (0xC000, Outcome.REFUSED),
        (0xCFFF, Outcome.REFUSED),
        (0x0124, Outcome.REFUSED),
        (0xA700, Outcome.LATER),
        (0x0110, Outcome.LATER),
        (0x0211, Outcome.LATER),
        (0x1234, Outcome.LATER),
    ],
)
def test_what_a_status_means(status: int, outcome: Outcome) -> None:
    assert judge(status) is outcome


def test_backoff_doubles_up_to_its_bound_and_then_it_is_parked() -> None:
    assert [decide(tries, SETTINGS, permanent=False) for tries in range(6)] == [2, 4, 8, 10, None, None]
    assert decide(0, SETTINGS, permanent=True) is None


@given(st.integers(0, 10**6), st.integers(0, 0xFFFF))
def test_no_number_breaks_it(tries: int, status: int) -> None:
    endless = DeliverySettings.model_validate({"attempts": 1000})
    wait = decide(tries, endless, permanent=False)
    assert (wait is None) == (tries >= 999)
    assert wait is None or endless.first_backoff_s <= wait <= endless.longest_backoff_s
    assert describe(status).startswith(f"0x{status:04X}, ")
