"""Names for files to come. Making a name durable takes as long as making an object durable.

An association that sends many objects gets its names in advance, a batch of empty files with one sync of
their folder; then each object costs one sync, of its own file.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from qsmnode.ledger.store import Store, fsync_folder
from qsmnode.node.receiver.recovery import FOLDER

_SINGLES = 3
_LARGEST_BATCH = 64


@dataclass(frozen=True)
class Place:
    """An open, empty file. ``named``: its name is durable already."""

    relative: str
    path: Path
    descriptor: int
    named: bool


class Shelf:
    """The places of one association."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._given = 0
        self._ready: list[str] = []

    def place(self) -> Place:
        """The next one.

        Raises:
            OSError: no file can be made.
        """
        self._given += 1
        if self._given <= _SINGLES:
            relative = _name(secrets.token_hex(1))
            path = self._store.path(relative)
            return Place(relative, path, _create(path), named=False)
        if not self._ready:
            self._prepare()
        relative = self._ready.pop()
        path = self._store.path(relative)
        return Place(relative, path, os.open(path, os.O_WRONLY | os.O_CLOEXEC), named=True)

    def clear(self) -> None:
        """Remove what was not used."""
        self._remove(self._ready)
        self._ready = []

    def _prepare(self) -> None:
        folder = secrets.token_hex(1)
        names = [_name(folder) for _ in range(min(_LARGEST_BATCH, 4 * self._given))]
        try:
            for relative in names:
                os.close(_create(self._store.path(relative)))
            fsync_folder(self._store.path(relative).parent)
        except OSError:
            self._remove(names)
            raise
        self._ready = names

    def _remove(self, names: list[str]) -> None:
        for relative in names:
            with contextlib.suppress(OSError):  # what cannot be removed now goes at the next start
                self._store.path(relative).unlink(missing_ok=True)


def _name(folder: str) -> str:
    return f"{FOLDER}/{folder}/{folder}{secrets.token_hex(15)}.dcm"


def _create(path: Path) -> int:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        fsync_folder(path.parent.parent)
        return os.open(path, flags, 0o600)
