"""Names in advance: each is durable before it is used, and what is not used goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qsmnode.ledger import Store
from qsmnode.node.receiver import shelf as module
from qsmnode.node.receiver.shelf import Shelf
from qsmnode.node.wire import acse

DATA_SET = b"\x08\0\x60\0CS\x02\0MR"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as opened:
        yield opened


def files(store: Store) -> list[Path]:
    return sorted((store.root / "instances").rglob("*.dcm"))


def test_a_named_place_was_synced_with_its_folder(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: set[Path] = set()

    def sync(folder: Path) -> None:
        synced.update(folder.glob("*.dcm"))

    monkeypatch.setattr(module, "fsync_folder", sync)
    own, seen = Shelf(store), set()
    for number in range(200):
        place = own.place()
        os.close(place.descriptor)
        assert place.named == (place.path in synced)
        assert place.named == (number >= 3)
        assert (place.path.stat().st_size, place.path.stat().st_mode & 0o777) == (0, 0o600)
        assert place.path == store.path(place.relative)
        seen.add(place.path)
    assert len(seen) == 200
    own.clear()
    assert set(files(store)) == seen


def test_a_folder_that_cannot_be_synced_gives_no_place(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Shelf(store)
    for _ in range(3):
        os.close(own.place().descriptor)
    here = files(store)

    def fail(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "fsync_folder", fail)
    with pytest.raises(OSError, match="No space left"):
        own.place()
    assert files(store) == here
    monkeypatch.undo()
    place = own.place()
    os.close(place.descriptor)
    assert place.named


def test_a_long_association_leaves_its_objects_and_nothing_else(
    run_receiver: Callable[..., Any], dial: Callable[..., Any]
) -> None:
    node = run_receiver()
    caller = dial(node.port)
    assert caller.ask() == acse.ASSOCIATE_AC
    for number in range(10):
        caller.announce(f"1.2.{number}")
        caller.data(DATA_SET, last=True)
        assert caller.status() == 0x0000
    caller.release()
    assert len(node.files()) == len(node.rows()) == 10


def test_names_that_a_crash_left_go_at_the_start(
    run_receiver: Callable[..., Any], dial: Callable[..., Any]
) -> None:
    node = run_receiver()
    node.stop()
    with Store(node.config.node.store) as store:
        own = Shelf(store)
        for _ in range(4):
            os.close(own.place().descriptor)
        assert len(files(store)) > 4
    node.start()
    assert node.files() == node.rows() == []
