"""What the audit trail asks of the ledger: the events since it last looked, and what they were about."""

from __future__ import annotations

import base64
import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass

from qsmnode.ledger.database import Database

READER = "audit"
UNKNOWN_STUDY = "unknown"
"""In place of the study of an object whose header could not be read."""

_TOLD = (
    "entity = 'association' OR entity = 'files' OR entity = 'delivery'"
    " AND before = 'sending' AND after = 'sent'"
    " OR entity = 'instance' AND after = 'purged' AND before IN ('unreadable', 'conflicting')"
    " OR entity IN ('query', 'retrieval', 'backup')"
)
_PATIENT = "min(json_extract(i.header, '$.keywords.PatientID[0]'))"


@dataclass(frozen=True)
class EventRow:
    """One change of state that is told."""

    id: int
    at: float
    entity: str
    row_id: int
    reason: str


@dataclass(frozen=True)
class Moved:
    """So many instances of a class and a study."""

    study_uid: str
    sop_class_uid: str
    count: int
    patient_id: str


@dataclass(frozen=True)
class Transfer:
    """Who gave or got them. ``pending``: some whose header is not read yet."""

    peer: str
    ae_title: str
    address: str
    moved: tuple[Moved, ...]
    pending: bool = False


@dataclass(frozen=True)
class Query:
    """What a peer was asked: an identifier of a class in a transfer syntax, or a URL where both are empty."""

    peer: str
    sop_class_uid: str
    transfer_syntax: str
    asked: bytes


