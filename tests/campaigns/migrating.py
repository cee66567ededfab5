"""A ledger of version 1 with rows of every state, brought to this version while things go wrong."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from qsmnode.errors import StoreError
from qsmnode.ledger import Store
from qsmnode.ledger.migrate import SCHEMA_VERSION, version_of
from tests.campaigns.steps import COUNT, FAIL, KILL, Steps

_VERSION_1 = Path(__file__).parents[1] / "ledger" / "version1.sql"
_INSTANCES = ("received", "indexed", "unreadable", "conflicting", "purged")
_ACQUISITIONS = ("collecting", "complete", "queued", "held", "rejected", "unmatched", "ignored")
_JOBS = ("queued", "running", "succeeded", "failed", "cancelled")
_DELIVERIES = ("pending", "sending", "sent", "committed", "unconfirmed", "parked", "held")
_FIRST = 1000  # the ids below are those of the script
_EXAMS = 105
_OBJECTS = 4
_DONE, _REFUSED, _ELSE = 0, 3, 1

Rows = dict[str, list[tuple[Any, ...]]]


class Migrating:
    """Points of one ledger."""

    name = "migrating"

    def __init__(self, work: Path, chance: random.Random) -> None:
        self._work = work
        self._random = chance
        self._number = 0
        self._old = work / "version1.sqlite"
        work.mkdir()
        with closing(sqlite3.connect(self._old, isolation_level=None)) as ledger:
            ledger.executescript(_VERSION_1.read_text())
            ledger.execute("BEGIN")
            fill(ledger, chance)
            ledger.execute("COMMIT")
            self._columns = dict(_columns(ledger))
            self._rows = self._read(ledger)
        assert sum(map(len, self._rows.values())) > 9 * _EXAMS
        self._steps = 0

    @property
    def steps(self) -> int:
        """Of an undisturbed migration, measured once."""
        if not self._steps:
            root = self._root()
            counted = Steps(COUNT, 0, root.with_suffix(".steps"))
            assert os.waitstatus_to_exitcode(_migrate(root, counted)) == _DONE
            self._steps = counted.count
            self._check(root)
        return self._steps

    def killed(self) -> tuple[bool, str]:
        """One point: killed at a random step, once in three times again; whether it came to that."""
        at = [self._random.randint(1, self.steps)]
        if self._random.random() < 1 / 3:
            at.append(self._random.randint(1, self.steps))
        root = self._root()
        ended = [
            os.waitstatus_to_exitcode(_migrate(root, Steps(KILL, step, root.with_suffix(f".{number}"))))
            for number, step in enumerate(at)
        ]
        assert set(ended) <= {_DONE, -signal.SIGKILL}, ended
        self._check(root)
        return ended[0] != _DONE, f"killed at step {' and '.join(map(str, at))} of {self.steps}"

    def failed(self) -> tuple[bool, str]:
        """One point: a full disk at a random step; the ledger stays as it was, and is brought along later."""
        at = self._random.randint(1, self.steps)
        root = self._root()
        code = os.waitstatus_to_exitcode(_migrate(root, Steps(FAIL, at, root.with_suffix(".steps"))))
        assert code in (_DONE, _REFUSED), f"step {at}: another error than the store's own"
        self._check(root)
        return True, f"a full disk at step {at} of {self.steps}"

    def _root(self) -> Path:
        self._number += 1
        root = self._work / f"store-{self._number}"
        root.mkdir(mode=0o700)
        shutil.copyfile(self._old, root / "ledger.sqlite")
        (root / "ledger.sqlite").chmod(0o600)
        return root

    def _check(self, root: Path) -> None:
        """Every row is there, and in the copy as well; nothing else lies about."""
        assert os.waitstatus_to_exitcode(_migrate(root)) == _DONE
        with closing(sqlite3.connect(root / "ledger.sqlite")) as ledger:
            assert version_of(ledger) == SCHEMA_VERSION
            assert self._read(ledger) == self._rows, "other rows than before"
            assert ledger.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert ledger.execute("PRAGMA foreign_key_check").fetchall() == []
        with closing(sqlite3.connect(root / "ledger-version-1.sqlite")) as copy:
            assert version_of(copy) == 1
            assert self._read(copy) == self._rows, "the copy has other rows"
        assert list(root.glob(".*")) == []
        shutil.rmtree(root)

    def _read(self, ledger: sqlite3.Connection) -> Rows:
        return {
            table: ledger.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall()
            for table, columns in self._columns.items()
        }


def fill(ledger: sqlite3.Connection, chance: random.Random) -> None:
    """Exams in every state in which a node of version 1 may have been ended."""
    ledger.execute(f"INSERT INTO association VALUES ({_FIRST}, 'mr1', 'MR1', '192.0.2.10', 1.0, NULL)")
    for exam in range(_FIRST, _FIRST + _EXAMS):
        _instances(ledger, exam, chance)
        ledger.execute(
            "INSERT INTO acquisition (id, study_uid, key, revision, state, deadline_at, created_at,"
            " updated_at) VALUES (?, ?, 'scan', 1, ?, 9e9, 1.0, 2.0)",
            (exam, f"2.25.{exam}", _of(_ACQUISITIONS, exam)),
        )
        ledger.execute(
            "INSERT INTO acquisition_instance SELECT ?, id FROM instance WHERE study_uid = ?",
            (exam, f"2.25.{exam}"),
        )
        order = json.dumps({"pad": "x" * chance.randrange(2000)})
        ledger.execute(
            "INSERT INTO job (id, acquisition_id, task, recipe_hash, order_json, state, attempt, created_at)"
            " VALUES (?, ?, 'qsm', 'hash', ?, ?, ?, 2.0)",
            (exam, exam, order, _of(_JOBS, exam), chance.randrange(4)),
        )
        _delivery(ledger, exam, chance)
        ledger.execute(
            "INSERT INTO event (at, entity, row_id, before, after) VALUES (?, 'job', ?, 'queued', 'running')",
            (chance.random(), exam),
        )


def _instances(ledger: sqlite3.Connection, exam: int, chance: random.Random) -> None:
    for number in range(_OBJECTS):
        identity = exam * _OBJECTS + number
        ledger.execute(
            "INSERT INTO instance VALUES (?, ?, '1.2.840.10008.5.1.4.1.1.4', '1.2.840.10008.1.2.1', ?, ?, ?,"
            " ?, 2.0, ?, ?, ?, ?)",
            (
                identity,
                f"2.25.5.{identity}",
                f"{chance.getrandbits(256):064x}",
                chance.randrange(1 << 32),
                f"instances/{exam % 256:02x}/{identity}.dcm",
                _FIRST,
                _of(_INSTANCES, identity),
                f"2.25.{exam}",
                json.dumps({"pad": "y" * chance.randrange(500)}) if identity % 3 else None,
                "came again" if identity % 5 == 3 else "",
            ),
        )


def _delivery(ledger: sqlite3.Connection, exam: int, chance: random.Random) -> None:
    ledger.execute("INSERT INTO product VALUES (?, ?, 'qsm', ?)", (exam, exam, f"2.25.6.{exam}"))
    ledger.execute(
        "INSERT INTO delivery (id, product_id, peer, state, tries, next_try_at, created_at)"
        " VALUES (?, ?, 'pacs', ?, ?, ?, 3.0)",
        (exam, exam, _of(_DELIVERIES, exam), chance.randrange(9), chance.random()),
    )
    for number in range(_OBJECTS):
        identity = exam * _OBJECTS + number
        ledger.execute(
            "INSERT INTO product_object VALUES (?, ?, '1.2.840.10008.5.1.4.1.1.4', ?, ?)",
            (identity, exam, f"2.25.7.{identity}", f"products/{exam}-1/qsm-{number}.dcm"),
        )
        if chance.random() < 0.5:
            ledger.execute("INSERT INTO delivery_object VALUES (?, ?, 4.0)", (exam, identity))


def _of(states: tuple[str, ...], number: int) -> str:
    return states[number % len(states)]


def _columns(ledger: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    for (table,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        names = [row[1] for row in ledger.execute(f"PRAGMA table_info({table})")]
        yield table, ", ".join(names)


def _migrate(root: Path, steps: Steps | None = None) -> int:
    """Open the store in a process of its own, in which a step may go wrong; its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    code = _ELSE
    try:
        logging.disable()  # that it is brought along is no news here
        if steps is not None:
            steps.install(os.getpid())
        Store(root).close()
        code = _DONE
    except StoreError:
        code = _REFUSED
    finally:
        os._exit(code)
