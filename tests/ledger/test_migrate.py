"""From the ledger of an older version to this one's: every row, the same tables, whole or not at all."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from qsmnode.errors import StoreError
from qsmnode.ledger import Store
from qsmnode.ledger.migrate import MIGRATIONS, SCHEMA_VERSION, Migration, migrate, version_of

VERSION_1 = Path(__file__).with_name("version1.sql").read_text()
_ROWS = (
    "association",
    "instance",
    "acquisition",
    "acquisition_instance",
    "job",
    "product",
    "delivery",
    "event",
)
_ADDED = {"purged_at", "committed_to", "archived_at", "rounds", "committed_at"}  # since version 1


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The store of a node of version 1."""
    root = tmp_path / "store"
    root.mkdir(mode=0o700)
    with closing(_connect(root / "ledger.sqlite")) as connection:
        connection.executescript(VERSION_1)
    return root


def _rows(path: Path, table: str) -> list[tuple[Any, ...]]:
    with closing(_connect(path)) as connection:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        wanted = ", ".join(name for name in names if name not in _ADDED)
        return connection.execute(f"SELECT {wanted} FROM {table} ORDER BY 1, 2").fetchall()


def _shape(path: Path) -> dict[str, Any]:
    """Columns, indices, references and checks of every table, whatever the words of its definition."""
    with closing(_connect(path)) as connection:
        tables = [
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        return {table: dict(_details(connection, table)) for table in tables}


def _details(connection: sqlite3.Connection, table: str) -> Iterator[tuple[str, Any]]:
    for what in ("table_xinfo", "foreign_key_list"):
        yield what, connection.execute(f"PRAGMA {what}({table})").fetchall()
    found = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
        (table,),
    )
    yield "indices", {name: " ".join(sql.split()) for name, sql in found}
    (words,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    yield "checks", [part.split("))")[0].split() for part in words.split("CHECK")[1:]]
    yield "strict", "STRICT" in words


def test_an_old_ledger_keeps_every_row_and_gets_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    before = {table: _rows(old / "ledger.sqlite", table) for table in _ROWS}
    Store(old).close()
    Store(tmp_path / "new").close()
    assert {table: _rows(old / "ledger.sqlite", table) for table in _ROWS} == before
    assert _shape(old / "ledger.sqlite") == _shape(tmp_path / "new" / "ledger.sqlite")
    with Store(old) as store:
        assert [row.id for row in store.instances.unindexed()] == [2]
        assert store.database.move("instance", 1, "lost", "gone") is None
        (pending,) = store.deliveries.all()
        assert [item.id for item in store.deliveries.unsent(pending)] == [2]


def test_it_is_copied_before_and_the_copy_is_what_was(old: Path) -> None:
    Store(old).close()
    copy = old / "ledger-version-1.sqlite"
    assert copy.stat().st_mode & 0o077 == 0
    with closing(_connect(copy)) as connection:
        assert version_of(connection) == 1
        assert connection.execute("SELECT count(*) FROM instance").fetchone() == (3,)
    assert sorted(path.name for path in old.glob(".*")) == []


def test_a_step_that_fails_leaves_the_version_before(old: Path) -> None:
    path = old / "ledger.sqlite"
    shape = _shape(path)
    last = MIGRATIONS[-1].version
    for script in ("DROP TABLE event; CREATE TABLE event (", "PRAGMA foreign_keys; DELETE FROM association;"):
        steps = (Migration(last, script),)
        with closing(_connect(path)) as connection, pytest.raises(StoreError, match="from version 1 to"):
            migrate(connection, path, steps)
        assert _shape(path) == shape
        with closing(_connect(path)) as connection:
            assert version_of(connection) == 1
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    Store(old).close()


def test_killed_at_any_statement_it_goes_on_at_the_next_start(old: Path) -> None:
    path = old / "ledger.sqlite"
    template = path.read_bytes()
    killed = 0
    for statement in range(1, 60, 3):
        for leftover in old.iterdir():
            leftover.unlink()
        path.write_bytes(template)
        ended = _killed_at(path, statement)
        if ended == 0:
            break
        assert os.WTERMSIG(ended) == signal.SIGKILL
        killed += 1
        (old / "lock").unlink(missing_ok=True)
        for folder in ("instances", "jobs", "products"):
            (old / folder).mkdir(exist_ok=True)
        with Store(old) as store:
            assert len(store.instances.unindexed()) == 1
            assert store.database.rows("PRAGMA user_version")[0][0] == SCHEMA_VERSION
        for folder in ("instances", "jobs", "products"):
            (old / folder).rmdir()
    assert killed > 4


def _killed_at(path: Path, statement: int) -> int:
    """Migrates in a process that ends by kill -9 before the n-th statement; how it ended."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    left = [statement]

    def count(_: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        connection = _connect(path)
        connection.set_trace_callback(count)
        migrate(connection, path)
    finally:
        os._exit(0)


def test_the_ledger_of_a_newer_version_is_left_alone(old: Path) -> None:
    with closing(_connect(old / "ledger.sqlite")) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreError, match="or a newer one"):
        Store(old)


def test_a_reader_does_not_migrate(old: Path) -> None:
    with pytest.raises(StoreError, match="at its next start"):
        Store(old, read_only=True)
    with closing(_connect(old / "ledger.sqlite")) as connection:
        assert version_of(connection) == 1


def test_a_row_that_refers_to_nothing_is_a_damage(old: Path) -> None:
    with closing(sqlite3.connect(old / "ledger.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM association")
    with pytest.raises(StoreError, match="refers to nothing in association"):
        Store(old)


def test_versions_follow_each_other() -> None:
    assert [each.version for each in MIGRATIONS] == list(range(2, SCHEMA_VERSION + 1))