class AuditEvents:
    """Reads events in their order; remembers which were told. Notes those that change no row."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def next(self, limit: int) -> list[EventRow]:
        """The first events that were not told yet."""
        found = self._db.rows(
            "SELECT id, at, entity, row_id, reason FROM event WHERE id >"
            f" coalesce((SELECT event FROM progress WHERE reader = '{READER}'), 0)"
            f" AND ({_TOLD}) ORDER BY id LIMIT ?",
            (limit,),
        )
        return [EventRow(**dict(row)) for row in found]

    def told(self, event_id: int) -> None:
        """All up to this one are in the trail."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO progress (reader, event) VALUES (?, ?)"
                " ON CONFLICT (reader) DO UPDATE SET event = excluded.event",
                (READER, event_id),
            )

    def association(self, association_id: int) -> Transfer:
        """Who sent what in one association."""
        (row,) = self._db.rows(
            "SELECT peer, calling_ae, address, EXISTS (SELECT 1 FROM instance WHERE association_id = a.id"
            " AND state = 'received') AS pending FROM association a WHERE id = ?",
            (association_id,),
        )
        moved = self._db.rows(
            f"SELECT coalesce(i.study_uid, '{UNKNOWN_STUDY}') AS study_uid, i.sop_class_uid, count(*) AS n,"
            f" {_PATIENT} AS patient FROM instance i WHERE i.association_id = ? GROUP BY 1, 2 ORDER BY 1, 2",
            (association_id,),
        )
        return Transfer(row["peer"], row["calling_ae"], row["address"], _moved(moved), bool(row["pending"]))

    def delivery(self, delivery_id: int) -> Transfer:
        """Who got what of a product."""
        (row,) = self._db.rows("SELECT peer FROM delivery WHERE id = ?", (delivery_id,))
        moved = self._db.rows(
            "SELECT a.study_uid, o.sop_class_uid, count(*) AS n, (SELECT"
            f" {_PATIENT} FROM acquisition_instance m JOIN instance i ON i.id = m.instance_id"
            " WHERE m.acquisition_id = a.id) AS patient"
            " FROM delivery d JOIN product_object o ON o.product_id = d.product_id"
            " JOIN product p ON p.id = d.product_id JOIN job j ON j.id = p.job_id"
            " JOIN acquisition a ON a.id = j.acquisition_id WHERE d.id = ? GROUP BY 1, 2 ORDER BY 1, 2",
            (delivery_id,),
        )
        return Transfer(row["peer"], "", "", _moved(moved))

    def files_of(self, acquisition_id: int) -> tuple[Moved, ...]:
        """What belonged to an acquisition: its members that were purged."""
        return _moved(
            self._db.rows(
                "SELECT a.study_uid, i.sop_class_uid, count(*) AS n,"
                f" {_PATIENT} AS patient FROM acquisition a JOIN acquisition_instance m"
                " ON m.acquisition_id = a.id JOIN instance i ON i.id = m.instance_id"
                " WHERE a.id = ? AND i.state = 'purged' GROUP BY 1, 2 ORDER BY 1, 2",
                (acquisition_id,),
            )
        )

    def instance(self, instance_id: int) -> tuple[Moved, ...]:
        """One that belonged to nothing."""
        return _moved(
            self._db.rows(
                f"SELECT coalesce(i.study_uid, '{UNKNOWN_STUDY}') AS study_uid, i.sop_class_uid, 1 AS n,"
                f" {_PATIENT} AS patient FROM instance i WHERE i.id = ? GROUP BY 1, 2",
                (instance_id,),
            )
        )

    def note_query(self, peer: str, sop_class_uid: str, transfer_syntax: str, asked: bytes) -> None:
        """A question is about to go to a peer."""
        words = {"class": sop_class_uid, "syntax": transfer_syntax, "asked": base64.b64encode(asked).decode()}
        self._note("query", 0, {"peer": peer, **words})

    def note_retrieval(self, peer: str, acquisition_id: int) -> None:
        """A peer is about to be asked to send images of an acquisition."""
        self._note("retrieval", acquisition_id, {"peer": peer})

    def note_backup(self, folder: str, by: str) -> None:
        """The ledger was copied into a folder, on somebody's request."""
        self._note("backup", 0, {"folder": folder, "by": by})

    def query(self, event: EventRow) -> Query:
        """What was asked."""
        said = json.loads(event.reason)
        return Query(said["peer"], said["class"], said["syntax"], base64.b64decode(said["asked"]))

    def retrieval(self, event: EventRow) -> Transfer:
        """Who was asked to send, and of which study; how much it is nobody knows yet."""
        moved = self._db.rows(
            f"SELECT a.study_uid, '' AS sop_class_uid, 0 AS n, {_PATIENT} AS patient FROM acquisition a"
            " LEFT JOIN acquisition_instance m ON m.acquisition_id = a.id"
            " LEFT JOIN instance i ON i.id = m.instance_id WHERE a.id = ? GROUP BY 1",
            (event.row_id,),
        )
        return Transfer(json.loads(event.reason)["peer"], "", "", _moved(moved))

    def backup(self, event: EventRow) -> tuple[str, str]:
        """The folder, and who asked for it."""
        said = json.loads(event.reason)
        return said["folder"], said["by"]

    def studies(self, after: str, limit: int) -> tuple[Moved, ...]:
        """The next studies that the ledger knows, by UID, without a count: few at a time, as others wait."""
        return _moved(
            self._db.rows(
                "SELECT s.study_uid, '' AS sop_class_uid, 0 AS n, (SELECT"
                " json_extract(header, '$.keywords.PatientID[0]') FROM instance"
                " WHERE study_uid = s.study_uid LIMIT 1) AS patient"
                " FROM (SELECT DISTINCT study_uid FROM instance WHERE study_uid > ?"
                " ORDER BY study_uid LIMIT ?) s ORDER BY 1",
                (after, limit),
            )
        )

    def _note(self, entity: str, row_id: int, words: dict[str, str]) -> None:
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO event (at, entity, row_id, before, after, reason)"
                " VALUES (?, ?, ?, '', 'noted', ?)",
                (time.time(), entity, row_id, json.dumps(words)),
            )


def _moved(rows: Sequence[sqlite3.Row]) -> tuple[Moved, ...]:
    return tuple(
        Moved(row["study_uid"], row["sop_class_uid"], row["n"], str(row["patient"] or "")) for row in rows
    )
