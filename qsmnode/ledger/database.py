"""The SQLite file under the ledger: opening, durability, one writer, changes of state."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from qsmnode.errors import StoreError
from qsmnode.ledger import states
from qsmnode.ledger.migrate import SCHEMA_VERSION, copy_ledger, migrate, version_of

_log = logging.getLogger(__name__)
_GATHER_S = 0.02
APPLICATION_ID = 0x51534D4E  # "QSMN": tells this ledger from any other SQLite file


class Database:
    """One connection, shared by the threads of the one process that writes.

    Every commit is durable (WAL with synchronous=FULL) before :meth:`transaction` returns, and wakes whoever
    waits in :meth:`wait_for_change`.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._changed = threading.Condition()
        self._version = 0
        self._depth = 0
        self._changes_before = 0
        self._connection = _connect(path, read_only)

    def close(self) -> None:
        """Close the connection; the object cannot be used afterwards."""
        with self._lock:
            self._connection.close()

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """A write: all of it or, on any exception, nothing. Nested use joins the outer one.

        Args:
            durable: whether it is on the disk when this returns; else it is with the next one that is, and
                is only for what can be found again without it.
        """
        with self._lock:
            if self._depth == 0:
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._connection.execute("BEGIN IMMEDIATE")
                self._changes_before = self._connection.total_changes
            self._depth += 1
            try:
                yield self._connection
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.rollback()
                raise
            self._depth -= 1
            if self._depth == 0:
                try:
                    self._connection.commit()
                except sqlite3.Error:
                    self._connection.rollback()  # a full disk: nothing of it happened
                    raise
                if self._connection.total_changes != self._changes_before:
                    self._announce()  # a look that changed nothing must wake nobody, or they wake each other

    def rows(self, sql: str, parameters: tuple[Any, ...] | Mapping[str, Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def move(self, entity: str, identity: int, after: str, reason: str = "", **columns: Any) -> None:
        """Change the state of one row, as the transitions table permits, and note it as an event.

        Raises:
            IllegalTransition: the table does not list the change.
        """
        with self.transaction() as connection:
            row = connection.execute(f"SELECT state FROM {entity} WHERE id = ?", (identity,)).fetchone()
            before = row["state"] if row else "absent"
            states.check(entity, identity, before, after)
            columns = {"state": after, "reason": reason, **columns}
            assignments = ", ".join(f"{name} = :{name}" for name in columns)
            connection.execute(
                f"UPDATE {entity} SET {assignments} WHERE id = :id",
                {**columns, "id": identity},
            )
            connection.execute(
                "INSERT INTO event (at, entity, row_id, before, after, reason) VALUES (?, ?, ?, ?, ?, ?)",
                (time.time(), entity, identity, before, after, reason),
            )

    def copy(self, target: Path) -> None:
        """A copy of everything that is committed, whole or not there, also while another process writes.

        Raises:
            OSError: the file cannot be written.
            sqlite3.Error: the ledger cannot be read, or the copy not be written.
        """
        with self._lock:
            copy_ledger(self._connection, target)

    @property
    def version(self) -> int:
        """Counts the commits of this process; what :meth:`wait_for_change` compares against."""
        with self._changed:
            return self._version

    def wait_for_change(self, since: int, timeout_s: float) -> int:
        """Wait until something was committed after ``since`` or the time is up; the current version.

        A change is told a moment late: while a scanner sends, every role would look at every single object.
        """
        with self._changed:
            changed = self._changed.wait_for(lambda: self._version > since, timeout_s)
        if changed:
            time.sleep(min(_GATHER_S, timeout_s))
        return self.version

    def wake(self) -> None:
        """Let every waiting role look again (at shutdown, or when the outside changed)."""
        self._announce()

    def _announce(self) -> None:
        with self._changed:
            self._version += 1
            self._changed.notify_all()


def _connect(path: Path, read_only: bool) -> sqlite3.Connection:
    if read_only and not path.exists():
        raise StoreError(f"{path}: no ledger there; has the node run with this store?")
    mode = "ro" if read_only else "rwc"
    if not read_only:
        _make_private(path)
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=30,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        _check_or_create(connection, path, read_only)
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path}: not a usable ledger ({error}); restore it from a backup") from error
    return connection


def _make_private(path: Path) -> None:
    """A file that is created by us never exists with wider permissions."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); check its owner, and the room on its disk"
        ) from error


def _check_or_create(connection: sqlite3.Connection, path: Path, read_only: bool) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if empty and not read_only:
        schema = resources.files("qsmnode.ledger").joinpath("schema.sql").read_text("utf-8")
        connection.executescript(
            f"BEGIN;\n{schema}\nPRAGMA application_id = {APPLICATION_ID};\n"
            f"PRAGMA user_version = {SCHEMA_VERSION};\nCOMMIT;"
        )
        return
    if application != APPLICATION_ID:
        raise StoreError(f"{path}: an SQLite file, but not a qsmnode ledger; choose another store")
    version = version_of(connection)
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path}: ledger version {version}, this qsmnode knows versions up to {SCHEMA_VERSION}; "
            "use the qsmnode version that wrote it, or a newer one"
        )
    if read_only:
        if version < SCHEMA_VERSION:
            raise StoreError(
                f"{path}: ledger version {version}, this qsmnode reads version {SCHEMA_VERSION}; "
                "the node brings it there at its next start"
            )
        return
    _check_whole(connection, path)
    copy = migrate(connection, path)
    if copy is not None:
        _log.warning(
            "the ledger is brought from version %d to %d; as it was: %s", version, SCHEMA_VERSION, copy
        )


def _check_whole(connection: sqlite3.Connection, path: Path) -> None:
    """Before anything is written: pages and indices, and that every row refers to one that is there."""
    problems = [str(row[0]) for row in connection.execute("PRAGMA quick_check") if row[0] != "ok"]
    problems += [
        f"row {row[1]} of {row[0]} refers to nothing in {row[2]}"
        for row in connection.execute("PRAGMA foreign_key_check")
    ]
    if problems:
        raise StoreError(
            f"{path}: the ledger is damaged ({len(problems)} faults, first: {problems[0]}); "
            "restore it from a backup"
        )
