"""Messages between bytes and values, and what follows from a report: no network."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmnode.config import DeliverySettings
from qsmnode.errors import PeerError
from qsmnode.ledger import Store
from qsmnode.node.commitment.decide import Next, after_report, is_for_good, wait_s
from qsmnode.node.commitment_messages import take_demand, take_report
from qsmnode.node.wire import command
from qsmnode.node.wire.commitment import (
    LONGEST,
    MOST_OBJECTS,
    Demand,
    TooMany,
    decode_demand,
    decode_report,
    encode_demand,
    encode_report,
)
from qsmnode.node.wire.uids import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    STORAGE_COMMITMENT,
    STORAGE_COMMITMENT_INSTANCE,
)

MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("pure") / "store") as opened:
        yield opened


UIDS = st.integers(1, 10**20).map(lambda number: f"2.25.{number}")
CODES = st.sampled_from([0, 0x0110, 0x0112, 0x0119, 0x0122, 0x0131, 0x0213, 0xFFFF])


@settings(max_examples=40)
@given(UIDS, st.lists(UIDS, min_size=1, max_size=20, unique=True))
def test_a_request_comes_back_as_it_went(transaction: str, uids: list[str]) -> None:
    demand = Demand(transaction, tuple((MR, uid) for uid in uids))
    assert decode_demand(encode_demand(demand), IMPLICIT_LITTLE) == demand


@settings(max_examples=40)
@given(UIDS, st.dictionaries(UIDS, CODES, min_size=1, max_size=20))
@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE])
def test_a_report_comes_back_as_it_went(syntax: str, transaction: str, verdicts: dict[str, int]) -> None:
    event, raw = encode_report(transaction, [(MR, uid, code) for uid, code in verdicts.items()], syntax)
    assert event == (2 if any(verdicts.values()) else 1)
    read = decode_report(raw, syntax)
    assert (read.transaction_uid, dict(read.verdicts)) == (transaction, verdicts)


@given(st.binary(max_size=300))
def test_noise_is_refused_in_words(raw: bytes) -> None:
    for syntax in (IMPLICIT_LITTLE, EXPLICIT_LITTLE):
        with contextlib.suppress(PeerError):
            assert decode_demand(raw, syntax).objects
        with contextlib.suppress(PeerError):
            decode_report(raw, syntax)


@given(st.data())
def test_a_message_with_flipped_bytes_is_read_or_refused(data: st.DataObject) -> None:
    _, raw = encode_report("2.25.1", [(MR, f"2.25.{n}", n % 2 * 0x112) for n in range(2, 6)], IMPLICIT_LITTLE)
    changed = bytearray(raw)
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=4)):
        changed[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(PeerError):
        decode_report(bytes(changed), IMPLICIT_LITTLE)


def test_a_request_for_more_than_any_exam_has_is_refused_before_it_is_unpacked() -> None:
    """Half a million empty items in 4 MB would become hundreds of megabytes."""
    items = bytes.fromhex("feff00e000000000") * (LONGEST // 8)
    raw = bytes.fromhex("08009911") + len(items).to_bytes(4, "little") + items
    tracemalloc.start()
    try:
        with pytest.raises(TooMany, match="objects; at most 20000"):
            decode_demand(raw, IMPLICIT_LITTLE)
        with pytest.raises(TooMany, match="objects; at most 20000"):
            decode_report(raw, IMPLICIT_LITTLE)
        assert tracemalloc.get_traced_memory()[1] < LONGEST
    finally:
        tracemalloc.stop()


def test_as_many_objects_as_are_taken_fit_into_a_message() -> None:
    longest = "2.25." + "9" * 59
    failed = (longest, longest, 0x0112)
    sizes = [len(encode_report(longest, [failed] * count, EXPLICIT_LITTLE)[1]) for count in (1, 2)]
    assert sizes[0] + (sizes[1] - sizes[0]) * MOST_OBJECTS < LONGEST


def test_what_is_named_as_kept_and_as_failed_has_failed() -> None:
    twice = [(MR, "2.25.2", 0), (MR, "2.25.2", 0x0112)]
    _, raw = encode_report("2.25.1", twice, IMPLICIT_LITTLE)
    assert decode_report(raw, IMPLICIT_LITTLE).verdicts == {"2.25.2": 0x0112}


@given(
    st.sampled_from(["pending", "sending", "sent", "committed", "unconfirmed", "parked", "held"]),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(1, 9),
)
def test_only_a_report_on_everything_commits(
    state: str, uncommitted: int, lacking: int, rounds: int, most: int
) -> None:
    after = after_report(
        state,
        uncommitted=uncommitted,
        lacking=min(lacking, uncommitted),
        rounds=rounds,
        most_rounds=most,
    )
    waits = state in ("sent", "unconfirmed")
    assert (after is Next.COMMIT) == (waits and uncommitted == 0)
    assert (after in (Next.RESEND, Next.PARK)) == (waits and min(lacking, uncommitted) > 0)
    assert after is not Next.RESEND or rounds + 1 < most


@given(st.integers(0, 500))
def test_the_wait_grows_to_its_limit(tries: int) -> None:
    usual = DeliverySettings()
    assert usual.first_backoff_s <= wait_s(tries, usual) <= wait_s(tries + 1, usual)
    assert wait_s(tries, usual) <= usual.longest_backoff_s


def test_who_does_not_know_the_service_is_not_asked_again() -> None:
    assert all(is_for_good(code) for code in (0x0112, 0x0118, 0x0122, 0x0123, 0x0124, 0x0211))
    assert not any(is_for_good(code) for code in (0x0000, 0x0110, 0x0213))


ELEMENTS = st.sampled_from(
    [
        command.AFFECTED_SOP_CLASS,
        command.AFFECTED_SOP_INSTANCE,
        command.REQUESTED_SOP_CLASS,
        command.REQUESTED_SOP_INSTANCE,
        command.EVENT_TYPE,
        command.ACTION_TYPE,
    ]
)
VALUES = st.sampled_from([STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE, "", "2.25.1", 0, 1, 2, 3])
KINDS = st.sampled_from([command.N_ACTION_RQ, command.N_EVENT_REPORT_RQ, command.C_STORE_RQ])
DATA = st.binary(max_size=80) | st.sampled_from(
    [
        encode_demand(Demand("2.25.9", ((MR, "2.25.2"),))),
        encode_report("2.25.9", [(MR, "2.25.2", 0)], EXPLICIT_LITTLE)[1],
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    KINDS,
    st.dictionaries(ELEMENTS, VALUES),
    DATA,
    st.sampled_from([IMPLICIT_LITTLE, EXPLICIT_LITTLE]),
)
def test_whatever_is_said_is_answered_with_a_status(
    store: Store, kind: int, elements: dict[int, command.Value], raw: bytes, syntax: str
) -> None:
    """Commands of any elements and data sets of any bytes, right ones among them."""
    said = {command.COMMAND_FIELD: kind, **elements}
    code, promise = take_demand(store, "mr1", said, raw, syntax, 0.0)
    assert 0 <= code <= 0xFFFF
    assert (code == 0) == (promise is not None)
    # nobody was asked: no report is ever taken
    assert take_report(store, "mr1", said, raw, syntax) in (0x0112, 0x0113, 0x0115, 0x0118, 0x0211)
