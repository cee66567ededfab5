"""Rows against files at a start: what was acknowledged and is gone is said, and may come again."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from qsmnode.ledger import Store
from qsmnode.ledger.stock import take_stock


def _receive(store: Store, uid: str, sha: str = "a", size: int = 10) -> tuple[int, Path]:
    relative = f"instances/{uid}-{sha}-{store.instances.counts()}.dcm"
    store.path(relative).write_bytes(bytes(size))
    association = store.instances.open_association("mr1", "MR1", "127.0.0.1")
    row = store.instances.add(
        sop_instance_uid=uid,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
        transfer_syntax="1.2.840.10008.1.2.1",
        sha256=sha,
        size=size,
        path=relative,
        association_id=association,
    )
    return row, store.path(relative)


def test_what_is_whole_is_left_alone(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        _receive(store, "2.25.1")
        stock = take_stock(store)
        assert (stock.lost, stock.found, stock.lost_objects, stock.leftovers) == ((), (), (), 0)
        assert store.instances.counts() == {"received": 1}


@pytest.mark.parametrize("cut", [False, True])
def test_a_lost_file_is_reported_and_the_object_may_come_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, cut: bool
) -> None:
    with Store(tmp_path / "store") as store:
        row, path = _receive(store, "2.25.1")
        store.instances.indexed(row, "2.25.9", "{}")
        if cut:
            path.write_bytes(b"half")
        else:
            path.unlink()
        assert take_stock(store).lost == (row,)
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        assert "restore them" in caplog.text
        assert store.instances.counts() == {"lost": 1}
        assert [each.id for each in store.instances.unusable(5)] == [row]
        assert not store.instances.known("2.25.1", "a")
        assert store.instances.absent(["2.25.1"]) == ["2.25.1"]
        again, _ = _receive(store, "2.25.1")
        assert [each.id for each in store.instances.unindexed()] == [again]
        assert take_stock(store).lost == ()


def test_a_file_that_is_back_is_read_again_unless_it_came_again(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        rows = [_receive(store, uid) for uid in ("2.25.1", "2.25.2")]
        for _, path in rows:
            path.unlink()
        take_stock(store)
        _receive(store, "2.25.2")
        for _, path in rows:
            path.write_bytes(bytes(10))
        assert take_stock(store).found == (rows[0][0],)
        assert store.instances.counts() == {"received": 2, "lost": 1}


def test_an_object_to_be_sent_without_its_file_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Store(tmp_path / "store") as store:
        acquisition = store.acquisitions.open("1.2", "k", deadline_at=1.0)
        job = store.jobs.queue(acquisition, "qsm", "hash", {})
        objects = [("1.2", f"2.25.{n}", f"products/1-1/{n}.dcm") for n in range(3)]
        store.deliveries.add_product(job, "qsm", "2.25.99", objects, ["pacs"])
        delivery = store.deliveries.claim([])
        assert delivery is not None
        store.deliveries.acknowledged(delivery, store.deliveries.unsent(delivery)[:1])
        store.path("products/1-1").mkdir()
        store.path("products/1-1/2.dcm").write_bytes(b"whole")
        assert len(take_stock(store).lost_objects) == 1  # the first was sent, the third is there
        assert "still to be sent" in caplog.text


def test_files_of_products_that_nothing_refers_to_go(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        folder = store.path("products/7-1")
        folder.mkdir()
        (folder / "qsm-000001.dcm").write_bytes(b"never booked")
        assert take_stock(store).leftovers == 1
        assert list(store.path("products").iterdir()) == []
