"""The audit trail on disk: files of one message a line, readable by their owner, a bounded number of them.

They are the spool of the syslog server as well: its reader remembers how far it has come, and goes on there
when the server is back, however long it was away, as long as the files are still kept.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from qsmnode.errors import StoreError

_PATTERN = "audit-*.log"
_POSITION = "syslog.position"
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True, order=True)
class Position:
    """Behind a message: number of its file, and bytes into it."""

    file: int
    offset: int


class Trail:
    """Writes messages; safe for threads.

    Args:
        folder: made (0700) where it is missing.
        file_bytes: size at which the next file is begun.
        files: how many are kept.

    Raises:
        StoreError: the folder cannot be used.
    """

    def __init__(self, folder: Path, file_bytes: int, files: int) -> None:
        self.folder = folder
        self._file_bytes = file_bytes
        self._files = files
        self._lock = threading.Lock()
        self._written = threading.Condition()
        self._count = 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._number = max(numbers(folder), default=1)
            self._descriptor = self._open(self._number)
        except OSError as error:
            raise StoreError(
                f"{folder}: the audit trail cannot be kept there ({error.strerror}); choose audit.folder"
            ) from error

    def append(self, message: bytes) -> None:
        """Add one line, durable when this returns.

        Raises:
            OSError: it cannot be written.
        """
        line = message.replace(b"\n", b" ") + b"\n"
        with self._lock:
            size = os.fstat(self._descriptor).st_size
            if size and size + len(line) > self._file_bytes:
                self._next_file()
                size = 0
            try:
                _write_whole(self._descriptor, line)
                os.fsync(self._descriptor)
            except OSError:
                os.ftruncate(self._descriptor, size)  # no half line: the next message begins its own
                raise
        with self._written:
            self._count += 1
            self._written.notify_all()

    @property
    def count(self) -> int:
        """Grows with every message; what :meth:`wait` compares against."""
        with self._written:
            return self._count

    def wait(self, since: int, timeout_s: float) -> None:
        """Until a message is written after ``since``, or the time is up."""
        with self._written:
            self._written.wait_for(lambda: self._count > since, timeout_s)

    def wake(self) -> None:
        """Let whoever waits look again."""
        with self._written:
            self._count += 1
            self._written.notify_all()

    def close(self) -> None:
        """Nothing can be added afterwards."""
        with self._lock:
            os.close(self._descriptor)

    def _open(self, number: int) -> int:
        path = self.folder / f"audit-{number:08d}.log"
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.ftruncate(descriptor, _whole_lines(path))  # what a crash cut off is told again
        return descriptor

    def _next_file(self) -> None:
        opened = self._open(self._number + 1)
        os.close(self._descriptor)
        self._number, self._descriptor = self._number + 1, opened
        for number in sorted(numbers(self.folder))[: -self._files]:
            (self.folder / f"audit-{number:08d}.log").unlink()


class Reader:
    """Reads a trail from where the last one stopped.

    Args:
        folder: of the trail.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place = folder / _POSITION
        self._at = self._remembered()
        self.skipped = False

    def next(self) -> tuple[bytes, Position] | None:
        """The next message and the position behind it; None where there is none yet.

        ``skipped`` is true from then on where messages went with an old file before they were read.
        """
        there = sorted(numbers(self._folder))
        if there and self._at.file < there[0]:
            self.skipped = self.skipped or self._at.file > 0
            self._at = Position(there[0], 0)
        while True:
            found = self._read()
            if found is not None:
                return found
            later = [number for number in there if number > self._at.file]
            if not later:
                return None
            self._at = Position(later[0], 0)

    def done(self, position: Position) -> None:
        """Never read again up to here.

        Raises:
            OSError: it cannot be remembered.
        """
        partial = self._place.with_suffix(".partial")
        descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(f"{position.file} {position.offset}\n")
        partial.replace(self._place)
        self._at = position

    def _read(self) -> tuple[bytes, Position] | None:
        try:
            with (self._folder / f"audit-{self._at.file:08d}.log").open("rb") as stream:
                stream.seek(self._at.offset)
                line = stream.readline(_LONGEST_LINE)
        except FileNotFoundError:
            return None
        if not line.endswith(b"\n"):
            return None
        return line[:-1], Position(self._at.file, self._at.offset + len(line))

    def _remembered(self) -> Position:
        try:
            file, offset = map(int, self._place.read_text("ascii").split())
        except (FileNotFoundError, ValueError):
            return Position(0, 0)
        return Position(file, offset)


def numbers(folder: Path) -> list[int]:
    """Of the files of a trail."""
    names = [path.stem.removeprefix("audit-") for path in folder.glob(_PATTERN)]
    return [int(name) for name in names if name.isdigit()]


def _write_whole(descriptor: int, line: bytes) -> None:
    written = 0
    while written < len(line):
        written += os.write(descriptor, line[written:])


def _whole_lines(path: Path) -> int:
    """Bytes up to the end of the last whole line."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _LONGEST_LINE))
        start = stream.tell()
        return start + stream.read().rfind(b"\n") + 1
