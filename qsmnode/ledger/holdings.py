"""What the store holds and why it may be needed: the facts that retention decides on, and what it books."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from qsmnode.ledger.database import Database


@dataclass(frozen=True)
class File:
    """One file of the store; ``row`` is its instance or object of a product."""

    row: int
    path: str
    size: int | None = None  # None: as long as the disk says


@dataclass(frozen=True)
class HeldJob:
    """A job of an acquisition, as far as it matters here."""

    id: int
    state: str


@dataclass(frozen=True)
class HeldDelivery:
    """A delivery of an acquisition's products."""

    id: int
    peer: str
    state: str


@dataclass
class Holding:
    """One revision of an acquisition that has files here.

    Attributes:
        since: when the last thing happened to it, its jobs or its deliveries.
        instances: the files of its members.
        objects: the files of its products.
    """

    id: int
    state: str
    description: str
    since: float
    instances: list[File] = field(default_factory=list)
    objects: list[File] = field(default_factory=list)
    jobs: list[HeldJob] = field(default_factory=list)
    deliveries: list[HeldDelivery] = field(default_factory=list)


@dataclass(frozen=True)
class Stray:
    """An instance that is of no use: unreadable, or the same UID with other bytes."""

    file: File
    state: str
    received_at: float


_LAST = (
    "max(a.created_at, coalesce("
    "(SELECT max(at) FROM event WHERE entity = 'acquisition' AND row_id = a.id), 0))"
)


class Holdings:
    """Reads what retention needs in a few questions, and books what it decided."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> list[Holding]:
        """Every revision of every acquisition that has files here, oldest first."""
        found = {
            row["id"]: Holding(row["id"], row["state"], row["description"], row["since"])
            for row in self._db.rows(
                f"SELECT a.id, a.state, a.description, {_LAST} AS since FROM acquisition a ORDER BY a.id"
            )
        }
        self._add_files(found)
        held = {identity: each for identity, each in found.items() if each.instances or each.objects}
        self._add_jobs(held)
        self._add_deliveries(held)
        return list(held.values())

    def strays(self) -> list[Stray]:
        """Instances of no use that belong to nothing."""
        found = self._db.rows(
            "SELECT id, path, size, state, received_at FROM instance"
            " WHERE state IN ('unreadable', 'conflicting') ORDER BY id"
        )
        return [
            Stray(File(row["id"], row["path"], row["size"]), row["state"], row["received_at"])
            for row in found
        ]

    def promised(self) -> frozenset[int]:
        """Instances that this node promised to keep, and that no archive has committed yet."""
        found = self._db.rows(
            "SELECT id FROM instance WHERE committed_to IS NOT NULL AND archived_at IS NULL"
        )
        return frozenset(row["id"] for row in found)

    def purge(self, instances: Iterable[File], objects: Iterable[File], reason: str) -> None:
        """Book that these files go; they are removed when this is durable."""
        now = time.time()
        with self._db.transaction() as connection:
            for each in instances:
                self._db.move("instance", each.row, "purged", reason)
            connection.executemany(
                "UPDATE product_object SET purged_at = ? WHERE id = ?", [(now, each.row) for each in objects]
            )

    def note(self, acquisition_id: int, reason: str) -> None:
        """Keep who let the files of an acquisition go, and why."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO event (at, entity, row_id, before, after, reason)"
                " VALUES (?, 'files', ?, 'kept', 'purged', ?)",
                (time.time(), acquisition_id, reason),
            )

    def are_purged(self, acquisition_id: int) -> bool:
        """Whether files that belong to an acquisition are gone for good."""
        found = self._db.rows(
            "SELECT 1 FROM acquisition_instance m JOIN instance i ON i.id = m.instance_id"
            " WHERE m.acquisition_id = ? AND i.state = 'purged' LIMIT 1",
            (acquisition_id,),
        )
        return bool(found)

    def _add_files(self, found: dict[int, Holding]) -> None:
        for row in self._db.rows(
            "SELECT m.acquisition_id AS a, i.id, i.path, i.size FROM acquisition_instance m"
            " JOIN instance i ON i.id = m.instance_id WHERE i.state NOT IN ('purged', 'lost') ORDER BY i.id"
        ):
            found[row["a"]].instances.append(File(row["id"], row["path"], row["size"]))
        for row in self._db.rows(
            "SELECT j.acquisition_id AS a, o.id, o.path FROM product_object o JOIN product p"
            " ON p.id = o.product_id JOIN job j ON j.id = p.job_id WHERE o.purged_at IS NULL ORDER BY o.id"
        ):
            found[row["a"]].objects.append(File(row["id"], row["path"]))

    def _add_jobs(self, held: dict[int, Holding]) -> None:
        for row in self._db.rows("SELECT acquisition_id AS a, id, state, finished_at FROM job ORDER BY id"):
            if row["a"] in held:
                held[row["a"]].jobs.append(HeldJob(row["id"], row["state"]))
                held[row["a"]].since = max(held[row["a"]].since, row["finished_at"] or 0.0)

    def _add_deliveries(self, held: dict[int, Holding]) -> None:
        by_acquisition: dict[int, list[HeldDelivery]] = defaultdict(list)
        for row in self._db.rows(
            "SELECT j.acquisition_id AS a, d.id, d.peer, d.state, d.finished_at FROM delivery d"
            " JOIN product p ON p.id = d.product_id JOIN job j ON j.id = p.job_id ORDER BY d.id"
        ):
            if row["a"] in held:
                by_acquisition[row["a"]].append(HeldDelivery(row["id"], row["peer"], row["state"]))
                held[row["a"]].since = max(held[row["a"]].since, row["finished_at"] or 0.0)
        for identity, deliveries in by_acquisition.items():
            held[identity].deliveries = deliveries
