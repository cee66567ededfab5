"""What reports do to the ledger, in whatever order and however often they come."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmnode.ledger import Store
from qsmnode.ledger.deliveries import DeliveryRow

MR = "1.2.840.10008.5.1.4.1.1.4"
UIDS = [f"2.25.{number}" for number in range(4)]


@contextmanager
def _sent() -> Iterator[tuple[Store, DeliveryRow]]:
    """A store with one delivery to `pacs` that is sent."""
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store") as store:
        acquisition = store.acquisitions.open("1.2", "key", deadline_at=9e9)
        job = store.jobs.queue(acquisition, "qsm", "hash", {})
        objects = [(MR, uid, f"products/{uid}") for uid in UIDS]
        store.deliveries.add_product(job, "qsm", "2.25.99", objects, ["pacs"])
        _send(store)
        yield store, store.deliveries.all()[0]


def _send(store: Store) -> None:
    delivery = store.deliveries.claim([])
    assert delivery is not None
    store.deliveries.acknowledged(delivery, store.deliveries.unsent(delivery))
    store.deliveries.sent(delivery.id)


def _ask(store: Store, delivery: DeliveryRow) -> str:
    row = store.commitments.begin(
        "pacs",
        store.commitments.uncommitted(delivery),
        deadline_at=time.time() + 60,
        delivery_id=delivery.id,
    )
    return store.commitments.get(row).transaction_uid


@settings(max_examples=10, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(UIDS), st.sampled_from([0, 0x112])), max_size=4))
def test_an_object_is_committed_when_some_report_says_so(reports: list[dict[str, int]]) -> None:
    """Each report answers a request of its own for all of it; what is repeated is no news."""
    with _sent() as (store, delivery):
        transactions = [_ask(store, delivery) for _ in reports]
        for transaction, verdicts in zip(transactions, reports, strict=True):
            asked = dict.fromkeys(UIDS)
            assert store.commitments.report("pacs", transaction, verdicts) is True
            assert store.commitments.report("pacs", transaction, dict.fromkeys(asked, 0)) is False
        said = {uid for verdicts in reports for uid, code in verdicts.items() if code == 0}
        left = {uid for _, uid in store.commitments.uncommitted(delivery)}
        assert left == set(UIDS) - said


def test_only_who_was_asked_is_believed() -> None:
    with _sent() as (store, delivery):
        transaction = _ask(store, delivery)
        assert store.commitments.report("other", transaction, dict.fromkeys(UIDS, 0)) is None
        assert store.commitments.report("pacs", "2.25.7", dict.fromkeys(UIDS, 0)) is None
        assert len(store.commitments.uncommitted(delivery)) == len(UIDS)
        assert store.commitments.report("pacs", transaction, {"2.25.77": 0}) is True
        assert len(store.commitments.uncommitted(delivery)) == len(UIDS)


def test_a_delivery_is_asked_about_once_and_again_after_a_restart() -> None:
    with _sent() as (store, delivery):
        assert [row.id for row in store.commitments.unasked("pacs")] == [delivery.id]
        assert store.commitments.unasked("other") == []
        transaction = _ask(store, delivery)
        assert store.commitments.unasked("pacs") == []
        store.commitments.lose_all_open()
        assert [row.id for row in store.commitments.unasked("pacs")] == [delivery.id]
        # nobody knows whether that request arrived: its report counts all the same
        assert store.commitments.report("pacs", transaction, dict.fromkeys(UIDS, 0)) is True
        assert store.commitments.uncommitted(delivery) == []


def test_a_late_report_on_what_was_sent_again_since_is_not_held_against_it() -> None:
    with _sent() as (store, delivery):
        first, second = _ask(store, delivery), _ask(store, delivery)
        store.commitments.report("pacs", second, {**dict.fromkeys(UIDS, 0), UIDS[0]: 0x112})
        row = store.commitments.all()[1]
        assert store.commitments.lacking(row) == {UIDS[0]: 0x112}
        store.commitments.resend(delivery, [UIDS[0]], "lost", 0.0)
        assert [item.sop_instance_uid for item in store.deliveries.unsent(delivery)] == [UIDS[0]]
        assert store.commitments.rounds(delivery) == 1
        assert [each.state for each in store.commitments.all()] == ["expired", "answered"]
        _send(store)
        assert store.commitments.report("pacs", first, {UIDS[0]: 0x112}) is True
        assert store.commitments.lacking(store.commitments.all()[0]) == {}


def test_retry_counts_the_rounds_anew() -> None:
    with _sent() as (store, delivery):
        store.commitments.resend(delivery, UIDS[:1], "lost", None)
        assert store.deliveries.get(delivery.id).state == "parked"
        store.deliveries.retry(delivery.id)
        assert store.commitments.rounds(delivery) == 0


def test_what_is_purged_while_it_is_looked_at_is_not_promised() -> None:
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store") as store:
        association = store.instances.open_association("mr1", "MR1", "127.0.0.1")
        ids = [
            store.instances.add(
                sop_instance_uid=uid,
                sop_class_uid=MR,
                transfer_syntax="1.2",
                sha256=uid,
                size=1,
                path=f"instances/{uid}",
                association_id=association,
            )
            for uid in UIDS[:2]
        ]
        asked = store.promises.ask("mr1", "2.25.50", [(MR, uid) for uid in UIDS[:2]], 0.0)
        assert asked is not None
        store.instances.unreadable(ids[1], "damaged")
        store.database.move("instance", ids[1], "purged")
        verdicts = [(uid, 0, [identity]) for uid, identity in zip(UIDS, ids, strict=False)]
        store.promises.keep(store.promises.get(asked), verdicts, 0x112)
        assert [item.failure for item in store.promises.objects_of(asked)] == [0, 0x112]
        assert store.promises.counts() == {"kept": 1}
        assert [row.id for row in store.promises.due(1.0)] == [asked]


@pytest.mark.parametrize("state", ["asking", "asked"])
def test_a_request_that_is_given_up_leaves_the_delivery_unconfirmed(state: str) -> None:
    with _sent() as (store, delivery):
        _ask(store, delivery)
        row = store.commitments.all()[0]
        if state == "asked":
            store.commitments.asked(row, time.time())
        assert store.commitments.overdue("pacs", time.time() + 61) == [store.commitments.get(row.id)]
        assert store.commitments.expire(row, "it has not reported")
        assert store.deliveries.get(delivery.id).state == "unconfirmed"
        assert not store.commitments.expire(row, "again")
