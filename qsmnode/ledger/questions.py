"""What archives were asked for: one question per acquisition revision, kept in the history."""

from __future__ import annotations

import time
from collections.abc import Collection

from qsmnode.ledger.acquisitions import AcquisitionRow, Acquisitions
from qsmnode.ledger.database import Database

_ENTITY = "question"
_OPEN = (
    "(state = 'collecting' AND missing != '[]' OR state = 'held') AND deadline_at IS NOT NULL"
    f" AND id NOT IN (SELECT row_id FROM event WHERE entity = '{_ENTITY}')"
)


class Questions:
    """Which acquisitions nobody was asked about yet, and what was answered about the others.

    Those that miss something are asked about, and those that are held: their partner may have gone astray.
    A question is an event whose row is the acquisition's: asking changes no state, what arrives then does.
    """

    def __init__(self, database: Database, acquisitions: Acquisitions) -> None:
        self._db = database
        self._acquisitions = acquisitions

    def due(self, routes: Collection[str], before: float) -> list[AcquisitionRow]:
        """Those on these routes whose deadline comes before a time."""
        found = self._db.rows(
            f"SELECT id, route FROM acquisition WHERE {_OPEN} AND deadline_at <= ? ORDER BY id", (before,)
        )
        return [self._acquisitions.get(row["id"]) for row in found if row["route"] in routes]

    def next_deadline(self, routes: Collection[str]) -> float | None:
        """The first deadline of those on these routes that nobody was asked about."""
        found = self._db.rows(
            f"SELECT route, min(deadline_at) AS at FROM acquisition WHERE {_OPEN} GROUP BY route"
        )
        return min((float(row["at"]) for row in found if row["route"] in routes), default=None)

    def note(self, acquisition_id: int, after: str, answer: str) -> None:
        """Keep what came of it: ``answered`` or ``failed``, in words."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO event (at, entity, row_id, before, after, reason)"
                " VALUES (?, ?, ?, 'asked', ?, ?)",
                (time.time(), _ENTITY, acquisition_id, after, answer),
            )

    def answer(self, acquisition_id: int) -> str | None:
        """What was answered about an acquisition, None where nobody was asked."""
        found = self._db.rows(
            "SELECT reason FROM event WHERE entity = ? AND row_id = ?", (_ENTITY, acquisition_id)
        )
        return str(found[-1]["reason"]) if found else None
