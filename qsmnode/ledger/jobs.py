"""Jobs: one acquisition revision, one task, one recipe; claimed, leased, fenced by attempt."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qsmnode.ledger.database import Database


@dataclass(frozen=True)
class JobRow:
    """One job. ``order`` holds route, recipe, products and send_to as they stood when it was queued."""

    id: int
    acquisition_id: int
    task: str
    recipe_hash: str
    order: Mapping[str, Any]
    state: str
    attempt: int
    failures: int
    not_before: float
    lease_until: float | None
    progress: float
    step: str
    reason: str
    created_at: float
    started_at: float | None
    finished_at: float | None
    result: Mapping[str, Any]


class Jobs:
    """Rows of the job table."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, job_id: int) -> JobRow:
        """One row; KeyError where there is none."""
        found = self._select("id = ?", (job_id,))
        if not found:
            raise KeyError(f"no job {job_id}")
        return found[0]

    def all(self) -> list[JobRow]:
        """Every job, oldest first."""
        return self._select("1 ORDER BY id", ())

    def of_acquisition(self, acquisition_id: int) -> list[JobRow]:
        """The jobs of one acquisition revision."""
        return self._select("acquisition_id = ? ORDER BY id", (acquisition_id,))

    def queue(self, acquisition_id: int, task: str, recipe_hash: str, order: Mapping[str, Any]) -> int:
        """Queue a job once: an equal one that was cancelled is queued again, any other is left as it is."""
        with self._db.transaction() as connection:
            known = self._select(
                "acquisition_id = ? AND task = ? AND recipe_hash = ?", (acquisition_id, task, recipe_hash)
            )
            if known:
                if known[0].state == "cancelled":
                    self._db.move(
                        "job", known[0].id, "queued", "complete again", order_json=json.dumps(order)
                    )
                return known[0].id
            cursor = connection.execute(
                "INSERT INTO job (acquisition_id, task, recipe_hash, order_json, state, created_at)"
                " VALUES (?, ?, ?, ?, 'queued', ?)",
                (acquisition_id, task, recipe_hash, json.dumps(order), time.time()),
            )
            return int(cursor.lastrowid or 0)

    def claim(self, lease_s: float) -> JobRow | None:
        """Take the oldest queued job that may start now: running, with a new attempt number and a lease."""
        now = time.time()
        starts = self.next_start()
        if starts is None or starts > now:
            return None
        with self._db.transaction():
            found = self._select("state = 'queued' AND not_before <= ? ORDER BY id LIMIT 1", (now,))
            if not found:
                return None
            job = found[0]
            self._db.move(
                "job",
                job.id,
                "running",
                attempt=job.attempt + 1,
                lease_until=now + lease_s,
                started_at=now,
                finished_at=None,
                progress=0.0,
                step="",
            )
            return self.get(job.id)

    def next_start(self) -> float | None:
        """When the next queued job may start."""
        when = self._db.rows("SELECT min(not_before) AS t FROM job WHERE state = 'queued'")[0]["t"]
        return None if when is None else float(when)

    def report(self, job: JobRow, progress: float, step: str, lease_s: float) -> bool:
        """Progress of an attempt, which renews its lease; False where it is no longer the current one."""
        with self._db.transaction() as connection:
            cursor = connection.execute(
                "UPDATE job SET progress = ?, step = ?, lease_until = ? WHERE id = ? AND attempt = ?"
                " AND state = 'running'",
                (progress, step, time.time() + lease_s, job.id, job.attempt),
            )
            return cursor.rowcount == 1

    def is_current(self, job: JobRow) -> bool:
        """Whether this attempt is still the one that counts."""
        now = self.get(job.id)
        return now.state == "running" and now.attempt == job.attempt

    def succeed(self, job: JobRow, result: Mapping[str, Any]) -> None:
        """End well; inside the transaction that adds products and deliveries, after :meth:`is_current`."""
        self._db.move(
            "job",
            job.id,
            "succeeded",
            progress=1.0,
            lease_until=None,
            finished_at=time.time(),
            result_json=json.dumps(result),
        )

    def fail(self, job: JobRow, reason: str, *, retry_at: float | None) -> None:
        """An attempt ended badly: queued again for ``retry_at``, or failed for good."""
        with self._db.transaction():
            if not self.is_current(job):
                return
            after = "failed" if retry_at is None else "queued"
            self._db.move(
                "job",
                job.id,
                after,
                reason,
                failures=job.failures + 1,
                not_before=retry_at or 0.0,
                lease_until=None,
                finished_at=time.time() if retry_at is None else None,
            )

    def release(self, job_id: int, reason: str) -> None:
        """A running job whose worker is gone through no fault of its own: queued again, not counted."""
        self._db.move("job", job_id, "queued", reason, lease_until=None)

    def cancel(self, job_id: int, reason: str) -> None:
        """Queued or running: cancelled. Whoever runs it sees that its attempt is no longer current."""
        self._db.move("job", job_id, "cancelled", reason, lease_until=None, finished_at=time.time())

    def retry(self, job_id: int) -> None:
        """Failed or cancelled: queued again, with a clean count."""
        self._db.move("job", job_id, "queued", "retried on request", failures=0, not_before=0.0)

    def running(self) -> list[JobRow]:
        """Every running job."""
        return self._select("state = 'running' ORDER BY id", ())

    def _select(self, where: str, parameters: tuple[object, ...]) -> list[JobRow]:
        found = self._db.rows(
            "SELECT id, acquisition_id, task, recipe_hash, order_json, state, attempt, failures, not_before,"
            " lease_until, progress, step, reason, created_at, started_at, finished_at, result_json FROM job"
            f" WHERE {where}",
            parameters,
        )
        return [_job(dict(row)) for row in found]


def _job(row: dict[str, Any]) -> JobRow:
    order = json.loads(row.pop("order_json"))
    result = json.loads(row.pop("result_json"))
    return JobRow(order=order, result=result, **row)
