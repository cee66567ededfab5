"""Storage commitment that archives were asked for, and what they answered."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from qsmnode.ledger.database import Database
from qsmnode.ledger.deliveries import Deliveries, DeliveryRow

COMMITTED = 0
"""In place of a failure reason."""


@dataclass(frozen=True)
class CommitmentRow:
    """One request. ``delivery_id`` is None where it is about received objects that this node has promised."""

    id: int
    transaction_uid: str
    peer: str
    delivery_id: int | None
    state: str
    reason: str
    tries: int
    due_at: float
    deadline_at: float
    created_at: float


@dataclass(frozen=True)
class AskedRow:
    """One object of a request; ``failure`` is None until it is answered, 0 where it is committed."""

    sop_class_uid: str
    sop_instance_uid: str
    failure: int | None


class Commitments:
    """Rows of commitment and commitment_object, and the deliveries that they decide about."""

    def __init__(self, database: Database, deliveries: Deliveries) -> None:
        self._db = database
        self._deliveries = deliveries

    def get(self, commitment_id: int) -> CommitmentRow:
        """One row; KeyError where there is none."""
        found = self._select("id = ?", (commitment_id,))
        if not found:
            raise KeyError(f"no commitment {commitment_id}")
        return found[0]

    def all(self) -> list[CommitmentRow]:
        """Every request, oldest first."""
        return self._select("1 ORDER BY id", ())

    def objects_of(self, row: CommitmentRow) -> list[AskedRow]:
        """What it asks for."""
        found = self._db.rows(
            "SELECT sop_class_uid, sop_instance_uid, failure FROM commitment_object"
            " WHERE commitment_id = ? ORDER BY sop_instance_uid",
            (row.id,),
        )
        return [AskedRow(**dict(each)) for each in found]

    def unasked(self, peer: str) -> list[DeliveryRow]:
        """Deliveries that the peer has acknowledged and was not yet asked to answer for."""
        found = self._db.rows(
            "SELECT d.id FROM delivery d WHERE d.peer = ? AND d.state = 'sent' AND NOT EXISTS (SELECT 1 FROM"
            " commitment c WHERE c.delivery_id = d.id AND c.state IN ('asking', 'asked', 'answered'))"
            " ORDER BY d.id",
            (peer,),
        )
        return [self._deliveries.get(row["id"]) for row in found]

    def uncommitted(self, delivery: DeliveryRow) -> list[tuple[str, str]]:
        """SOP class and instance of every object of a delivery that no report has answered for."""
        found = self._db.rows(
            "SELECT o.sop_class_uid, o.sop_instance_uid FROM product_object o WHERE o.product_id = ?"
            " AND NOT EXISTS (SELECT 1 FROM delivery_object s WHERE s.object_id = o.id AND s.delivery_id = ?"
            " AND s.committed_at IS NOT NULL) ORDER BY o.id",
            (delivery.product_id, delivery.id),
        )
        return [(row["sop_class_uid"], row["sop_instance_uid"]) for row in found]

    def begin(
        self,
        peer: str,
        objects: Sequence[tuple[str, str]],
        *,
        deadline_at: float,
        delivery_id: int | None = None,
        tries: int = 0,
        due_at: float = 0.0,
    ) -> int:
        """A request under a transaction UID of its own, durable before anybody is asked; its id."""
        with self._db.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO commitment (transaction_uid, peer, delivery_id, state, tries, due_at,"
                " deadline_at, created_at) VALUES (?, ?, ?, 'asking', ?, ?, ?, ?)",
                (f"2.25.{uuid.uuid4().int}", peer, delivery_id, tries, due_at, deadline_at, time.time()),
            )
            identity = int(cursor.lastrowid or 0)
            connection.executemany(
                "INSERT INTO commitment_object (commitment_id, sop_class_uid, sop_instance_uid)"
                " VALUES (?, ?, ?)",
                [(identity, *item) for item in objects],
            )
            return identity

    def due(self, peer: str, now: float) -> list[CommitmentRow]:
        """Requests that the peer is to get now."""
        return self._select("peer = ? AND state = 'asking' AND due_at <= ? ORDER BY id", (peer, now))

    def next_due(self, peer: str) -> float | None:
        """When something is to be done about a request to the peer."""
        found = self._db.rows(
            "SELECT min(CASE state WHEN 'asking' THEN min(due_at, deadline_at) ELSE deadline_at END) AS t"
            " FROM commitment WHERE peer = ? AND state IN ('asking', 'asked')",
            (peer,),
        )
        when = found[0]["t"]
        return None if when is None else float(when)

    def asked(self, row: CommitmentRow, deadline_at: float) -> None:
        """The peer has taken the request; its report may even be here already."""
        with self._db.transaction():
            if self.get(row.id).state == "asking":
                self._db.move("commitment", row.id, "asked", deadline_at=deadline_at)
                self._tell(row, "asked for storage commitment, its report is waited for")

    def lose(self, row: CommitmentRow, reason: str, due_at: float) -> None:
        """Nobody knows whether the request arrived: another one takes its place, under another UID."""
        with self._db.transaction():
            if self.get(row.id).state != "asking":
                return
            self._db.move("commitment", row.id, "lost", reason)
            self._tell(row, f"not asked for storage commitment yet: {reason}")
            objects = [(each.sop_class_uid, each.sop_instance_uid) for each in self.objects_of(row)]
            self.begin(
                row.peer,
                objects,
                deadline_at=row.deadline_at,
                delivery_id=row.delivery_id,
                tries=row.tries + 1,
                due_at=due_at,
            )

    def put_off(self, row: CommitmentRow, reason: str, due_at: float) -> None:
        """No answer that decides anything: the same is asked again then."""
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE commitment SET due_at = ?, tries = ? WHERE id = ? AND state = 'asking'",
                (due_at, row.tries + 1, row.id),
            )
            self._tell(row, reason)

    def lose_all_open(self) -> None:
        """At start: a report may have found nobody here; asked again under new UIDs."""
        for row in self._open("1", ()):
            self._db.move("commitment", row.id, "lost", "the node was restarted before its report came")

    def report(self, peer: str, transaction_uid: str, failures: Mapping[str, int]) -> bool | None:
        """Keep a peer's report, durable; None where it was asked for nothing under this UID.

        Args:
            peer: who reports.
            transaction_uid: of the request.
            failures: what is named, by SOP Instance UID: :data:`COMMITTED` or the failure reason.

        Returns:
            Whether it is news: a report that was repeated changes nothing.
        """
        with self._db.transaction() as connection:
            found = self._select("peer = ? AND transaction_uid = ?", (peer, transaction_uid))
            if not found:
                return None
            row = found[0]
            if row.state in ("answered", "settled"):
                return False
            asked = {each.sop_instance_uid for each in self.objects_of(row)}
            connection.executemany(
                "UPDATE commitment_object SET failure = ? WHERE commitment_id = ? AND sop_instance_uid = ?",
                [(code, row.id, uid) for uid, code in failures.items() if uid in asked],
            )
            committed = [uid for uid, code in failures.items() if uid in asked and code == COMMITTED]
            self._commit(row, committed)
            self._db.move("commitment", row.id, "answered")
            return True

    def answered(self, peer: str) -> list[CommitmentRow]:
        """Those whose report is here and has led to nothing yet."""
        return self._select("peer = ? AND state = 'answered' ORDER BY id", (peer,))

    def overdue(self, peer: str, now: float) -> list[CommitmentRow]:
        """Those whose report did not come."""
        return self._select(
            "peer = ? AND state IN ('asking', 'asked') AND deadline_at <= ? ORDER BY id", (peer, now)
        )

    def lacking(self, row: CommitmentRow) -> dict[str, int | None]:
        """What a report says that the peer does not have, with its reason; None: it was not named.

        Without what was sent again since the request was made: the report is not about that.
        """
        found = self._db.rows(
            "SELECT c.sop_instance_uid, c.failure FROM commitment_object c"
            " JOIN product_object o ON o.sop_instance_uid = c.sop_instance_uid"
            " JOIN delivery d ON d.id = ? AND d.product_id = o.product_id"
            " JOIN delivery_object s ON s.delivery_id = d.id AND s.object_id = o.id"
            " WHERE c.commitment_id = ? AND c.failure IS NOT 0 AND s.sent_at <= ? AND s.committed_at IS NULL",
            (row.delivery_id, row.id, row.created_at),
        )
        return {each["sop_instance_uid"]: each["failure"] for each in found}

    def settle(self, row: CommitmentRow) -> None:
        """Its report has led to what it leads to; inside the transaction that did it."""
        self._db.move("commitment", row.id, "settled")

    def expire(self, row: CommitmentRow, reason: str) -> bool:
        """No report any more, as far as can be told; False where it came meanwhile."""
        with self._db.transaction():
            if self.get(row.id).state not in ("asking", "asked"):
                return False
            self._db.move("commitment", row.id, "expired", reason)
            if row.delivery_id is not None and self._deliveries.get(row.delivery_id).state == "sent":
                self._db.move("delivery", row.delivery_id, "unconfirmed", reason)
            return True

    def commit(self, delivery: DeliveryRow, reason: str = "") -> None:
        """The peer has answered for every object; ``reason``: in what way, where that is to be said."""
        with self._db.transaction():
            self._close(delivery, "its delivery is committed")
            self._db.move("delivery", delivery.id, "committed", reason, finished_at=time.time())

    def rounds(self, delivery: DeliveryRow) -> int:
        """How many reports in a row had failures, since somebody last asked for a retry."""
        return int(self._db.rows("SELECT rounds FROM delivery WHERE id = ?", (delivery.id,))[0]["rounds"])

    def resend(
        self, delivery: DeliveryRow, uids: Collection[str], reason: str, next_try_at: float | None
    ) -> None:
        """Objects that the peer does not have: sent again at a time, or parked where that is None."""
        with self._db.transaction() as connection:
            connection.executemany(
                "DELETE FROM delivery_object WHERE delivery_id = ? AND object_id IN"
                " (SELECT id FROM product_object WHERE product_id = ? AND sop_instance_uid = ?)",
                [(delivery.id, delivery.product_id, uid) for uid in uids],
            )
            self._close(delivery, "its objects are sent again")
            rounds = self.rounds(delivery) + 1
            if next_try_at is None:
                self._db.move(
                    "delivery", delivery.id, "parked", reason, rounds=rounds, finished_at=time.time()
                )
                return
            self._db.move(
                "delivery",
                delivery.id,
                "pending",
                reason,
                rounds=rounds,
                tries=0,
                next_try_at=next_try_at,
                finished_at=None,
            )

    def study_of(self, delivery: DeliveryRow) -> tuple[str, str]:
        """Study and series of a delivery's objects."""
        found = self._db.rows(
            "SELECT a.study_uid, p.series_uid FROM product p JOIN job j ON j.id = p.job_id"
            " JOIN acquisition a ON a.id = j.acquisition_id WHERE p.id = ?",
            (delivery.product_id,),
        )
        return found[0]["study_uid"], found[0]["series_uid"]

    def _close(self, delivery: DeliveryRow, reason: str) -> None:
        """No report is waited for any more."""
        for row in self._open("delivery_id = ?", (delivery.id,)):
            self._db.move("commitment", row.id, "expired", reason)

    def _open(self, where: str, parameters: tuple[object, ...]) -> list[CommitmentRow]:
        return self._select(f"{where} AND state IN ('asking', 'asked') ORDER BY id", parameters)

    def _tell(self, row: CommitmentRow, reason: str) -> None:
        """Say of a delivery what it waits for; its state stays as it is."""
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE delivery SET reason = ? WHERE id = ? AND state = 'sent'", (reason, row.delivery_id)
            )

    def _commit(self, row: CommitmentRow, uids: Sequence[str]) -> None:
        now = time.time()
        with self._db.transaction() as connection:
            if row.delivery_id is None:
                connection.executemany(
                    "UPDATE instance SET archived_at = ? WHERE sop_instance_uid = ?"
                    " AND committed_to IS NOT NULL AND archived_at IS NULL",
                    [(now, uid) for uid in uids],
                )
                return
            delivery = self._deliveries.get(row.delivery_id)
            connection.executemany(
                "UPDATE delivery_object SET committed_at = ? WHERE delivery_id = ? AND object_id IN"
                " (SELECT id FROM product_object WHERE product_id = ? AND sop_instance_uid = ?)",
                [(now, delivery.id, delivery.product_id, uid) for uid in uids],
            )

    def _select(self, where: str, parameters: tuple[object, ...]) -> list[CommitmentRow]:
        found = self._db.rows(
            "SELECT id, transaction_uid, peer, delivery_id, state, reason, tries, due_at, deadline_at,"
            f" created_at FROM commitment WHERE {where}",
            parameters,
        )
        return [CommitmentRow(**dict(row)) for row in found]
