"""A backup beside a node that writes: whole, private, and enough to go on from."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from qsmnode.errors import StoreError
from qsmnode.ledger import Store
from qsmnode.ledger.backup import FILES, LEDGER, back_up
from qsmnode.ledger.stock import take_stock


def _receive(store: Store, number: int) -> None:
    relative = f"instances/{number}.dcm"
    store.path(relative).write_bytes(bytes(number))
    association = store.instances.open_association("mr1", "MR1", "127.0.0.1")
    store.instances.add(
        sop_instance_uid=f"2.25.{number}",
        sop_class_uid="1.2",
        transfer_syntax="1.2",
        sha256="a",
        size=number,
        path=relative,
        association_id=association,
    )


def test_a_backup_while_the_node_writes_can_be_restored(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        for number in range(1, 11):
            _receive(store, number)
        stop = threading.Event()

        def write() -> None:
            number = 11
            while not stop.is_set():
                _receive(store, number)
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            with Store(tmp_path / "store", read_only=True) as reader:
                made = back_up(reader, tmp_path / "backup")
        finally:
            stop.set()
            writer.join()
        restored = tmp_path / "restored"
        restored.mkdir()
        shutil.copy(tmp_path / "backup" / LEDGER, restored)
        names = (tmp_path / "backup" / FILES).read_text().splitlines()
        for name in names:
            (restored / name).parent.mkdir(exist_ok=True)
            shutil.copy(store.path(name), restored / name)
    assert len(names) == made.files >= 10
    with Store(restored) as again:
        assert take_stock(again).lost == ()
        assert again.instances.counts() == {"received": made.files}
    for path in (tmp_path / "backup", *(tmp_path / "backup").iterdir()):
        assert path.stat().st_mode & 0o077 == 0


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    with Store(tmp_path / "store") as store, pytest.raises(StoreError, match="there already"):
        back_up(store, tmp_path / "backup")


def test_a_backup_that_fails_leaves_nothing_that_looks_like_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with Store(tmp_path / "store") as store:
        monkeypatch.setattr(store.database, "copy", full)
        with pytest.raises(StoreError, match="choose another place"):
            back_up(store, tmp_path / "backup")
        monkeypatch.undo()
        assert not (tmp_path / "backup").exists()
        assert back_up(store, tmp_path / "backup").files == 0
