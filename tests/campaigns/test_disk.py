"""What a power cut leaves of a store, as the campaign plays it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.campaigns.disk import Disk


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """Of a store with one old folder and one old file."""
    root, shadow = tmp_path / "store", tmp_path / "shadow"
    (root / "old").mkdir(parents=True)
    (root / "old" / "file").write_text("old")
    shadow.mkdir()
    found = Disk(root, shadow)
    found.begin()
    return found


def _sync(disk: Disk, path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        disk.synced(descriptor)
    finally:
        os.close(descriptor)


def _write(disk: Disk, name: str, text: str) -> Path:
    path = disk.root / name
    new = not path.exists()
    path.write_text(text)
    if new:
        disk.created(path.stat().st_ino)
    return path


def _left(disk: Disk) -> dict[str, str]:
    disk.cut()
    return {
        path.relative_to(disk.root).as_posix(): path.read_text()
        for path in disk.root.rglob("*")
        if path.is_file()
    }


def test_what_was_there_before_is_there_after(disk: Disk) -> None:
    _write(disk, "old/file", "new, not synced")
    assert _left(disk) == {"old/file": "old"}


def test_a_file_needs_its_name_synced_as_well_as_its_content(disk: Disk) -> None:
    _sync(disk, _write(disk, "old/no name", "content"))
    (disk.root / "new").mkdir()
    _sync(disk, _write(disk, "new/no folder", "content"))
    _sync(disk, disk.root / "new")
    assert _left(disk) == {"old/file": "old"}


def test_a_name_without_content_is_an_empty_file(disk: Disk) -> None:
    _write(disk, "old/empty", "content")
    _sync(disk, disk.root / "old")
    assert _left(disk) == {"old/file": "old", "old/empty": ""}


def test_a_folder_that_is_renamed_keeps_what_was_synced_in_it(disk: Disk) -> None:
    (disk.root / "there").mkdir()
    _sync(disk, _write(disk, "there/file", "content"))
    _sync(disk, disk.root / "there")
    (disk.root / "there").rename(disk.root / "here")
    _sync(disk, disk.root)
    assert _left(disk) == {"old/file": "old", "here/file": "content"}


def test_a_removal_that_was_not_synced_did_not_happen(disk: Disk) -> None:
    (disk.root / "old" / "file").unlink()
    assert _left(disk) == {"old/file": "old"}


def test_a_number_that_is_given_to_a_new_file_does_not_bring_the_old_one_back(disk: Disk) -> None:
    """As a file system does that gives a new file the number of one that was removed."""
    old = (disk.root / "old" / "file").stat().st_ino
    disk.created(old)
    (disk.root / "old" / "file").write_text("another")
    _sync(disk, disk.root / "old" / "file")
    assert _left(disk) == {"old/file": "old"}
    disk.begin()
    assert _left(disk) == {"old/file": "old"}
