"""A copy of the ledger and a list of the files that belong to it, made while the node runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from qsmnode.errors import StoreError
from qsmnode.ledger.database import Database
from qsmnode.ledger.store import Store, fsync_folder

LEDGER = "ledger.sqlite"
FILES = "files.txt"


@dataclass(frozen=True)
class Backup:
    """What was made.

    Attributes:
        files: how many files of the store belong to it.
        size: of these in bytes, as far as the ledger knows it.
    """

    files: int
    size: int


def back_up(store: Store, folder: Path) -> Backup:
    """Copy the ledger of an open store, and list the files that it speaks for, relative to the store.

    The folder is made (0700), whole or not at all. The list suits ``rsync --files-from``.

    Raises:
        StoreError: the folder is there already or cannot be written, or the copy is damaged.
    """
    if folder.exists():
        raise StoreError(f"{folder}: is there already; give a folder that is not")
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)  # of a backup that was broken off
        partial.mkdir(mode=0o700, parents=True)
        store.database.copy(partial / LEDGER)
        backup = _list_files(partial)
        partial.rename(folder)
        fsync_folder(folder.parent)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{folder}: the backup cannot be written ({error}); choose another place") from error
    return backup


def _list_files(folder: Path) -> Backup:
    """From the copy, so that the list and the ledger agree whatever the node does meanwhile."""
    with contextlib.closing(Database(folder / LEDGER, read_only=True)) as copy:
        problems = [row[0] for row in copy.rows("PRAGMA integrity_check") if row[0] != "ok"]
        if problems:
            raise StoreError(f"{folder}: the copy of the ledger is damaged ({problems[0]}); try again")
        instances = copy.rows("SELECT path, size FROM instance WHERE state NOT IN ('purged', 'lost')")
        objects = copy.rows("SELECT path FROM product_object WHERE purged_at IS NULL")
    paths = sorted(row["path"] for row in [*instances, *objects])
    descriptor = os.open(folder / FILES, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.writelines(f"{path}\n" for path in paths)
        stream.flush()
        os.fsync(stream.fileno())
    return Backup(len(paths), sum(int(row["size"]) for row in instances))
