"""The audit trail's files: private, bounded, whole after a crash; a reader goes on where it stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmnode.errors import StoreError
from qsmnode.observe.audit_trail import Reader, Trail, numbers


def _read(reader: Reader, most: int = 10_000) -> list[bytes]:
    found = []
    while len(found) < most and (item := reader.next()) is not None:
        found.append(item[0])
        reader.done(item[1])
    return found


def test_what_is_written_is_read_once(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "audit", 1000, 5)
    reader = Reader(tmp_path / "audit")
    assert reader.next() is None
    trail.append(b"one")
    trail.append(b"two\nlines")
    assert _read(reader, 1) == [b"one"]
    assert _read(Reader(tmp_path / "audit")) == [b"two lines"]
    trail.append(b"three")
    assert _read(Reader(tmp_path / "audit")) == [b"three"]
    trail.close()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(0, 40))
def test_old_files_go_and_the_rest_is_read_in_order(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], read_first: int
) -> None:
    folder = tmp_path_factory.mktemp("trail") / "audit"
    trail = Trail(folder, 100, 3)
    reader = Reader(folder)
    sent = [b"%03d" % number + bytes([65]) * length for number, length in enumerate(lengths)]
    got = []
    for number, line in enumerate(sent):
        trail.append(line)
        if number < read_first:
            got += _read(reader)
    got += _read(reader)
    trail.close()
    assert got == sorted(got)
    assert set(got) <= set(sent)
    assert got[-1] == sent[-1]
    assert (len(got) == len(sent)) or reader.skipped or read_first == 0
    assert len(numbers(folder)) <= 3
    assert sum(path.stat().st_size for path in folder.glob("*.log")) <= 3 * 100


def test_a_line_that_a_crash_cut_off_is_no_message(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "audit", 1000, 5)
    trail.append(b"whole")
    trail.close()
    (path,) = (tmp_path / "audit").glob("*.log")
    path.write_bytes(path.read_bytes() + b"hal")
    assert _read(Reader(tmp_path / "audit")) == [b"whole"]
    again = Trail(tmp_path / "audit", 1000, 5)
    again.append(b"next")
    again.close()
    assert path.read_bytes() == b"whole\nnext\n"


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "a" / "audit", 1000, 5)
    trail.append(b"x")
    Reader(trail.folder).done(Reader(trail.folder).next()[1])  # type: ignore[index]
    for path in (trail.folder, *trail.folder.iterdir()):
        assert path.stat().st_mode & 0o077 == 0
    trail.close()


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"choose audit\.folder"):
        Trail(tmp_path / "file", 1000, 5)
