"""Objects that this node has promised to keep, because the peer that sent them asked for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from qsmnode.ledger.database import Database
from qsmnode.ledger.instances import InstanceRow

KEPT = 0
"""In place of a failure reason."""


@dataclass(frozen=True)
class PromiseRow:
    """One request of a peer."""

    id: int
    peer: str
    transaction_uid: str
    state: str
    reason: str
    tries: int
    next_try_at: float
    created_at: float


@dataclass(frozen=True)
class PromisedRow:
    """One object of a request; ``failure`` is None until it is checked, 0 where it is kept."""

    sop_class_uid: str
    sop_instance_uid: str
    failure: int | None


class Promises:
    """Rows of promise and promise_object, and the marks on instances that must be kept."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def ask(
        self, peer: str, transaction_uid: str, objects: Sequence[tuple[str, str]], next_try_at: float
    ) -> int | None:
        """Note a request, durable; the same one again wants its report again.

        Args:
            peer: who asks.
            transaction_uid: its own name of the request.
            objects: SOP class and instance of each.
            next_try_at: on an association of this node's own its report is sent not before.

        Returns:
            The request's id; None where another request has that UID.
        """
        with self._db.transaction() as connection:
            known = self._select("peer = ? AND transaction_uid = ?", (peer, transaction_uid))
            if known:
                same = {(each.sop_class_uid, each.sop_instance_uid) for each in self.objects_of(known[0].id)}
                if same != set(objects):
                    return None
                if known[0].state in ("reported", "parked"):
                    self._db.move("promise", known[0].id, "asked", tries=0, next_try_at=next_try_at)
                return known[0].id
            cursor = connection.execute(
                "INSERT INTO promise (peer, transaction_uid, state, next_try_at, created_at)"
                " VALUES (?, ?, 'asked', ?, ?)",
                (peer, transaction_uid, next_try_at, time.time()),
            )
            identity = int(cursor.lastrowid or 0)
            connection.executemany(
                "INSERT OR IGNORE INTO promise_object (promise_id, sop_class_uid, sop_instance_uid)"
                " VALUES (?, ?, ?)",
                [(identity, *item) for item in objects],
            )
            return identity

    def open(self, peer: str) -> int:
        """How many requests of a peer are not brought to an end."""
        found = self._db.rows(
            "SELECT count(*) AS n FROM promise WHERE peer = ? AND state IN ('asked', 'checked')", (peer,)
        )
        return int(found[0]["n"])

    def get(self, promise_id: int) -> PromiseRow:
        """One row; KeyError where there is none."""
        found = self._select("id = ?", (promise_id,))
        if not found:
            raise KeyError(f"no promise {promise_id}")
        return found[0]

    def all(self) -> list[PromiseRow]:
        """Every request, oldest first."""
        return self._select("1 ORDER BY id", ())

    def objects_of(self, promise_id: int) -> list[PromisedRow]:
        """What it asks for."""
        found = self._db.rows(
            "SELECT sop_class_uid, sop_instance_uid, failure FROM promise_object WHERE promise_id = ?"
            " ORDER BY sop_instance_uid",
            (promise_id,),
        )
        return [PromisedRow(**dict(row)) for row in found]

    def unchecked(self) -> list[PromiseRow]:
        """Requests that nobody has looked at."""
        return self._select("state = 'asked' ORDER BY id", ())

    def held(self, sop_instance_uid: str) -> list[InstanceRow]:
        """Every object under this UID that is here: more than one where it came with other bytes again."""
        found = self._db.rows(
            "SELECT id, sop_instance_uid, sop_class_uid, transfer_syntax, sha256, size, path, association_id,"
            " received_at, state, study_uid, header, reason FROM instance WHERE sop_instance_uid = ?"
            " AND state NOT IN ('purged', 'lost') ORDER BY id",
            (sop_instance_uid,),
        )
        return [InstanceRow(**dict(row)) for row in found]

    def keep(self, row: PromiseRow, verdicts: Sequence[tuple[str, int, Sequence[int]]], gone: int) -> None:
        """Promise what was found whole, durable, so that it can be reported.

        Args:
            row: the request.
            verdicts: SOP Instance UID, :data:`KEPT` or the failure reason, and the instances to keep.
            gone: the failure reason of what was purged while it was looked at.
        """
        with self._db.transaction() as connection:
            if self.get(row.id).state != "asked":
                return
            for uid, verdict, instances in verdicts:
                kept = [self._mark(row.peer, identity) for identity in instances]
                connection.execute(
                    "UPDATE promise_object SET failure = ? WHERE promise_id = ? AND sop_instance_uid = ?",
                    (verdict if all(kept) else gone, row.id, uid),
                )
            self._db.move("promise", row.id, "checked")

    def due(self, now: float) -> list[PromiseRow]:
        """Checked, and to be reported on an association of this node's own."""
        return self._select("state = 'checked' AND next_try_at <= ? ORDER BY id", (now,))

    def next_due(self) -> float | None:
        """When the next report is to be sent."""
        when = self._db.rows("SELECT min(next_try_at) AS t FROM promise WHERE state = 'checked'")[0]["t"]
        return None if when is None else float(when)

    def put_off(self, promise_id: int, next_try_at: float) -> None:
        """Leave the report to the association that asked for it, until then."""
        with self._db.transaction() as connection:
            connection.execute("UPDATE promise SET next_try_at = ? WHERE id = ?", (next_try_at, promise_id))

    def release_all(self) -> None:
        """At start: the associations that asked are gone, every report is due on one of this node's own."""
        with self._db.transaction() as connection:
            connection.execute("UPDATE promise SET next_try_at = 0 WHERE state IN ('asked', 'checked')")

    def reported(self, promise_id: int) -> None:
        """The peer has taken the report."""
        with self._db.transaction():
            if self.get(promise_id).state == "checked":
                self._db.move("promise", promise_id, "reported")

    def postpone(self, row: PromiseRow, reason: str, next_try_at: float | None) -> None:
        """A try to report that ended badly; parked where there is no next one: the peer asks again."""
        with self._db.transaction() as connection:
            if self.get(row.id).state != "checked":
                return
            if next_try_at is None:
                self._db.move("promise", row.id, "parked", reason, tries=row.tries + 1)
                return
            connection.execute(
                "UPDATE promise SET reason = ?, tries = ?, next_try_at = ? WHERE id = ?",
                (reason, row.tries + 1, next_try_at, row.id),
            )

    def unarchived(self, peer: str, most: int, not_since: float) -> list[tuple[str, str]]:
        """SOP class and instance of what is kept until an archive answers for it, and it may be asked about.

        Args:
            peer: the archive.
            most: of them.
            not_since: leaves out what a request to the archive since then is about.
        """
        found = self._db.rows(
            "SELECT i.sop_class_uid, i.sop_instance_uid FROM instance i WHERE i.committed_to IS NOT NULL"
            " AND i.archived_at IS NULL AND i.state NOT IN ('purged', 'lost') AND NOT EXISTS (SELECT 1 FROM"
            " commitment_object o JOIN commitment c ON c.id = o.commitment_id WHERE c.peer = ? AND"
            " c.delivery_id IS NULL AND o.sop_instance_uid = i.sop_instance_uid"
            " AND (c.created_at > ? OR c.state IN ('asking', 'asked', 'answered')))"
            " GROUP BY i.sop_instance_uid ORDER BY i.id LIMIT ?",
            (peer, not_since, most),
        )
        return [(row["sop_class_uid"], row["sop_instance_uid"]) for row in found]

    def counts(self) -> dict[str, int]:
        """Instances that were promised: those that wait for an archive, those that it has answered for."""
        found = self._db.rows(
            "SELECT CASE WHEN archived_at IS NULL THEN 'kept' ELSE 'archived' END AS s, count(*) AS n"
            " FROM instance WHERE committed_to IS NOT NULL AND state != 'purged' GROUP BY s"
        )
        return {row["s"]: row["n"] for row in found}

    def _mark(self, peer: str, instance_id: int) -> bool:
        with self._db.transaction() as connection:
            cursor = connection.execute(
                "UPDATE instance SET committed_to = coalesce(committed_to, ?) WHERE id = ?"
                " AND state NOT IN ('purged', 'lost')",
                (peer, instance_id),
            )
            return cursor.rowcount == 1

    def _select(self, where: str, parameters: tuple[object, ...]) -> list[PromiseRow]:
        found = self._db.rows(
            "SELECT id, peer, transaction_uid, state, reason, tries, next_try_at, created_at FROM promise"
            f" WHERE {where}",
            parameters,
        )
        return [PromiseRow(**dict(row)) for row in found]
