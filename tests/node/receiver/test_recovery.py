"""What a power cut may take is the ledger's last rows: the files that were acknowledged bring them back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qsmnode.node.wire import acse

Run = Callable[..., Any]
Dial = Callable[..., Any]
DATA_SET = b"\x08\0\x60\0CS\x02\0MR"
_COLUMNS = "sop_instance_uid, sop_class_uid, transfer_syntax, sha256, size, path, state"


def send(dial: Dial, port: int, *uids: str, more: bytes = b"") -> None:
    caller = dial(port)
    assert caller.ask() == acse.ASSOCIATE_AC
    for uid in uids:
        caller.announce(uid)
        caller.data(DATA_SET + more, last=True)
        assert caller.status() == 0x0000
    caller.release()


def forget(node: Any, *uids: str) -> None:
    """Takes rows as a power cut does, and stops the node."""
    marks = ",".join("?" * len(uids))
    with node.store.database.transaction() as connection:
        connection.execute(f"DELETE FROM instance WHERE sop_instance_uid IN ({marks})", uids)
    node.stop()


def test_rows_that_were_lost_are_made_again_from_their_files(run_receiver: Run, dial: Dial) -> None:
    node = run_receiver()
    send(dial, node.port, "1.2.3", "1.2.4", "1.2.5")
    before = sorted(map(str, node.rows(_COLUMNS)))
    forget(node, "1.2.4", "1.2.5")
    node.start()
    assert sorted(map(str, node.rows(_COLUMNS))) == before
    first, again = node.rows(table="association")
    assert (again["peer"], again["calling_ae"], again["address"]) == ("mr1", "MR1", "not known")
    assert again["ended_at"] is not None
    assert first["address"] == "127.0.0.1"
    node.stop()
    node.start()
    assert len(node.rows(table="association")) == 2  # nothing is left to bring back


DAMAGES: dict[str, Callable[[Path], None]] = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-2]),
    "a byte changed": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"X"),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"  "),
    "never sealed": lambda path: path.write_bytes(bytes(128) + path.read_bytes()[128:]),
    "empty": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_not_whole_was_never_acknowledged(run_receiver: Run, dial: Dial, damage: str) -> None:
    node = run_receiver()
    send(dial, node.port, "1.2.3")
    (file,) = node.files()
    forget(node, "1.2.3")
    DAMAGES[damage](file)
    node.start()
    assert node.rows() == node.files() == []


def test_what_was_purged_stays_away(run_receiver: Run, dial: Dial) -> None:
    node = run_receiver()
    send(dial, node.port, "1.2.3")
    (file,) = node.files()
    with node.store.database.transaction() as connection:
        connection.execute("UPDATE instance SET state = 'purged'")
    node.stop()
    assert file.exists()  # the power went before the file
    node.start()
    assert node.files() == []
    assert [row["state"] for row in node.rows()] == ["purged"]


def test_a_second_copy_of_the_same_object_goes(run_receiver: Run, dial: Dial) -> None:
    node = run_receiver()
    send(dial, node.port, "1.2.3")
    (file,) = node.files()
    node.stop()
    file.with_name("0123.dcm").write_bytes(file.read_bytes())
    node.start()
    assert node.files() == [file]
    assert len(node.rows()) == 1


def test_other_bytes_under_a_known_uid_are_flagged_again(run_receiver: Run, dial: Dial) -> None:
    node = run_receiver()
    send(dial, node.port, "1.2.3")
    send(dial, node.port, "1.2.3", more=b"\x08\0\x70\0LO\x02\0ab")
    node.stop()
    node.start()
    assert [row["state"] for row in node.rows()] == ["received", "conflicting"]
    assert len(node.files()) == 2
