"""Associations and the instances that came in them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from qsmnode.ledger.database import Database

_HERE = "state NOT IN ('purged', 'lost')"
_READABLE = "state NOT IN ('purged', 'lost', 'unreadable')"


@dataclass(frozen=True)
class InstanceRow:
    """One received object. ``header`` is the JSON of ``dicom.instance``, None until indexed."""

    id: int
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax: str
    sha256: str
    size: int
    path: str
    association_id: int
    received_at: float
    state: str
    study_uid: str | None
    header: str | None
    reason: str


class Instances:
    """What arrived, from whom, and whether its header is read."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def open_association(self, peer: str, calling_ae: str, address: str) -> int:
        """Note that ``peer`` connected; the association's id."""
        with self._db.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO association (peer, calling_ae, address, started_at) VALUES (?, ?, ?, ?)",
                (peer, calling_ae, address, time.time()),
            )
            return int(cursor.lastrowid or 0)

    def end_association(self, association_id: int) -> None:
        """Note that it ended, however it ended."""
        self._end("id = ?", (association_id,))

    def end_all_associations(self) -> None:
        """At start: none survives the process that held it."""
        self._end("1", ())

    def _end(self, where: str, parameters: tuple[object, ...]) -> None:
        now = time.time()
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO event (at, entity, row_id, before, after) SELECT ?, 'association', id, 'open',"
                f" 'ended' FROM association WHERE ended_at IS NULL AND {where} ORDER BY id",
                (now, *parameters),
            )
            connection.execute(
                f"UPDATE association SET ended_at = ? WHERE ended_at IS NULL AND {where}", (now, *parameters)
            )

    def known(self, sop_instance_uid: str, sha256: str) -> bool:
        """Whether exactly these bytes are here already (a re-send: nothing new)."""
        found = self._db.rows(
            f"SELECT 1 FROM instance WHERE sop_instance_uid = ? AND sha256 = ? AND {_HERE}",
            (sop_instance_uid, sha256),
        )
        return bool(found)

    def absent(self, sop_instance_uids: Iterable[str]) -> list[str]:
        """Those of which nothing readable is here, whatever its bytes."""
        known = f"SELECT 1 FROM instance WHERE sop_instance_uid = ? AND {_READABLE}"
        return [uid for uid in sop_instance_uids if not self._db.rows(known, (uid,))]

    def add(
        self,
        *,
        sop_instance_uid: str,
        sop_class_uid: str,
        transfer_syntax: str,
        sha256: str,
        size: int,
        path: str,
        association_id: int,
        received_at: float | None = None,
    ) -> int:
        """Make a stored file findable; its row's id. ``received_at`` where that was not just now.

        The same SOP Instance UID with other bytes becomes ``conflicting``: kept, flagged, not used; unless
        what is here cannot be read, as a file that broke off on its way.
        """
        with self._db.transaction() as connection:
            other = connection.execute(
                f"SELECT 1 FROM instance WHERE sop_instance_uid = ? AND {_READABLE}",
                (sop_instance_uid,),
            ).fetchone()
            state = "conflicting" if other else "received"
            reason = (
                "the same SOP Instance UID is here with other bytes; the first one is used" if other else ""
            )
            cursor = connection.execute(
                "INSERT INTO instance (sop_instance_uid, sop_class_uid, transfer_syntax, sha256, size, path,"
                " association_id, received_at, state, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    sop_instance_uid,
                    sop_class_uid,
                    transfer_syntax,
                    sha256,
                    size,
                    path,
                    association_id,
                    time.time() if received_at is None else received_at,
                    state,
                    reason,
                ),
            )
            return int(cursor.lastrowid or 0)

    def unindexed(self, limit: int = 500) -> list[InstanceRow]:
        """Received, header not read yet, oldest first."""
        return self._select("state = 'received' ORDER BY id LIMIT ?", (limit,))

    def backlog(self) -> tuple[int, float, float]:
        """How many headers are not read yet; when the first and the last of those came (0 for none)."""
        (found,) = self._db.rows(
            "SELECT count(*) AS n, min(received_at) AS oldest, max(received_at) AS newest"
            " FROM instance WHERE state = 'received'"
        )
        return found["n"], found["oldest"] or 0.0, found["newest"] or 0.0

    def indexed(self, instance_id: int, study_uid: str, header: str, reason: str = "") -> None:
        """Keep what the header says; ``reason`` where it can never be a QSM source."""
        self._db.move("instance", instance_id, "indexed", reason, study_uid=study_uid, header=header)

    def unreadable(self, instance_id: int, reason: str) -> None:
        """Acknowledged and kept, but of no use; the next one that came under its UID takes its place."""
        with self._db.transaction() as connection:
            self._db.move("instance", instance_id, "unreadable", reason)
            again = connection.execute(
                "SELECT min(o.id) AS id FROM instance o"
                " JOIN instance i ON i.sop_instance_uid = o.sop_instance_uid"
                " WHERE i.id = ? AND o.state = 'conflicting'",
                (instance_id,),
            ).fetchone()
            if again["id"] is not None:
                self._db.move("instance", again["id"], "received")

    def files(self) -> list[tuple[int, str, int]]:
        """Id, path and size of every one whose file must be here."""
        found = self._db.rows(f"SELECT id, path, size FROM instance WHERE {_HERE} ORDER BY id")
        return [(row["id"], row["path"], row["size"]) for row in found]

    def missing(self) -> list[InstanceRow]:
        """Those that were acknowledged, and whose file is gone."""
        return self._select("state = 'lost' ORDER BY id", ())

    def lose(self, instance_id: int, reason: str) -> None:
        """Its file is gone: said until it is purged; the same object may come again."""
        self._db.move("instance", instance_id, "lost", reason)

    def regain(self, row: InstanceRow) -> bool:
        """Its file is back: its header is read anew; False where the object came again meanwhile."""
        with self._db.transaction():
            if self.known(row.sop_instance_uid, row.sha256):
                return False
            self._db.move("instance", row.id, "received", "its file is here again")
            return True

    def of_study(self, study_uid: str) -> list[InstanceRow]:
        """Indexed instances of one study, in order of arrival."""
        return self._select("study_uid = ? AND state = 'indexed' ORDER BY id", (study_uid,))

    def of_acquisition(self, acquisition_id: int) -> list[InstanceRow]:
        """The members of an acquisition, in order of arrival."""
        return self._select(
            "id IN (SELECT instance_id FROM acquisition_instance WHERE acquisition_id = ?) ORDER BY id",
            (acquisition_id,),
        )

    def ids_of_acquisition(self, acquisition_id: int) -> set[int]:
        """The ids alone of an acquisition's members."""
        found = self._db.rows(
            "SELECT instance_id FROM acquisition_instance WHERE acquisition_id = ?", (acquisition_id,)
        )
        return {int(row["instance_id"]) for row in found}

    def counts(self) -> dict[str, int]:
        """Instances per state; ignored ones (never a source) counted as ``ignored``."""
        found = self._db.rows(
            "SELECT CASE WHEN state = 'indexed' AND reason != '' THEN 'ignored' ELSE state END AS s,"
            " count(*) AS n FROM instance GROUP BY s"
        )
        return {row["s"]: row["n"] for row in found}

    def unusable(self, limit: int) -> list[InstanceRow]:
        """The newest ones that are unreadable, conflicting or lost; their reasons say why."""
        return self._select(
            "state IN ('unreadable', 'conflicting', 'lost') ORDER BY id DESC LIMIT ?", (limit,)
        )

    def conflicting_with(self, acquisition_id: int) -> int:
        """How many objects came under the UID of a member with other bytes; none of them is used."""
        found = self._db.rows(
            "SELECT count(*) AS n FROM acquisition_instance m JOIN instance i ON i.id = m.instance_id"
            " JOIN instance o ON o.sop_instance_uid = i.sop_instance_uid"
            " WHERE m.acquisition_id = ? AND o.state = 'conflicting'",
            (acquisition_id,),
        )
        return int(found[0]["n"])

    def undecided(self) -> bool:
        """Whether there are instances whose header was not read, or that no acquisition was given yet."""
        found = self._db.rows(
            "SELECT 1 FROM instance WHERE state = 'received' OR state = 'indexed'"
            " AND id NOT IN (SELECT instance_id FROM acquisition_instance) LIMIT 1"
        )
        return bool(found)

    def paths(self) -> set[str]:
        """Every path that a row speaks for."""
        return {row["path"] for row in self._db.rows(f"SELECT path FROM instance WHERE {_HERE}")}

    def purged_paths(self) -> set[str]:
        """Every path whose file was to go."""
        return {row["path"] for row in self._db.rows("SELECT path FROM instance WHERE state = 'purged'")}

    def callers(self, instance_ids: Iterable[int]) -> tuple[frozenset[str], bool]:
        """The calling AE titles behind these instances, and whether all their associations have ended."""
        wanted = set(instance_ids)
        found = self._db.rows(
            "SELECT DISTINCT a.calling_ae AS ae, a.ended_at AS ended, a.id AS id FROM association a"
            " JOIN instance i ON i.association_id = a.id"
            f" WHERE i.id IN ({','.join(map(str, sorted(wanted)))})"
        )
        return frozenset(row["ae"] for row in found), all(row["ended"] is not None for row in found)

    def _select(self, where: str, parameters: tuple[object, ...]) -> list[InstanceRow]:
        found = self._db.rows(
            "SELECT id, sop_instance_uid, sop_class_uid, transfer_syntax, sha256, size, path, association_id,"
            f" received_at, state, study_uid, header, reason FROM instance WHERE {where}",
            parameters,
        )
        return [InstanceRow(**dict(row)) for row in found]
