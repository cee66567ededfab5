"""Acquisitions: what belongs together, what is decided about it, and by when."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

from qsmnode.ledger.database import Database


@dataclass(frozen=True)
class AcquisitionRow:
    """One revision of one acquisition."""

    id: int
    study_uid: str
    key: str
    revision: int
    revision_of: int | None
    state: str
    reason: str
    description: str
    route: str | None
    missing: tuple[str, ...]
    content: str
    settles_at: float | None
    deadline_at: float | None
    created_at: float
    updated_at: float


class Acquisitions:
    """Rows of the acquisition table and their members."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, acquisition_id: int) -> AcquisitionRow:
        """One row; KeyError where there is none."""
        found = self._select("id = ?", (acquisition_id,))
        if not found:
            raise KeyError(f"no acquisition {acquisition_id}")
        return found[0]

    def latest(self, study_uid: str) -> dict[str, AcquisitionRow]:
        """The newest revision of each acquisition of a study, by key."""
        found = self._select("study_uid = ? ORDER BY revision", (study_uid,))
        return {row.key: row for row in found}

    def all(self) -> list[AcquisitionRow]:
        """Every revision, oldest first."""
        return self._select("1 ORDER BY id", ())

    def open(
        self, study_uid: str, key: str, *, deadline_at: float, revision_of: AcquisitionRow | None = None
    ) -> int:
        """Begin collecting a new acquisition, or a new revision of one that was already computed."""
        now = time.time()
        with self._db.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO acquisition (study_uid, key, revision, revision_of, state, deadline_at,"
                " created_at, updated_at) VALUES (?, ?, ?, ?, 'collecting', ?, ?, ?)",
                (
                    study_uid,
                    key,
                    revision_of.revision + 1 if revision_of else 1,
                    revision_of.id if revision_of else None,
                    deadline_at,
                    now,
                    now,
                ),
            )
            return int(cursor.lastrowid or 0)

    def rename(self, row: AcquisitionRow, key: str) -> None:
        """Give every revision of an acquisition another key, which no acquisition of its study has."""
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE acquisition SET key = ? WHERE study_uid = ? AND key = ?",
                (key, row.study_uid, row.key),
            )

    def set_members(self, acquisition_id: int, instance_ids: Iterable[int]) -> None:
        """Say which instances belong to it, replacing what was said before."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM acquisition_instance WHERE acquisition_id = ?", (acquisition_id,))
            connection.executemany(
                "INSERT INTO acquisition_instance (acquisition_id, instance_id) VALUES (?, ?)",
                [(acquisition_id, instance_id) for instance_id in sorted(set(instance_ids))],
            )

    def note(
        self,
        acquisition_id: int,
        *,
        description: str,
        route: str | None,
        missing: tuple[str, ...],
        content: str,
        settles_at: float | None,
        deadline_at: float | None,
        reason: str,
    ) -> None:
        """Keep what the last look found, without a change of state."""
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE acquisition SET description = ?, route = ?, missing = ?, content = ?, settles_at = ?,"
                " deadline_at = ?, reason = ?, updated_at = ? WHERE id = ?",
                (
                    description,
                    route,
                    json.dumps(missing),
                    content,
                    settles_at,
                    deadline_at,
                    reason,
                    time.time(),
                    acquisition_id,
                ),
            )

    def move(self, acquisition_id: int, after: str, reason: str = "") -> None:
        """Change its state as the transitions table permits."""
        self._db.move("acquisition", acquisition_id, after, reason, updated_at=time.time())

    def since(self, row: AcquisitionRow) -> float:
        """When it came into the state that it is in."""
        found = self._db.rows(
            "SELECT max(at) AS at FROM event WHERE entity = 'acquisition' AND row_id = ? AND after = ?",
            (row.id, row.state),
        )
        when = found[0]["at"]
        return row.created_at if when is None else float(when)

    def due(self, now: float) -> list[AcquisitionRow]:
        """Those whose settling time or deadline has come."""
        return self._select(
            "(deadline_at IS NOT NULL AND deadline_at <= ?) OR (settles_at IS NOT NULL AND settles_at <= ?)"
            " ORDER BY id",
            (now, now),
        )

    def next_due(self) -> float | None:
        """When the next settling time or deadline comes."""
        found = self._db.rows(
            "SELECT min(min(coalesce(settles_at, 9e18), coalesce(deadline_at, 9e18))) AS t FROM acquisition"
        )
        when = found[0]["t"]
        return None if when is None or when > 8e18 else float(when)

    def unfinished_studies(self) -> list[str]:
        """Studies to look at again after a restart: with an acquisition that waits for a decision, or with an
        image that was read, and given to none when the process ended.
        """
        found = self._db.rows(
            "SELECT study_uid FROM acquisition WHERE state IN ('collecting', 'complete', 'held')"
            " UNION SELECT study_uid FROM instance WHERE state = 'indexed'"
            " AND id NOT IN (SELECT instance_id FROM acquisition_instance)"
        )
        return [row["study_uid"] for row in found]

    def _select(self, where: str, parameters: tuple[object, ...]) -> list[AcquisitionRow]:
        found = self._db.rows(
            "SELECT id, study_uid, key, revision, revision_of, state, reason, description, route, missing,"
            f" content, settles_at, deadline_at, created_at, updated_at FROM acquisition WHERE {where}",
            parameters,
        )
        return [
            AcquisitionRow(**{**dict(row), "missing": tuple(json.loads(row["missing"]))}) for row in found
        ]
