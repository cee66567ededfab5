"""When a peer is asked, and when nothing is sent to it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
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


@given(st.lists(st.integers(0, 9), max_size=80))
def test_every_acknowledgement_is_written_once_and_in_order(indices: list[int]) -> None:
    written: list[int] = []
    with Acknowledgements(written.extend) as acknowledgements:
        for index in indices:
            acknowledgements.add(index)
    assert written == indices


def test_a_write_that_fails_is_told_to_whoever_sends() -> None:
    def write(_: Sequence[int]) -> None:
        raise OSError("the disk is on fire")

    def send(count: float, error: Exception | None = None) -> None:
        with Acknowledgements(write) as acknowledgements:
            while count > 0:
                acknowledgements.add(1)
                count -= 1
            if error is not None:
                raise error

    with pytest.raises(OSError, match="on fire"):
        send(1)
    with pytest.raises(OSError, match="on fire"):
        send(float("inf"))  # before the end, too
    with pytest.raises(KeyError):
        send(0, KeyError())  # what ended the sending is not hidden
