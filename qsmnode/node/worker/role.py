"""The worker role: claims jobs, runs each in a subprocess, books what came of it."""

from __future__ import annotations

import dataclasses
import logging
import os
import sqlite3
import threading
import time
from pathlib import Path

from qsmnode.config import Config
from qsmnode.config.regions import patience_s
from qsmnode.errors import Finding
from qsmnode.ledger.acquisitions import AcquisitionRow
from qsmnode.ledger.jobs import JobRow
from qsmnode.ledger.store import Store, fsync_folder
from qsmnode.node.refusal import REFUSAL, queue_refusal
from qsmnode.node.supervise import Loop
from qsmnode.node.worker import folder as job_folder
from qsmnode.node.worker.decide import Ended, outcome
from qsmnode.node.worker.process import Attempt
from qsmnode.products.revision import Replaced

_log = logging.getLogger(__name__)
LEASE_S = 60.0
_LOOK_S = 0.5  # how soon a cancelled job's process is ended


class Worker:
    """``config.jobs.workers`` jobs at a time."""

    def __init__(self, config: Config, store: Store) -> None:
        self._settings = config.jobs
        self._node = config.node.ae_title
        self._store = store
        share = max(1, (os.cpu_count() or 1) // self._settings.workers)
        self._threads = self._settings.threads or share
        self._stopping = threading.Event()
        self._unbooked: list[tuple[JobRow, str]] = []
        self._loops = [
            Loop(f"worker-{number}", self._step, store.database.wake)
            for number in range(self._settings.workers)
        ]

    def start(self) -> None:
        """Clear what an earlier process left, then begin."""
        for leftover in sorted((self._store.root / "jobs").iterdir()):
            job_folder.discard(leftover)
        for loop in self._loops:
            loop.start()

    def stop(self, timeout_s: float) -> None:
        """End the running attempts; their jobs are queued again."""
        self._stopping.set()
        for loop in self._loops:
            loop.stop(timeout_s)

    def _step(self) -> None:
        self._book_left()
        seen = self._store.database.version
        job = self._store.jobs.claim(LEASE_S)
        if job is None:
            starts = self._store.jobs.next_start()
            wait = 60.0 if starts is None else min(60.0, max(0.05, starts - time.time()))
            self._store.database.wait_for_change(seen, wait)
            return
        try:
            self._run(job)
        except OSError as error:
            # a full disk, a vanished file: this job's problem, not the role's
            self._unbooked.append((job, f"the job folder: {error.strerror}"))
            self._book_left()
        except BaseException:
            self._unbooked.append((job, "an unexpected error, see the log"))
            raise

    def _book_left(self) -> None:
        """Whatever went wrong with a job: it must not stay `running` while this process lives."""
        while self._unbooked:
            job, reason = self._unbooked.pop()
            try:
                self._book_failure(job, Ended(1, job_folder.Result(reason, retryable=True)))
            except sqlite3.Error:
                self._unbooked.append((job, reason))  # the next step books it
                raise

    def _run(self, job: JobRow) -> None:
        place = self._store.root / "jobs" / f"{job.id}-{job.attempt}"
        try:
            self._materialise(job, place)
            _log.info("job %d: attempt %d starts", job.id, job.attempt)
            ended = self._attempt(job, place)
            if ended is not None:
                self._book(job, place, ended)
        finally:
            job_folder.discard(place)

    def _materialise(self, job: JobRow, place: Path) -> None:
        acquisition = self._store.acquisitions.get(job.acquisition_id)
        members = self._store.instances.of_acquisition(job.acquisition_id)
        order = job_folder.Order(
            job_id=job.id,
            attempt=job.attempt,
            revision=acquisition.revision,
            replaces=self._replaced(acquisition),
            recipe=job.order.get("recipe", {}),
            products=tuple(job.order.get("products", ())),
            created_at=job.created_at,
            node=self._node,
            threads=self._threads,
            memory_mb=self._settings.memory_mb,
            task=job.task,
            acceptance=job.order.get("acceptance", {}),
            series=job.order.get("series", {}),
            page=job.order.get("page", {}),
            regions=job.order.get("regions"),
            iron=job.order.get("iron", False),
            findings=tuple(job.order.get("findings", ())),
            description=acquisition.description,
            content=job.order.get("content", ""),
        )
        job_folder.discard(place)
        inputs = [(self._store.path(row.path), row.header) for row in members if row.header is not None]
        job_folder.materialise(place, order, inputs)

    def _replaced(self, acquisition: AcquisitionRow) -> dict[str, dict[str, str]]:
        """What is there already and the new products name: those of the newest earlier revision that came to
        any, and of the newest refusal since.
        """
        found = self._made(acquisition.id, refusals=True)
        while acquisition.revision_of is not None:
            acquisition = self._store.acquisitions.get(acquisition.revision_of)
            maps = self._made(acquisition.id, refusals=False)
            if maps:
                return found | maps
            found = found or self._made(acquisition.id, refusals=True)
        return found

    def _made(self, acquisition_id: int, *, refusals: bool) -> dict[str, dict[str, str]]:
        """The last products of one revision by name: of its refusals or of its other jobs."""
        deliveries = self._store.deliveries
        return {
            product.kind: dataclasses.asdict(
                Replaced(product.series_uid, first.sop_class_uid, first.sop_instance_uid)
            )
            for job in self._store.jobs.of_acquisition(acquisition_id)
            if (job.task == REFUSAL) is refusals
            for product in deliveries.products_of(job.id)
            for first in deliveries.objects_of(product.id)[:1]
        }

    def _attempt(self, job: JobRow, place: Path) -> Ended | None:
        """Run the subprocess to its end; None where the attempt no longer counts (cancelled, stopping)."""
        granted_s = patience_s(job.order.get("regions"))
        limit_s = self._settings.timeout_s + granted_s
        deadline = time.monotonic() + limit_s
        renew = 0.0
        with Attempt(place) as attempt:
            while not attempt.wait(_LOOK_S):
                if self._stopping.is_set():
                    attempt.kill()
                    if self._store.jobs.is_current(job):
                        self._store.jobs.release(job.id, "the node was stopped")
                    return None
                if time.monotonic() > deadline:
                    attempt.kill()
                    return Ended(-9, None, limit_s, granted_s)
                if attempt.news or time.monotonic() > renew:
                    renew = time.monotonic() + LEASE_S / 3
                    progress, step = attempt.progress
                    if not self._store.jobs.report(job, progress, step, LEASE_S):
                        attempt.kill()
                        _log.info("job %d: attempt %d was cancelled", job.id, job.attempt)
                        return None
            return Ended(attempt.returncode, job_folder.read_result(place))

    def _book(self, job: JobRow, place: Path, ended: Ended) -> None:
        if not outcome(ended, job.failures, self._settings.attempts).succeeded:
            self._book_failure(job, ended)
            return
        result = ended.result
        assert result is not None
        # the name holds the attempt: a stale attempt can never overwrite a current one's objects
        relative = f"products/{job.id}-{job.attempt}"
        target = self._store.path(relative)
        job_folder.discard(target)
        (place / job_folder.OUTPUT).rename(target)
        fsync_folder(target)
        fsync_folder(target.parent)
        with self._store.database.transaction():
            if not self._store.jobs.is_current(job):
                job_folder.discard(target)
                return
            for product in result.products:
                objects = [
                    (made.sop_class_uid, made.sop_instance_uid, f"{relative}/{made.file}")
                    for made in product.objects
                ]
                self._store.deliveries.add_product(
                    job.id, product.kind, product.series_uid, objects, job.order["send_to"]
                )
            self._store.jobs.succeed(job, dict(result.facts))
        _log.info("job %d: succeeded, %d products", job.id, len(result.products))
        if missing := result.facts.get("regions", {}).get("failure"):
            _log.warning("job %d: without regions of interest: %s", job.id, missing)

    def _book_failure(self, job: JobRow, ended: Ended) -> None:
        verdict = outcome(ended, job.failures, self._settings.attempts)
        retry_at = None if verdict.retry_in_s is None else time.time() + verdict.retry_in_s
        with self._store.database.transaction():
            current = self._store.jobs.is_current(job)
            self._store.jobs.fail(job, verdict.reason, retry_at=retry_at)
            if current and retry_at is None:
                self._refuse(job, ended)
        _log.warning("job %d: attempt %d failed: %s", job.id, job.attempt, verdict.reason)

    def _refuse(self, job: JobRow, ended: Ended) -> None:
        """Tell the receivers why images are not eligible, where the route asks for that."""
        findings = () if ended.result is None else ended.result.findings
        if findings and job.task != REFUSAL and job.order.get("on_reject") == "report":
            queue_refusal(
                self._store,
                job.acquisition_id,
                job.order["route"],
                job.order["send_to"],
                [Finding(**finding) for finding in findings],
            )
