"""Products, their objects, and one delivery per product and peer."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qsmnode.ledger.database import Database


@dataclass(frozen=True)
class ObjectRow:
    """One DICOM object of a product, in the file that every try sends."""

    id: int
    product_id: int
    sop_class_uid: str
    sop_instance_uid: str
    path: str


@dataclass(frozen=True)
class ProductRow:
    """One thing a job made."""

    id: int
    job_id: int
    kind: str
    series_uid: str


@dataclass(frozen=True)
class DeliveryRow:
    """One product on its way to one peer."""

    id: int
    product_id: int
    peer: str
    state: str
    tries: int
    next_try_at: float
    reason: str
    created_at: float
    finished_at: float | None
    job_id: int
    kind: str


class Deliveries:
    """Rows of product, product_object, delivery and delivery_object."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add_product(
        self,
        job_id: int,
        kind: str,
        series_uid: str,
        objects: Iterable[tuple[str, str, str]],
        peers: Sequence[str],
    ) -> int:
        """A product with its objects (SOP class, SOP instance, path) and one pending delivery per peer."""
        now = time.time()
        with self._db.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO product (job_id, kind, series_uid) VALUES (?, ?, ?)", (job_id, kind, series_uid)
            )
            product_id = int(cursor.lastrowid or 0)
            connection.executemany(
                "INSERT INTO product_object (product_id, sop_class_uid, sop_instance_uid, path)"
                " VALUES (?, ?, ?, ?)",
                [(product_id, *item) for item in objects],
            )
            connection.executemany(
                "INSERT INTO delivery (product_id, peer, state, created_at) VALUES (?, ?, 'pending', ?)",
                [(product_id, peer, now) for peer in peers],
            )
            return product_id

    def products_of(self, job_id: int) -> list[ProductRow]:
        """What a job made."""
        found = self._db.rows(
            "SELECT id, job_id, kind, series_uid FROM product WHERE job_id = ? ORDER BY id", (job_id,)
        )
        return [ProductRow(**dict(row)) for row in found]

    def series_uids(self) -> set[str]:
        """Every series that this node has made."""
        return {row["series_uid"] for row in self._db.rows("SELECT series_uid FROM product")}

    def objects_of(self, product_id: int) -> list[ObjectRow]:
        """The objects of a product, in the order they were built."""
        found = self._db.rows(
            "SELECT id, product_id, sop_class_uid, sop_instance_uid, path FROM product_object"
            " WHERE product_id = ? ORDER BY id",
            (product_id,),
        )
        return [ObjectRow(**dict(row)) for row in found]

    def undelivered_objects(self) -> list[ObjectRow]:
        """The objects that some peer is still to get."""
        found = self._db.rows(
            "SELECT o.id, o.product_id, o.sop_class_uid, o.sop_instance_uid, o.path FROM product_object o"
            " JOIN delivery d ON d.product_id = o.product_id WHERE d.state NOT IN ('sent', 'committed')"
            " AND o.purged_at IS NULL AND NOT EXISTS"
            " (SELECT 1 FROM delivery_object WHERE delivery_id = d.id AND object_id = o.id)"
            " GROUP BY o.id ORDER BY o.id"
        )
        return [ObjectRow(**dict(row)) for row in found]

    def object_paths(self) -> set[str]:
        """Every file of a product that a row speaks for."""
        found = self._db.rows("SELECT path FROM product_object WHERE purged_at IS NULL")
        return {row["path"] for row in found}

    def unsent(self, delivery: DeliveryRow) -> list[ObjectRow]:
        """The objects that the peer has not acknowledged yet."""
        found = self._db.rows(
            "SELECT id, product_id, sop_class_uid, sop_instance_uid, path FROM product_object"
            " WHERE product_id = ? AND id NOT IN"
            " (SELECT object_id FROM delivery_object WHERE delivery_id = ?) ORDER BY id",
            (delivery.product_id, delivery.id),
        )
        return [ObjectRow(**dict(row)) for row in found]

    def acknowledged(self, delivery: DeliveryRow, objects: Iterable[ObjectRow]) -> None:
        """The peer said 0x0000 for these; never sent to it again. Progress clears the count of bad tries."""
        now = time.time()
        with self._db.transaction() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO delivery_object (delivery_id, object_id, sent_at) VALUES (?, ?, ?)",
                [(delivery.id, item.id, now) for item in objects],
            )
            connection.execute("UPDATE delivery SET tries = 0 WHERE id = ?", (delivery.id,))

    def get(self, delivery_id: int) -> DeliveryRow:
        """One row; KeyError where there is none."""
        found = self._select("d.id = ?", (delivery_id,))
        if not found:
            raise KeyError(f"no delivery {delivery_id}")
        return found[0]

    def all(self) -> list[DeliveryRow]:
        """Every delivery, oldest first."""
        return self._select("1 ORDER BY d.id", ())

    def of_job(self, job_id: int) -> list[DeliveryRow]:
        """The deliveries of one job's products."""
        return self._select("p.job_id = ? ORDER BY d.id", (job_id,))

    def claim(self, busy_peers: Sequence[str]) -> DeliveryRow | None:
        """Take the oldest pending delivery that is due, to a peer that nobody is sending to: now sending."""
        now = time.time()
        marks = ",".join("?" * len(busy_peers))
        with self._db.transaction():
            found = self._select(
                f"d.state = 'pending' AND d.next_try_at <= ? AND d.peer NOT IN ({marks})"
                " ORDER BY d.id LIMIT 1",
                (now, *busy_peers),
            )
            if not found:
                return None
            self._db.move("delivery", found[0].id, "sending", found[0].reason)
            return self.get(found[0].id)

    def next_try(self) -> float | None:
        """When the next pending delivery is due."""
        when = self._db.rows("SELECT min(next_try_at) AS t FROM delivery WHERE state = 'pending'")[0]["t"]
        return None if when is None else float(when)

    def sent(self, delivery_id: int) -> None:
        """Every object is acknowledged."""
        self._db.move("delivery", delivery_id, "sent", finished_at=time.time())

    def postpone(self, delivery: DeliveryRow, reason: str, next_try_at: float) -> None:
        """A try that ended badly, and when the next one comes."""
        with self._db.transaction():
            tries = self.get(delivery.id).tries + 1
            self._db.move("delivery", delivery.id, "pending", reason, tries=tries, next_try_at=next_try_at)

    def park(self, delivery: DeliveryRow, reason: str) -> None:
        """No further try by itself; `retry` starts again. Never dropped."""
        with self._db.transaction():
            tries = self.get(delivery.id).tries + 1
            self._db.move("delivery", delivery.id, "parked", reason, tries=tries, finished_at=time.time())

    def hold(self, delivery: DeliveryRow, reason: str) -> None:
        """Not sent: somebody has to look first; `retry` goes on."""
        self._db.move("delivery", delivery.id, "held", reason, finished_at=time.time())

    def release_all_sending(self) -> None:
        """At start: whoever was sending is gone; what the peer acknowledged stays acknowledged."""
        for row in self._select("d.state = 'sending' ORDER BY d.id", ()):
            self._db.move(
                "delivery", row.id, "pending", "the node was restarted while sending", next_try_at=0.0
            )

    def retry(self, delivery_id: int) -> None:
        """Parked, held or unconfirmed: pending again, with a clean count."""
        self._db.move(
            "delivery",
            delivery_id,
            "pending",
            "retried on request",
            tries=0,
            rounds=0,
            next_try_at=0.0,
            finished_at=None,
        )

    def _select(self, where: str, parameters: tuple[object, ...]) -> list[DeliveryRow]:
        found = self._db.rows(
            "SELECT d.id, d.product_id, d.peer, d.state, d.tries, d.next_try_at, d.reason, d.created_at,"
            " d.finished_at, p.job_id, p.kind FROM delivery d JOIN product p ON p.id = d.product_id"
            f" WHERE {where}",
            parameters,
        )
        return [DeliveryRow(**dict(row)) for row in found]
