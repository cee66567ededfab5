"""From an older ledger to this version's: one step after the other, each whole or not at all.

A step is a script of SQL that leads from one version to the next. The file as it was is copied beside the
ledger before the first step. ``schema.sql`` is what a new ledger begins with: a test holds that both ways
lead to the same tables.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from qsmnode.errors import StoreError


@dataclass(frozen=True)
class Migration:
    """One step.

    Attributes:
        version: that it leads to, from the one before.
        script: SQL without BEGIN and COMMIT; foreign keys are checked after it, not during.
    """

    version: int
    script: str


def _script(name: str) -> str:
    return resources.files("qsmnode.ledger").joinpath("migrations", name).read_text("utf-8")


MIGRATIONS = (
    Migration(2, _script("0002_lost_purged_audited.sql")),
    Migration(3, _script("0003_commitment.sql")),
    Migration(4, _script("0004_instance_by_uid.sql")),
)
"""Every step, in order; a new one goes to the end and into ``schema.sql``, and none is ever changed."""

SCHEMA_VERSION = MIGRATIONS[-1].version


def version_of(connection: sqlite3.Connection) -> int:
    """The version of an open ledger."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration] = MIGRATIONS
) -> Path | None:
    """Bring an open ledger to the last version; the copy that was made before, None where it was there.

    Killed at any moment, the next call goes on after the last step that was whole.

    Args:
        connection: to the ledger, writable, in no transaction.
        path: of its file.
        migrations: the steps.

    Raises:
        StoreError: a step failed: the ledger is as it was before that step.
    """
    first = version_of(connection)
    pending = [each for each in migrations if each.version > first]
    if not pending:
        return None
    copy = path.with_name(f"{path.stem}-version-{first}{path.suffix}")
    try:
        if not copy.exists():  # an earlier call that was killed has made it: of the older state
            copy_ledger(connection, copy)
        for each in pending:
            _step(connection, each)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"{path}: it could not be brought from version {version_of(connection)} to {pending[-1].version}"
            f" ({error}); nothing of the failed step was kept: make room on the disk, or use the qsmnode"
            " version that wrote it"
        ) from error
    return copy


def copy_ledger(connection: sqlite3.Connection, target: Path) -> None:
    """A copy of an open ledger, also while others write it; durable, and whole or not there.

    Raises:
        OSError: the file cannot be written.
        sqlite3.Error: the ledger cannot be read, or the copy not be written.
    """
    partial = target.with_name(f".{target.name}.partial")
    # created by us so that it never exists with wider permissions
    os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600))
    try:
        with contextlib.closing(sqlite3.connect(partial)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        _fsync(partial)
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _fsync(target.parent)


def _step(connection: sqlite3.Connection, migration: Migration) -> None:
    connection.execute("PRAGMA foreign_keys = OFF")  # a table may be made anew; no effect in a transaction
    try:
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{migration.script}\nPRAGMA user_version = {migration.version};"
        )
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
        if broken is not None:
            raise sqlite3.IntegrityError(f"a row of {broken[0]} refers to nothing in {broken[2]}")
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    finally:
        connection.execute("PRAGMA foreign_keys = ON")


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
