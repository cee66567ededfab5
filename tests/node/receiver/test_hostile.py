"""Callers that break the rules: none gets near the disk, the memory or another peer's association."""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qsmnode.errors import PeerUnreachable
from qsmnode.node.wire import acse, command

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
DATA_SET = b"\x08\0\x60\0CS\x02\0MR"
Run = Callable[..., Any]
Dial = Callable[..., Any]


def until(condition: Callable[[], bool]) -> None:
    """Waits for something that another thread does soon; pytest's own limit ends it where it never does."""
    while not condition():
        time.sleep(0.01)


@pytest.mark.parametrize("uid", ["../../../pw", "/etc/passwd", "1.2.\x1b[2J", "1" * 65, ""])
def test_a_uid_that_is_none_never_gets_near_the_disk(
    run_receiver: Run, dial: Dial, tmp_path: Path, uid: str, caplog: pytest.LogCaptureFixture
) -> None:
    node = run_receiver()
    caller = dial(node.port)
    assert caller.ask() == acse.ASSOCIATE_AC
    before = set(tmp_path.rglob("*"))
    with caplog.at_level(logging.WARNING):
        caller.announce(uid)
        caller.data(DATA_SET, last=True)
        assert caller.status() == 0x0117
    assert "is not a UID" in caplog.text
    assert "\x1b" not in caplog.text
    assert set(tmp_path.rglob("*")) == before
    caller.announce("1.2.3")  # the association goes on
    caller.data(DATA_SET, last=True)
    assert caller.status() == 0x0000
    caller.release()
    assert [row["sop_instance_uid"] for row in node.rows()] == ["1.2.3"]


def test_a_class_that_is_not_the_contexts_is_refused(run_receiver: Run, dial: Dial) -> None:
    node = run_receiver()
    caller = dial(node.port)
    caller.ask()
    caller.announce("1.2.3", sop_class=SECONDARY_CAPTURE)
    caller.data(DATA_SET, last=True)
    assert caller.status() == 0x0122
    caller.say(1, {command.COMMAND_FIELD: 0x0020, command.MESSAGE_ID: 9, command.DATA_SET_TYPE: 0x0101})
    answer = caller.answer()
    assert (answer[command.STATUS], answer[command.COMMAND_FIELD]) == (0x0211, 0x8020)
    assert caller.echo() == 0x0000
    assert node.rows() == node.files() == []


