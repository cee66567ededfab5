"""Steps of a node towards the disk, counted in all its processes, and gone wrong at one of them.

A step is a call that makes, writes, syncs, moves or removes a file, or the begin or end of a write to the
ledger. At the step that is named the node is killed (as by kill -9), or the call fails as on a full disk.
What has been synced by then can be noted, so that a power cut can be played.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import mmap
import os
import signal
import sqlite3
import stat
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qsmnode.ledger import database, migrate
from qsmnode.ledger.database import Database
from tests.campaigns.disk import Disk

_CALLS = (
    "fsync",
    "fdatasync",
    "unlink",
    "rename",
    "replace",
    "link",
    "mkdir",
    "rmdir",
    "write",
    "pwrite",
    "ftruncate",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_COMPUTE = "qsmnode.node.worker.compute"
_INSTRUCTIONS = 40
"""Of SQLite's machine while it migrates, for one step."""
KILL, FAIL, COUNT = "kill", "fail", "count"


class Steps:
    """Counts in a file that the node, its computation and whoever started them share.

    Args:
        what: KILL, FAIL or COUNT.
        at: the step at which it goes wrong.
        lasting_s: so long after that every further step fails as well.
        counter: file for the count; made where it is not there.
        disk: where it is noted what is synced; None: it is not noted.
    """

    def __init__(
        self, what: str, at: int, counter: Path, disk: Disk | None = None, *, lasting_s: float = 0.0
    ) -> None:
        self._what = what
        self._at = at
        self._lasting_s = lasting_s
        self._counter = counter
        self._disk = disk
        self._lock = threading.RLock()
        self._depth = 0
        self._busy = threading.local()
        self._node = 0
        if not counter.exists():
            counter.write_bytes(bytes(16))

    @property
    def count(self) -> int:
        """Steps so far."""
        return int(struct.unpack("q", self._counter.read_bytes()[:8])[0])

    def install(self, node: int) -> None:
        """In the process that is to go wrong, or in one of its computations.

        Args:
            node: the process that is to be killed with it.
        """
        self._node = node
        self._open = os.open
        descriptor = os.open(self._counter, os.O_RDWR)  # of its own: a lock goes with who dies
        self._shared = descriptor
        self._count = mmap.mmap(descriptor, 16)
        for name in _CALLS:
            setattr(os, name, self._counted(name, getattr(os, name)))
        os.open = self._counted_open  # type: ignore[assignment]
        self._count_ledger()
        self._count_computations()

    def step(self, name: str, *, ledger: bool = False) -> None:
        """One more; may not return."""
        with self._alone():
            number = int(struct.unpack("q", self._count[:8])[0]) + 1
            self._count[:8] = struct.pack("q", number)
            if number == self._at:
                self._count[8:] = struct.pack("d", time.monotonic())
            (since,) = struct.unpack("d", self._count[8:])
        if self._what == COUNT or number < self._at:
            return
        if number > self._at and time.monotonic() >= since + self._lasting_s:
            return
        if self._what == KILL:
            if self._node != os.getpid():
                os.kill(self._node, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        if ledger:
            raise sqlite3.OperationalError("database or disk is full")
        if name not in ("committed", "unlink", "rmdir"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _count_ledger(self) -> None:
        transaction, migration, steps = Database.transaction, migrate.migrate, self

        @contextlib.contextmanager
        def counted(ledger: Database, **options: Any) -> Iterator[sqlite3.Connection]:
            steps.step("begin", ledger=True)
            with ledger._lock:  # nobody writes between the commit and the note of it
                with transaction(ledger, **options) as connection:
                    yield connection
                    steps.step("commit", ledger=True)
                steps.step("committed")
                if options.get("durable", True) and not connection.in_transaction:
                    steps._note(lambda disk: disk.note_ledger())

        def watched(connection: sqlite3.Connection, path: Path) -> Path | None:
            connection.set_progress_handler(lambda: steps.step("instructions", ledger=True), _INSTRUCTIONS)
            try:
                return migration(connection, path)
            finally:
                connection.set_progress_handler(None, 0)

        Database.transaction = counted  # type: ignore[method-assign,assignment]
        database.migrate = watched  # type: ignore[assignment]

    def _count_computations(self) -> None:
        start = subprocess.Popen
        order: dict[str, Any] = {"what": self._what, "at": self._at, "lasting_s": self._lasting_s}
        order |= {"counter": str(self._counter), "node": self._node}
        if self._disk is not None:
            order |= {"root": str(self._disk.root), "shadow": str(self._disk.shadow)}

        def popen(command: list[str], *more: Any, **options: Any) -> Any:
            if command[1:3] == ["-m", _COMPUTE]:
                command = [command[0], "-m", "tests.campaigns.compute", json.dumps(order), *command[3:]]
            return start(command, *more, **options)

        subprocess.Popen = popen  # type: ignore[misc,assignment]

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if getattr(self._busy, "on", False) or (name == "write" and not _is_file(arguments[0])):
                return call(*arguments, **options)
            self.step(name)
            result = call(*arguments, **options)
            if name in ("fsync", "fdatasync"):
                self._note(lambda disk: disk.synced(arguments[0]))
            elif name == "mkdir":
                self._note(lambda disk: disk.created(Path(arguments[0]).stat().st_ino))
            return result

        return counted

    def _counted_open(self, path: Any, flags: int, *more: Any, **options: Any) -> int:
        if not flags & _WRITING or getattr(self._busy, "on", False):
            return self._open(path, flags, *more, **options)
        self.step("open")
        new = bool(flags & os.O_CREAT) and not os.path.lexists(path)
        descriptor = self._open(path, flags, *more, **options)
        if new:
            self._note(lambda disk: disk.created(os.fstat(descriptor).st_ino))
        return descriptor

    def _note(self, note: Callable[[Disk], None]) -> None:
        if self._disk is not None:
            with self._alone(), self._uncounted():
                note(self._disk)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Among the threads of all processes that count here."""
        with self._lock:
            if self._depth == 0:
                fcntl.flock(self._shared, fcntl.LOCK_EX)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    fcntl.flock(self._shared, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def _uncounted(self) -> Iterator[None]:
        self._busy.on = True
        try:
            yield
        finally:
            self._busy.on = False


def _is_file(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)
