"""Headers are read in a process of its own: what ends that process is told apart, nothing else suffers."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import struct
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from qsmnode.dicom.instance import Instance, read_instance
from qsmnode.errors import UnreadableDicom
from qsmnode.node.headers import HeaderLimits, HeaderReader
from qsmnode.node.wire.part10 import encode_front

MR = "1.2.840.10008.5.1.4.1.1.4"
WriteObject = Callable[..., Path]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Callable[..., HeaderReader]]:
    """reader(limit=value): a HeaderReader of this test's folder, closed at its end."""
    made: list[HeaderReader] = []

    def make(**limits: Any) -> HeaderReader:
        made.append(HeaderReader(tmp_path, HeaderLimits(**limits)))
        return made[-1]

    yield make
    for each in made:
        each.close()


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    """An element in explicit VR little endian."""
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    if vr in (b"SQ", b"OW", b"OB", b"UN"):
        return head + struct.pack("<2xI", len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def plain(*more: bytes) -> bytes:
    """A data set that names itself, with more elements behind."""
    uids = ((0x00080016, MR), (0x00080018, "1.2.3"), (0x0020000D, "1.2.4"), (0x0020000E, "1.2.5"))
    named = [element(tag, b"UI", uid.encode().ljust(len(uid) + len(uid) % 2, b"\0")) for tag, uid in uids]
    return b"".join([*named, *more])


def nested(depth: int) -> bytes:
    """A sequence in a sequence in a sequence, each of undefined length."""
    begin = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
    return begin * depth + b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0" * depth


def image(rows: int, columns: int, frames: str) -> bytes:
    """Elements of an image of that size, with the pixels of none."""
    return (
        element(0x00280008, b"IS", frames.encode())
        + element(0x00280010, b"US", struct.pack("<H", rows))
        + element(0x00280011, b"US", struct.pack("<H", columns))
        + element(0x00280100, b"US", struct.pack("<H", 16))
    )


def bomb(megabytes: int) -> bytes:
    """A deflated data set that claims 4 GB of pixels, and inflates to so much."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = plain(image(65535, 65535, "99999999")) + b"\xe0\x7f\x10\0OW\0\0" + struct.pack("<I", 0xFFFFFFF0)
    begin = squeezer.compress(head) + squeezer.flush(zlib.Z_FULL_FLUSH)
    zeros = squeezer.compress(bytes(1_000_000)) + squeezer.flush(zlib.Z_FULL_FLUSH)  # stands for itself
    return begin + zeros * megabytes + squeezer.flush()


DEFLATED, EXPLICIT = DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a deflated bomb": (DEFLATED, lambda: bomb(800), "cut short"),
    "10,000 nested sequences": (EXPLICIT, lambda: plain(nested(10_000)), ""),
    "65535 x 65535 x 99,999,999 frames": (
        EXPLICIT,
        lambda: plain(image(65535, 65535, "99999999"), element(0x7FE00010, b"OW", bytes(16))),
        "",
    ),
    "an element that claims 4 GB": (
        EXPLICIT,
        lambda: plain(b"\x29\0\x10\x10UN\0\0" + struct.pack("<I", 0xFFFFFFF0)),
        "",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_told_apart_within_128_mb(
    reader: Callable[..., HeaderReader], write_object: WriteObject, tmp_path: Path, what: str
) -> None:
    syntax, data_set, words = HOSTILE[what]
    hostile = tmp_path / "hostile.dcm"
    hostile.write_bytes(encode_front(MR, "1.2.3", syntax, "MR1") + data_set())
    expected = read_instance(write_object(tmp_path / "good.dcm", "1.2.9"))
    found = list(reader(memory_mb=128).read(["good.dcm", "hostile.dcm", "good.dcm"]))
    assert [found[0], found[2]] == [expected, expected]
    if isinstance(found[1], Instance):
        assert found[1].not_source  # kept and ignored: nothing is ever computed on it
    else:
        assert re.match(rf"hostile\.dcm: .*({words})", str(found[1]))


def test_the_size_once_inflated_has_a_limit(reader: Callable[..., HeaderReader], tmp_path: Path) -> None:
    (tmp_path / "bomb.dcm").write_bytes(encode_front(MR, "1.2.3", DEFLATED, "MR1") + bomb(2))
    (found,) = reader(expanded_mb=1000).read(["bomb.dcm"])
    assert "expected at most 1000 MB" in str(found)


def test_a_file_without_an_end_is_given_up_and_the_rest_is_read(
    reader: Callable[..., HeaderReader], write_object: WriteObject, tmp_path: Path
) -> None:
    write_object(tmp_path / "good.dcm", "1.2.9")
    os.mkfifo(tmp_path / "endless.dcm")  # opening it waits for somebody who never writes
    first, endless, last = reader(timeout_s=0.7).read(["good.dcm", "endless.dcm", "good.dcm"])
    assert isinstance(first, Instance)
    assert first == last
    assert str(endless) == "endless.dcm: its header takes longer than 0.7 s to read"


def test_a_process_that_somebody_else_ends_costs_no_file(
    reader: Callable[..., HeaderReader], write_object: WriteObject, tmp_path: Path
) -> None:
    write_object(tmp_path / "good.dcm", "1.2.9")
    own = reader()
    (first,) = own.read(["good.dcm"])
    before = readers()
    os.kill(before[0], signal.SIGKILL)
    (found,) = own.read(["good.dcm"])
    assert isinstance(found, Instance)
    assert found == first
    assert readers() != before
    own.close()
    assert readers() == []


def test_closing_ends_what_is_being_read(reader: Callable[..., HeaderReader], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless.dcm")
    own = reader()
    found: list[Instance | UnreadableDicom] = []
    thread = threading.Thread(target=lambda: found.extend(own.read(["endless.dcm"])))
    thread.start()
    while not readers():
        time.sleep(0.01)
    own.close()
    thread.join(20)
    assert not thread.is_alive()
    assert found == []
    assert readers() == []


def test_closing_while_the_process_starts_ends_it_too(
    reader: Callable[..., HeaderReader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forked, go_on = threading.Event(), threading.Event()
    ordinary = subprocess.Popen

    def slow(*arguments: Any, **more: Any) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = ordinary(*arguments, **more)
        forked.set()
        assert go_on.wait(20)
        return process

    monkeypatch.setattr("qsmnode.node.headers.subprocess.Popen", slow)
    os.mkfifo(tmp_path / "endless.dcm")
    own = reader()
    reading = threading.Thread(target=lambda: list(own.read(["endless.dcm"])))
    closing = threading.Thread(target=own.close)
    reading.start()
    assert forked.wait(20)
    closing.start()
    closing.join(0.2)
    go_on.set()
    for thread in (closing, reading):
        thread.join(20)
        assert not thread.is_alive()
    assert readers() == []


def readers() -> list[int]:
    """The processes of this one that read headers."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            with contextlib.suppress(OSError):
                if b"header_process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
    return found
