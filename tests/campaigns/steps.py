"""A node in a process of its own whose steps towards the disk are counted, and go wrong at one of them.

A step is a call that makes, syncs, moves or removes a file, or the begin or end of a write to the ledger. At
the step that is named the process is killed (as by kill -9), or the call fails as on a full disk. What has
been synced by then can be noted, so that a power cut can be played: whatever was not synced is dropped.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import shutil
import signal
import sqlite3
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qsmnode.config import Config
from qsmnode.ledger.database import Database

_CALLS = (
    "fsync",
    "fdatasync",
    "unlink",
    "rename",
    "replace",
    "link",
    "mkdir",
    "rmdir",
    "pwrite",
    "ftruncate",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
KILL, FAIL, COUNT = "kill", "fail", "count"


class Steps:
    """Counts; shared with the parent, which reads the count after the process has died.

    Args:
        what: KILL, FAIL or COUNT.
        at: the step at which it goes wrong.
        shadow: folder for what is synced; None: it is not noted.
        root: of the store.
    """

    def __init__(self, what: str, at: int, shadow: Path | None = None, root: Path | None = None) -> None:
        self._what = what
        self._at = at
        self._count = mmap.mmap(-1, 8)
        self._lock = threading.RLock()
        self._shadow = shadow
        self._root = root
        self._busy = threading.local()

    @property
    def count(self) -> int:
        """Steps so far."""
        return int(struct.unpack("q", self._count[:8])[0])

    def install(self) -> None:
        """In the process that is to go wrong."""
        self._open = os.open
        for name in _CALLS:
            setattr(os, name, self._counted(name, getattr(os, name)))
        os.open = self._counted_open  # type: ignore[assignment]
        transaction = Database.transaction
        steps = self

        @contextlib.contextmanager
        def counted(database: Database, **options: Any) -> Iterator[sqlite3.Connection]:
            steps.step("begin", ledger=True)
            with transaction(database, **options) as connection:
                yield connection
                steps.step("commit", ledger=True)
            steps.step("committed")
            if options.get("durable", True):
                steps.note_ledger()

        Database.transaction = counted  # type: ignore[method-assign,assignment]

    def step(self, name: str, *, ledger: bool = False) -> None:
        """One more; may not return."""
        with self._lock:
            number = self.count + 1
            self._count[:8] = struct.pack("q", number)
        if number != self._at or self._what == COUNT:
            return
        if self._what == KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if ledger:
            raise sqlite3.OperationalError("database or disk is full")
        if name not in ("committed", "unlink", "rmdir"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def note_ledger(self) -> None:
        """The ledger as it is now is on the disk: SQLite syncs by itself."""
        if self._shadow is None or self._root is None or not (self._root / "ledger.sqlite").exists():
            return
        with self._lock, self._uncounted():
            for name in ("ledger.sqlite", "ledger.sqlite-wal"):
                if (self._root / name).exists():
                    shutil.copyfile(self._root / name, self._shadow / f"{name}.part")
                    Path(self._shadow / f"{name}.part").replace(self._shadow / name)

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if getattr(self._busy, "on", False):
                return call(*arguments, **options)
            self.step(name)
            result = call(*arguments, **options)
            if name in ("fsync", "fdatasync"):
                self._note(arguments[0])
            return result

        return counted

    def _counted_open(self, path: Any, flags: int, *more: Any, **options: Any) -> int:
        if flags & _WRITING and not getattr(self._busy, "on", False):
            self.step("open")
        return self._open(path, flags, *more, **options)

    @contextlib.contextmanager
    def _uncounted(self) -> Iterator[None]:
        self._busy.on = True
        try:
            yield
        finally:
            self._busy.on = False

    def _note(self, descriptor: int) -> None:
        """A synced file's content by its inode, a synced folder's names."""
        if self._shadow is None or self._root is None:
            return
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if not path.is_relative_to(self._root):
            return
        with self._lock, self._uncounted():
            if path.is_dir():
                names = "\n".join(f"{each.inode()} {each.name}" for each in os.scandir(path))
                name = path.relative_to(self._root).as_posix().replace("/", "|")
                (self._shadow / f"folder|{name}").write_text(names)
            else:
                with Path(f"/proc/self/fd/{descriptor}").open("rb") as stream:
                    inode = os.fstat(descriptor).st_ino
                    (self._shadow / f"file|{inode}").write_bytes(stream.read())


class NodeProcess:
    """A forked node; ``steps`` go wrong in it."""

    def __init__(self, config: Config, log: Path, steps: Steps | None = None) -> None:
        ready, tell = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ready)
            _be_the_node(config, log, steps, tell)
        os.close(tell)
        self._ready = ready
        self._status: int | None = None

    def wait_ready(self) -> bool:
        """Until it listens; False where it died before."""
        with os.fdopen(self._ready, "rb") as pipe:
            return pipe.read(1) == b"1"

    def alive(self) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is None

    def end(self, number: int = signal.SIGTERM, patience_s: float = 60.0) -> int:
        """Ends it; its wait status."""
        if self.alive():
            os.kill(self.pid, number)
        deadline = time.monotonic() + patience_s
        while self.alive():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.02)
        assert self._status is not None
        return self._status


def _be_the_node(config: Config, log: Path, steps: Steps | None, tell: int) -> None:
    from qsmnode.node.runtime import Node
    from qsmnode.observe.log import set_up

    code = 1
    try:
        stream = log.open("a")
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
        set_up("info", sys.stderr)
        asked = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: asked.set())
        if steps is not None:
            steps.install()
        with Node(config):
            os.write(tell, b"1")
            while not asked.wait(0.05):
                pass
        code = 0
    finally:
        os._exit(code)


def after_power_cut(root: Path, shadow: Path, target: Path) -> None:
    """The store as a disk has it that kept only what was synced."""
    target.mkdir(mode=0o700)
    folders = {
        record.name.partition("|")[2].replace("|", "/"): record.read_text().splitlines()
        for record in sorted(shadow.glob("folder|*"))
    }
    for name in sorted(folders):
        (target / name).mkdir(parents=True, exist_ok=True)
        for line in folders[name]:
            inode, _, entry = line.partition(" ")
            if entry.startswith(("ledger", "control", "lock")):
                continue
            content = shadow / f"file|{inode}"
            if (root / name / entry).is_dir() or f"{name}/{entry}".removeprefix("./") in folders:
                (target / name / entry).mkdir(exist_ok=True)
            else:
                (target / name / entry).write_bytes(content.read_bytes() if content.exists() else b"")
    for name in ("ledger.sqlite", "ledger.sqlite-wal"):
        if (shadow / name).exists():
            shutil.copyfile(shadow / name, target / name)
    for path in target.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
