"""Deliveries to folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

OutboxOf = Callable[..., Any]
PLACE = "1.2.826.0.1.1/1.2.826.0.1.2"  # study and series of the test's objects


def test_files_are_whole_private_and_named_by_their_uids(outbox: OutboxOf, tmp_path: Path) -> None:
    box = outbox({"out": {"folder": str(tmp_path / "new" / "out")}})
    product = box.add(3, "out")
    box.start()
    box.wait("out", "sent")
    here = sorted(path for path in (tmp_path / "new").rglob("*") if path.is_file())
    assert [path.relative_to(tmp_path / "new" / "out").as_posix() for path in here] == [
        f"{PLACE}/1.2.{n}.dcm" for n in (1, 2, 3)
    ]
    for path in here:
        assert path.read_bytes() == box.sent_files[path.stem].read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert box.store.deliveries.unsent(box.delivery("out")) == []
    assert product == box.delivery("out").product_id


def test_the_same_file_again_changes_nothing(outbox: OutboxOf, tmp_path: Path) -> None:
    out = tmp_path / "out"
    box = outbox({"out": {"folder": str(out)}})
    box.add(2, "out")
    there = out / PLACE / "1.2.1.dcm"
    there.parent.mkdir(parents=True)
    there.write_bytes(box.sent_files["1.2.1"].read_bytes())
    before = there.stat()
    (out / PLACE / ".1.2.2.dcm.partial").write_bytes(b"what a crash left")
    box.start()
    box.wait("out", "sent")
    assert there.stat().st_mtime_ns == before.st_mtime_ns
    assert sorted(path.name for path in there.parent.iterdir()) == ["1.2.1.dcm", "1.2.2.dcm"]


def test_a_file_with_other_content_is_never_overwritten(outbox: OutboxOf, tmp_path: Path) -> None:
    out = tmp_path / "out"
    box = outbox({"out": {"folder": str(out)}})
    box.add(1, "out")
    there = out / PLACE / "1.2.1.dcm"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"somebody's")
    box.start()
    row = box.wait("out", "parked")
    assert "1.2.1.dcm is there with other content" in row.reason
    assert there.read_bytes() == b"somebody's"


def test_a_folder_that_cannot_be_written_is_tried_again(outbox: OutboxOf, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("a file stands where the folder should be")
    box = outbox({"out": {"folder": str(out)}}, attempts=1000)
    box.add(2, "out")
    box.start()
    row = box.wait_until(lambda: box.delivery("out").tries >= 2, "out")
    assert f"out (folder {out}): cannot be written" in row.reason
    out.unlink()
    box.wait("out", "sent")
    assert len(list(out.rglob("*.dcm"))) == 2
