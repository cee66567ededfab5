"""When a peer is asked, and when nothing is sent to it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qsmnode.config import DeliverySettings
from qsmnode.node.sender.acknowledgements import Acknowledgements
from qsmnode.node.sender.circuit import FAILURES, Circuit

SETTINGS = DeliverySettings.model_validate({"first_backoff_s": 2.0, "longest_backoff_s": 10.0})


def test_it_opens_after_failures_in_a_row_and_waits_longer_each_time() -> None:
    now = [0.0]
    circuit = Circuit(SETTINGS, lambda: now[0])
    for _ in range(FAILURES - 1):
        circuit.failed()
        assert not circuit.is_open
        assert circuit.wait_s == 0
    waits = []
    for _ in range(5):
        circuit.failed()
        assert circuit.is_open
        waits.append(circuit.wait_s)
        now[0] += waits[-1]
        assert circuit.wait_s == 0
    assert waits == [2, 4, 8, 10, 10]
    circuit.succeeded()
    assert not circuit.is_open
    circuit.failed()
    assert not circuit.is_open


def test_a_peer_that_was_mended_is_noticed_within_a_minute() -> None:
    circuit = Circuit(DeliverySettings.model_validate({"longest_backoff_s": 6000}), lambda: 0.0)
    for _ in range(50):
        circuit.failed()
    assert circuit.wait_s == 60


@given(st.lists(st.booleans()))
def test_it_is_open_exactly_after_enough_failures_since_the_last_success(outcomes: list[bool]) -> None:
    circuit = Circuit(SETTINGS, lambda: 0.0)
    since = 0
    for succeeded in outcomes:
        if succeeded:
            circuit.succeeded()
            since = 0
        else:
            circuit.failed()
            since += 1
        assert circuit.is_open == (since >= FAILURES)
        assert 0 <= circuit.wait_s <= SETTINGS.longest_backoff_s


@given(st.lists(st.one_of(st.integers(0, 9), st.none()), max_size=80))
def test_every_acknowledgement_is_written_once_and_in_order(steps: list[int | None]) -> None:
    written: list[list[int]] = []
    acknowledgements = Acknowledgements(lambda indices: written.append(list(indices)))
    for step in steps:
        acknowledgements.flush() if step is None else acknowledgements.add(step)
    acknowledgements.flush()
    assert [index for each in written for index in each] == [step for step in steps if step is not None]
    assert all(1 <= len(each) <= 16 for each in written)