@pytest.mark.parametrize("how", ["closed", "aborted", "reset"])
def test_an_object_that_broke_off_leaves_nothing(
    run_receiver: Run, dial: Dial, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    node = run_receiver()
    caller = dial(node.port)
    caller.ask()
    caller.announce("1.2.3")
    caller.data(DATA_SET, last=True)
    assert caller.status() == 0x0000
    caller.announce("1.2.4")
    caller.data(os.urandom(10_000), last=False)
    until(lambda: len(node.files()) == 2)
    if how == "aborted":
        caller.connection.send(acse.encode_abort(), 5)
    elif how == "reset":
        caller.link.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER: RST instead of FIN
        caller.link.close()
    caller.connection.close()
    until(lambda: node.rows(table="association")[0]["ended_at"] is not None)
    until(lambda: len(node.files()) == 1)
    assert [row["sop_instance_uid"] for row in node.rows()] == ["1.2.3"]


BROKEN = {
    "a foreign protocol": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "zeros": bytes(1000),
    "a request of 4 GB": struct.pack(">BxI", 1, 0xFFFFFFF0),
    "a request that lies about its items": acse.pdu(1, bytes(68) + b"\x10\0\xff\xff"),
    "data before an association": acse.pdu(4, bytes(20)),
    "a short request": acse.pdu(1, b"\0\1"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_association_request_is_cut_off(run_receiver: Run, dial: Dial, what: str) -> None:
    node = run_receiver()
    caller = dial(node.port)
    caller.connection.send(BROKEN[what], 5)
    caller.until_closed()
    good = dial(node.port)
    assert good.ask() == acse.ASSOCIATE_AC
    assert good.echo() == 0x0000


INSIDE = {
    "a data PDU larger than agreed": struct.pack(">BxI", 4, 1 << 28),
    "a value longer than its PDU": acse.pdu(4, struct.pack(">IBB", 1000, 1, 3) + b"abc"),
    "a context that was not accepted": acse.pdu(4, struct.pack(">IBB", 2 + 12, 99, 3) + bytes(12)),
    "a data set without a command": acse.pdu(4, struct.pack(">IBB", 12, 1, 2) + DATA_SET),
    "a command that is none": acse.pdu(4, struct.pack(">IBB", 12, 1, 3) + b"0123456789"),
    "another request": acse.pdu(1, bytes(100)),
}


@pytest.mark.parametrize("what", INSIDE)
def test_what_has_no_place_in_an_association_aborts_it(run_receiver: Run, dial: Dial, what: str) -> None:
    node = run_receiver()
    caller = dial(node.port)
    caller.ask()
    caller.connection.send(INSIDE[what], 5)
    assert caller.next_type() == acse.ABORT
    good = dial(node.port)
    good.ask()
    assert good.echo() == 0x0000


def test_an_endless_command_is_cut_off(run_receiver: Run, dial: Dial) -> None:
    node = run_receiver()
    caller = dial(node.port)
    caller.ask()
    piece = acse.pdu(4, struct.pack(">IBB", 2 + 16000, 1, 1) + bytes(16000))
    with contextlib.suppress(PeerUnreachable):  # it may be cut off before all of it is sent
        for _ in range(100):
            caller.connection.send(piece, 5)
    caller.until_closed()


def test_a_silent_connection_ends_by_itself_and_blocks_nobody(run_receiver: Run, dial: Dial) -> None:
    node = run_receiver(limits={"acse_timeout_s": 2.0, "disk_reserve_mb": 0})
    silent = dial(node.port)
    partial = dial(node.port)
    partial.connection.send(struct.pack(">BxI", 1, 200) + bytes(10), 5)
    good = dial(node.port)
    assert good.ask() == acse.ASSOCIATE_AC
    for caller in (silent, partial):
        caller.until_closed()


def test_silence_in_the_middle_of_an_object_ends_it(run_receiver: Run, dial: Dial) -> None:
    node = run_receiver(limits={"dimse_timeout_s": 0.5, "disk_reserve_mb": 0})
    caller = dial(node.port)
    caller.ask()
    caller.announce("1.2.3")
    caller.data(DATA_SET, last=False)
    assert caller.next_type() == acse.ABORT
    until(lambda: node.files() == [])


def test_a_flood_of_silent_connections_keeps_no_peer_out(run_receiver: Run, dial: Dial) -> None:
    node = run_receiver()
    flood = [dial(node.port, source="127.0.0.2") for _ in range(150)]
    caller = dial(node.port)
    assert caller.ask() == acse.ASSOCIATE_AC
    assert caller.echo() == 0x0000
    assert len(flood) == 150


def test_one_association_too_many_is_a_transient_rejection(run_receiver: Run, dial: Dial) -> None:
    node = run_receiver(limits={"max_associations": 2, "disk_reserve_mb": 0})
    first, second, third = (dial(node.port) for _ in range(3))
    assert [first.ask(), second.ask()] == [acse.ASSOCIATE_AC] * 2
    assert third.ask() == acse.ASSOCIATE_RJ
    first.release()

    def there_is_room() -> bool:
        return dial(node.port).ask() == acse.ASSOCIATE_AC

    until(there_is_room)


def test_stopping_ends_open_associations(run_receiver: Run, dial: Dial) -> None:
    node = run_receiver()
    idle, busy = dial(node.port), dial(node.port)
    idle.ask()
    busy.ask()
    busy.announce("1.2.3")
    busy.data(DATA_SET, last=False)
    until(lambda: len(node.files()) == 1)
    node.stop()
    assert idle.next_type() == busy.next_type() == acse.ABORT
    assert list((node.store.root / "instances").rglob("*.dcm")) == []
    node.start()
    assert node.rows() == []
