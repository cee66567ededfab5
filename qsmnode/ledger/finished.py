"""Requests for storage commitment that are over: kept for a while, as reports may come late, then removed."""

from __future__ import annotations

from dataclasses import dataclass

from qsmnode.ledger.database import Database

MOST_TOGETHER = 500
"""Requests in one transaction: nobody waits long for the ledger."""


@dataclass(frozen=True)
class _Kind:
    """A table of requests, the one with their objects, and which rows are over since when."""

    table: str
    objects: str
    reference: str
    over: str


_KINDS = (
    # of an unconfirmed delivery a late report is still news
    _Kind(
        "commitment",
        "commitment_object",
        "commitment_id",
        "state IN ('settled', 'expired', 'lost') AND deadline_at < ? AND NOT EXISTS (SELECT 1 FROM delivery d"
        " WHERE d.id = commitment.delivery_id AND d.state = 'unconfirmed')",
    ),
    _Kind(
        "promise",
        "promise_object",
        "promise_id",
        "state IN ('reported', 'parked') AND max(created_at, next_try_at) < ?",
    ),
)


class FinishedRequests:
    """Removes rows of commitment and promise with their objects and their history."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def prune(self, before: float) -> int:
        """Remove what has been over since before a time; how many requests went."""
        return sum(self._prune(kind, before) for kind in _KINDS)

    def _prune(self, kind: _Kind, before: float) -> int:
        gone = 0
        while identities := self._some(kind, before):
            marks = ",".join("?" * len(identities))
            with self._db.transaction() as connection:
                connection.execute(
                    f"DELETE FROM {kind.objects} WHERE {kind.reference} IN ({marks})", identities
                )
                connection.execute(f"DELETE FROM {kind.table} WHERE id IN ({marks})", identities)
                # without the newest event: whoever follows them by number would miss another one under it
                connection.execute(
                    f"DELETE FROM event WHERE entity = ? AND row_id IN ({marks})"
                    " AND id < (SELECT max(id) FROM event)",
                    (kind.table, *identities),
                )
            gone += len(identities)
        return gone

    def _some(self, kind: _Kind, before: float) -> tuple[int, ...]:
        """Without the newest request: its number is not to be another one's."""
        found = self._db.rows(
            f"SELECT id FROM {kind.table} WHERE {kind.over}"
            f" AND id < (SELECT max(id) FROM {kind.table}) ORDER BY id LIMIT {MOST_TOGETHER}",
            (before,),
        )
        return tuple(row["id"] for row in found)
