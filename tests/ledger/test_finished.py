"""What is over of storage commitment goes after a while, and nothing else with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.ledger import Store
from qsmnode.ledger import finished as module
from qsmnode.ledger.commitments import COMMITTED

OLD, NEW = 1000.0, 9000.0
BEFORE = 5000.0
OBJECTS = [("1.2", "2.25.1"), ("1.2", "2.25.2")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as opened:
        yield opened


def _delivery(store: Store, state: str) -> int:
    acquisition = store.acquisitions.open("2.25.9", f"key {state}", deadline_at=9e9)
    job = store.jobs.queue(acquisition, "qsm", state, {})
    store.deliveries.add_product(job, "qsm", "2.25.8", [("1.2", "2.25.1", f"products/{job}")], ["pacs"])
    (row,) = store.deliveries.of_job(job)
    for step in ("sending", "sent", state):
        store.database.move("delivery", row.id, step)
    return row.id


def _asked(store: Store, way: list[str], deadline_at: float, delivery_id: int | None = None) -> int:
    row = store.commitments.begin("pacs", OBJECTS, deadline_at=deadline_at, delivery_id=delivery_id)
    for state in way:
        store.database.move("commitment", row, state)
    return row


def _promised(store: Store, uid: str, way: list[str], at: float) -> int:
    row = store.promises.ask("mr1", uid, OBJECTS, at)
    assert row is not None
    for state in way:
        store.database.move("promise", row, state)
    with store.database.transaction() as connection:
        connection.execute("UPDATE promise SET created_at = ? WHERE id = ?", (at, row))
    return row


def _ids(store: Store, table: str) -> list[int]:
    return [row["id"] for row in store.database.rows(f"SELECT id FROM {table} ORDER BY id")]


def _children(store: Store, table: str) -> set[int]:
    return {row["i"] for row in store.database.rows(f"SELECT DISTINCT {table}_id AS i FROM {table}_object")}


def test_what_is_over_for_long_goes_with_its_objects_and_its_history(store: Store) -> None:
    settled = ["asked", "answered", "settled"]
    goes = [
        _asked(store, settled, OLD),
        _asked(store, ["lost"], OLD),
        _asked(store, ["asked", "expired"], OLD, _delivery(store, "committed")),
    ]
    stays = [
        _asked(store, settled, NEW),
        _asked(store, [], OLD),
        _asked(store, ["asked"], OLD),
        _asked(store, ["asked", "answered"], OLD),
        _asked(store, ["asked", "expired"], OLD, _delivery(store, "unconfirmed")),
        _asked(store, ["asked"], NEW),
    ]
    promises = [
        _promised(store, f"2.25.{number}", way, at)
        for number, (way, at) in enumerate(
            [
                (["checked", "reported"], OLD),
                (["checked", "parked"], OLD),
                (["checked", "reported"], NEW),
                (["checked"], OLD),
                ([], OLD),
            ]
        )
    ]
    assert store.finished_requests.prune(BEFORE) == 5
    assert _ids(store, "commitment") == stays
    assert _children(store, "commitment") == set(stays)
    assert _ids(store, "promise") == promises[2:]
    assert _children(store, "promise") == set(promises[2:])
    told = store.database.rows("SELECT DISTINCT row_id AS i FROM event WHERE entity = 'commitment'")
    assert {row["i"] for row in told}.isdisjoint(goes)
    assert store.database.rows("SELECT 1 FROM event WHERE entity = 'delivery'")
    assert store.finished_requests.prune(BEFORE) == 0


def test_no_number_is_used_twice(store: Store) -> None:
    """Neither a request's nor an event's: whoever follows the events by number would miss one."""
    _asked(store, ["lost"], OLD)
    row = _asked(store, ["lost"], OLD)
    last = store.database.rows("SELECT max(id) AS i FROM event")[0]["i"]
    assert store.finished_requests.prune(BEFORE) == 1
    assert _asked(store, [], NEW) > row
    store.database.move("commitment", row + 1, "lost")
    assert store.database.rows("SELECT max(id) AS i FROM event")[0]["i"] > last


def test_a_late_report_of_what_is_kept_still_counts_and_of_what_went_is_unknown(store: Store) -> None:
    kept, gone = _asked(store, ["asked", "expired"], NEW), _asked(store, ["asked", "expired"], OLD)
    _asked(store, [], NEW)
    uids = {row.id: row.transaction_uid for row in store.commitments.all()}
    store.finished_requests.prune(BEFORE)
    verdicts = {uid: COMMITTED for _, uid in OBJECTS}
    assert store.commitments.report("pacs", uids[kept], verdicts) is True
    assert store.commitments.report("pacs", uids[gone], verdicts) is None
    again = store.promises.ask("mr1", "2.25.7", OBJECTS, OLD)
    assert again is not None


@given(st.integers(1, 7))
def test_many_go_in_parts(tmp_path_factory: pytest.TempPathFactory, together: int) -> None:
    with Store(tmp_path_factory.mktemp("many")) as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_TOGETHER", together)
        for _ in range(6):
            _asked(store, ["lost"], OLD)
        assert store.finished_requests.prune(BEFORE) == 5  # the newest keeps its number
