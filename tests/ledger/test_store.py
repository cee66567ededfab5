"""The ledger through its public doors: durability, one writer, states only by the table."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.errors import IllegalTransition, StoreError
from qsmnode.ledger import Store, states

UID = "2.25.1234"


def _add(store: Store, uid: str = UID, sha: str = "a", path: str = "instances/1.dcm") -> int:
    association = store.instances.open_association("mr1", "MR1", "127.0.0.1")
    return store.instances.add(
        sop_instance_uid=uid,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
        transfer_syntax="1.2.840.10008.1.2.1",
        sha256=sha,
        size=100,
        path=path,
        association_id=association,
    )


def test_a_second_writer_is_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    with Store(tmp_path / "store"), pytest.raises(StoreError, match=str(os.getpid())):
        Store(tmp_path / "store")
    Store(tmp_path / "store").close()


def test_a_reader_looks_beside_the_writer(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        _add(store)
        with Store(tmp_path / "store", read_only=True) as reader:
            assert reader.instances.counts() == {"received": 1}


def test_nothing_in_the_store_is_readable_by_others(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        _add(store)
        for path in [store.root, *store.root.rglob("*")]:
            assert path.stat().st_mode & 0o077 == 0, path


def test_rows_are_there_after_kill_9(tmp_path: Path) -> None:
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom qsmnode.ledger import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "a = store.instances.open_association('mr1', 'MR1', '127.0.0.1')\n"
        "store.instances.add(sop_instance_uid='2.25.1', sop_class_uid='1', transfer_syntax='1', sha256='x',"
        " size=1, path='instances/x', association_id=a)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path / "store")], check=False)
    assert ended.returncode == -9
    with Store(tmp_path / "store") as store:
        assert [row.sop_instance_uid for row in store.instances.unindexed()] == ["2.25.1"]


def test_same_uid_with_other_bytes_is_kept_and_flagged(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        _add(store, sha="a", path="instances/1.dcm")
        assert store.instances.known(UID, "a")
        assert not store.instances.known(UID, "b")
        _add(store, sha="b", path="instances/2.dcm")
        assert store.instances.counts() == {"received": 1, "conflicting": 1}
        assert [row.sha256 for row in store.instances.unindexed()] == ["a"]


@pytest.mark.parametrize("again_first", [True, False])
def test_what_cannot_be_read_makes_room_for_the_next_under_its_uid(tmp_path: Path, again_first: bool) -> None:
    with Store(tmp_path / "store") as store:
        cut = _add(store, sha="cut", path="instances/1.dcm")
        if again_first:
            _add(store, sha="whole", path="instances/2.dcm")
        store.instances.unreadable(cut, "cut short; send it again")
        if not again_first:
            assert store.instances.absent([UID]) == [UID]
            _add(store, sha="whole", path="instances/2.dcm")
        assert [row.sha256 for row in store.instances.unindexed()] == ["whole"]
        assert store.instances.counts() == {"received": 1, "unreadable": 1}
        assert store.instances.absent([UID]) == []
        assert store.instances.known(UID, "cut")


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        with pytest.raises(sqlite3.IntegrityError):
            _add(store, path="instances/same"), _add(store, uid="2.25.9", path="instances/same")
        assert len(store.instances.unindexed()) == 1


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b""])
def test_a_damaged_ledger_is_refused_and_an_empty_file_is_begun(tmp_path: Path, content: bytes) -> None:
    root = tmp_path / "store"
    Store(root).close()
    for leftover in root.glob("ledger.sqlite*"):
        leftover.unlink()
    (root / "ledger.sqlite").write_bytes(content)
    if content:
        with pytest.raises(StoreError, match="not a usable ledger"):
            Store(root)
    else:
        Store(root).close()


@pytest.mark.parametrize("call", ["mkdir", "open", "ftruncate", "pwrite"])
def test_a_full_disk_is_named_where_the_store_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    really = getattr(os, call)
    calls = []

    def full(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) == at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really(*arguments, **options)

    for at in range(1, 20):
        calls.clear()
        with monkeypatch.context() as patched, contextlib.suppress(StoreError):
            patched.setattr(os, call, full)
            Store(tmp_path / f"store {at}").close()
        if len(calls) < at:
            break
        Store(tmp_path / f"store {at}").close()  # with room again
    assert 1 < at < 19


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.mkdir()
    connection = sqlite3.connect(root / "ledger.sqlite")
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="not a qsmnode ledger"):
        Store(root)


def _job(store: Store) -> int:
    acquisition = store.acquisitions.open("1.2", "k", deadline_at=1.0)
    return store.jobs.queue(acquisition, "qsm", "hash", {"route": "brain"})


def test_a_job_is_queued_once_and_claimed_once(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        job = _job(store)
        assert store.jobs.queue(1, "qsm", "hash", {}) == job
        claimed = store.jobs.claim(60)
        assert claimed is not None
        assert claimed.attempt == 1
        assert store.jobs.claim(60) is None


def test_a_stale_attempt_changes_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        _job(store)
        first = store.jobs.claim(60)
        assert first is not None
        store.jobs.release(first.id, "restart")
        second = store.jobs.claim(60)
        assert second is not None
        assert second.failures == 0
        store.jobs.fail(first, "late news", retry_at=None)
        assert store.jobs.get(first.id).state == "running"
        assert not store.jobs.report(first, 0.5, "step", 60)
        assert store.jobs.report(second, 0.5, "step", 60)


def test_a_delivery_resumes_after_the_objects_already_acknowledged(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        job = _job(store)
        objects = [("1.2", f"2.25.{i}", f"products/{i}") for i in range(3)]
        store.deliveries.add_product(job, "qsm", "2.25.99", objects, ["pacs"])
        delivery = store.deliveries.claim([])
        assert delivery is not None
        store.deliveries.acknowledged(delivery, store.deliveries.unsent(delivery)[:2])
        store.deliveries.release_all_sending()
        again = store.deliveries.claim([])
        assert again is not None
        assert [item.sop_instance_uid for item in store.deliveries.unsent(again)] == ["2.25.2"]
        assert store.deliveries.claim([]) is None


def test_a_busy_peer_gets_no_second_sender(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        store.deliveries.add_product(_job(store), "qsm", "2.25.99", [("1.2", "2.25.1", "p")], ["a", "b"])
        claimed = store.deliveries.claim(["a"])
        assert claimed is not None
        assert claimed.peer == "b"


def test_waiters_wake_on_a_commit(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        before = store.database.version
        thread = threading.Thread(target=_add, args=(store,))
        thread.start()
        assert store.database.wait_for_change(before, 30) > before
        thread.join()


@given(st.sampled_from(sorted(states.TRANSITIONS)), st.text(max_size=12), st.text(max_size=12))
def test_only_listed_changes_pass(entity: str, before: str, after: str) -> None:
    if after in states.TRANSITIONS[entity].get(before, set()):
        states.check(entity, 1, before, after)
    else:
        with pytest.raises(IllegalTransition, match="not permitted"):
            states.check(entity, 1, before, after)


def test_every_state_of_the_table_is_one_of_the_schema(tmp_path: Path) -> None:
    schema = (Path(states.__file__).parent / "schema.sql").read_text()
    for entity, table in states.TRANSITIONS.items():
        definition = schema.partition(f"CREATE TABLE {entity} ")[2].partition(";")[0]
        for state, successors in table.items():
            assert f"'{state}'" in definition
            assert successors <= set(table)


def test_a_look_that_changes_nothing_wakes_nobody(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        before = store.database.version
        assert store.jobs.claim(60) is None
        assert store.deliveries.claim([]) is None
        assert store.database.version == before


def test_what_was_purged_may_come_again(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        first = _add(store, path="instances/1.dcm")
        store.instances.unreadable(first, "damaged")
        store.database.move("instance", first, "purged")
        assert not store.instances.known(UID, "a")
        _add(store, path="instances/2.dcm")
        assert len(store.instances.unindexed()) == 1


def test_a_study_with_an_image_that_no_acquisition_has_is_looked_at_after_a_restart(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        row = _add(store)
        store.instances.indexed(row, "2.25.9", "{}")
        assert store.acquisitions.unfinished_studies() == ["2.25.9"]
        acquisition = store.acquisitions.open("2.25.9", "k", deadline_at=1.0)
        store.acquisitions.set_members(acquisition, [row])
        store.acquisitions.move(acquisition, "ignored")
        assert store.acquisitions.unfinished_studies() == []
