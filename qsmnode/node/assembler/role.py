"""The assembler role: reads headers of what arrived, looks at studies that changed, books the verdicts."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence

from qsmnode.config import Config, DicomPeer
from qsmnode.dicom.instance import Instance
from qsmnode.errors import UnreadableDicom
from qsmnode.ledger.acquisitions import AcquisitionRow
from qsmnode.ledger.instances import InstanceRow
from qsmnode.ledger.store import Store
from qsmnode.node.assembler.adoption import adopt
from qsmnode.node.assembler.look import Candidate, candidates
from qsmnode.node.assembler.order import job_order
from qsmnode.node.assembler.pace import Backlog, rest_s
from qsmnode.node.assembler.verdict import COLLECTING, COMPLETE, IGNORED, REJECTED, Timers, Verdict, judge
from qsmnode.node.branding import page_order
from qsmnode.node.headers import HeaderLimits, HeaderReader
from qsmnode.node.recipes import WrittenOut
from qsmnode.node.refusal import queue_refusal, withdraw_refusals
from qsmnode.node.supervise import Loop

_log = logging.getLogger(__name__)
_BATCH = 200
# a look at a study takes the longer the more of it is here; after each, what receives has the processor for
# so many times as long
_PAUSE_SHARE = 10.0
_LONGEST_PAUSE_S = 2.0
_LONGEST_WAIT_S = 60.0
_LOOK_AFTER_S = 30.0  # objects that never stop coming do not put decisions off for longer
_CACHED_STUDIES = 8


class Assembler:
    """Turns received instances into acquisitions, and complete acquisitions into jobs.

    Args:
        config: a loaded configuration.
        store: where instances come from.
        recipes: of the routes, by their names.
        reader: reads their headers, and is closed with this role; None: in a process within the limits.

    Raises:
        UsageError: the logo of the page cannot be used.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        recipes: Mapping[str, WrittenOut],
        reader: HeaderReader | None = None,
    ) -> None:
        self._config = config
        self._store = store
        self._recipes = recipes
        self._page = page_order(config.page)
        self._timers = Timers(config.assembly.settling_s, config.assembly.deadline_s)
        asked = [config.peers.get(route.ask_for_missing or "") for route in config.routes]
        self._archives = frozenset(peer.ae_title for peer in asked if isinstance(peer, DicomPeer))
        limits = config.limits
        self._reader = reader or HeaderReader(
            store.root, HeaderLimits(limits.header_timeout_s, limits.header_memory_mb, limits.max_expanded_mb)
        )
        self._loop = Loop("assembler", self._step, store.database.wake)
        self._touched: dict[str, None] = {}  # an ordered set of studies to look at
        self._look_again_at = 0.0
        self._look_by = time.monotonic() + _LOOK_AFTER_S
        self._headers: dict[str, dict[int, Instance]] = {}  # study -> instance id -> header, read once

    def start(self) -> None:
        """Look again at everything that waits for a decision, then at what comes."""
        self._touched.update(dict.fromkeys(self._store.acquisitions.unfinished_studies()))
        self._reader.start()
        self._loop.start()

    def stop(self, timeout_s: float) -> None:
        """Return after the look in progress; a header that is being read is read again at the next start."""
        self._reader.close()
        self._loop.stop(timeout_s)

    def _step(self) -> None:
        seen = self._store.database.version
        if rest := rest_s(Backlog(*self._store.instances.backlog()), time.time()):
            time.sleep(rest)  # every object that comes is a change: nothing to wait for
            return
        more = self._index()
        if more and time.monotonic() < self._look_by and not self._loop.stopping:
            return  # what is here already may change what is decided
        self._look_by = time.monotonic() + _LOOK_AFTER_S
        self._touched.update(
            dict.fromkeys(row.study_uid for row in self._store.acquisitions.due(time.time()))
        )
        if self._touched and time.monotonic() >= self._look_again_at:
            began = time.monotonic()
            # a study that cannot be looked at must not keep the others from being looked at
            for study_uid in list(self._touched):
                del self._touched[study_uid]
                try:
                    self._look_at(study_uid)
                except sqlite3.Error:
                    self._touched[study_uid] = None  # the ledger's trouble, not the study's
                    raise
            took = time.monotonic() - began
            self._look_again_at = began + took + min(_LONGEST_PAUSE_S, _PAUSE_SHARE * took)
        if more or self._loop.stopping:
            return
        due = self._store.acquisitions.next_due()
        wait = _LONGEST_WAIT_S if due is None else min(_LONGEST_WAIT_S, max(0.05, due - time.time()))
        if self._touched:
            wait = min(wait, max(0.0, self._look_again_at - time.monotonic()))
        self._store.database.wait_for_change(seen, wait)

    def _index(self) -> bool:
        """Read the headers of a batch; whether there may be more."""
        batch = self._store.instances.unindexed(_BATCH)
        headers = list(self._reader.read([row.path for row in batch]))
        with self._store.database.transaction(durable=False):  # a header can be read again
            for row, header in zip(batch, headers, strict=False):  # fewer where the node is being stopped
                self._index_one(row, header)
        return len(batch) == _BATCH

    def _index_one(self, row: InstanceRow, header: Instance | UnreadableDicom) -> None:
        if isinstance(header, UnreadableDicom):
            self._store.instances.unreadable(row.id, str(header))
            _log.warning("instance %d: kept, but not readable: %s", row.id, header)
            return
        self._store.instances.indexed(row.id, header.study_uid, header.to_json(), header.not_source or "")
        self._touched[header.study_uid] = None
        if header.study_uid in self._headers:
            self._headers[header.study_uid][row.id] = header

    def _look_at(self, study_uid: str) -> None:
        rows = self._store.instances.of_study(study_uid)
        headers = self._headers_of(study_uid, rows)
        known = self._store.acquisitions.latest(study_uid)
        found = list(candidates(rows, headers, self._config, self._callers))
        adopted = self._adopted(found, known)
        for candidate in found:
            row = known.pop(adopted[candidate.key]) if candidate.key in adopted else None
            with self._store.database.transaction():
                if row is not None and row.key != candidate.key:
                    self._store.acquisitions.rename(row, candidate.key)
                self._decide(study_uid, candidate, row)
        for row in known.values():
            self._dissolve(row)

    def _adopted(self, found: Sequence[Candidate], known: Mapping[str, AcquisitionRow]) -> dict[str, str]:
        """See :func:`adopt`; members are asked for only where a key alone does not tell."""
        fresh = any(candidate.key not in known for candidate in found)
        members = self._store.instances.ids_of_acquisition
        return adopt(
            {candidate.key: {member.id for member in candidate.members} for candidate in found},
            {key: members(row.id) if fresh else set() for key, row in known.items()},
        )

    def _callers(self, instance_ids: Iterable[int]) -> tuple[frozenset[str], bool]:
        """Who sent these; an archive that only added what it was asked for did not send the scan."""
        titles, gone = self._store.instances.callers(instance_ids)
        return titles - self._archives or titles, gone

    def _headers_of(self, study_uid: str, rows: Sequence[InstanceRow]) -> dict[int, Instance]:
        cached = self._headers.pop(study_uid, {})
        for row in rows:
            if row.id not in cached:
                assert row.header is not None
                cached[row.id] = Instance.from_json(row.header)
        self._headers[study_uid] = cached  # newest last
        while len(self._headers) > _CACHED_STUDIES:
            del self._headers[next(iter(self._headers))]
        return cached

    def _decide(self, study_uid: str, candidate: Candidate, row: AcquisitionRow | None) -> None:
        content = _content_hash(candidate)
        if row is not None and row.content == content and row.state == "queued":
            if not self._store.holdings.are_purged(row.id):
                return  # decided, and nothing new
            _log.info("acquisition %d: images that were purged came again", row.id)
        now = time.time()
        verdict = judge(candidate.look, self._timers, now)
        if row is None:
            row = self._open(study_uid, candidate, verdict)
        elif row.state == "queued":
            row = self._reopen(study_uid, candidate, row, verdict)
        if row.content != content:
            self._store.acquisitions.set_members(row.id, [member.id for member in candidate.members])
        self._store.acquisitions.note(
            row.id,
            description=candidate.description,
            route=verdict.route,
            missing=verdict.missing,
            content=content,
            settles_at=verdict.settles_at,
            deadline_at=verdict.deadline_at,
            reason=verdict.reason,
        )
        if verdict.state != row.state:
            self._store.acquisitions.move(row.id, verdict.state, verdict.reason)
            why = f": {verdict.reason}" if verdict.reason else ""
            _log.info("acquisition %d: %s -> %s%s", row.id, row.state, verdict.state, why)
        if verdict.state == COMPLETE:
            self._queue(row.id, verdict)
        if verdict.state == REJECTED:
            self._refuse(row.id, verdict)
        elif row.state == REJECTED:
            withdraw_refusals(self._store, row.id, "another instance of the acquisition arrived")

    def _open(self, study_uid: str, candidate: Candidate, verdict: Verdict) -> AcquisitionRow:
        deadline = verdict.deadline_at or candidate.look.last_arrival + self._timers.deadline_s
        identity = self._store.acquisitions.open(study_uid, candidate.key, deadline_at=deadline)
        return self._store.acquisitions.get(identity)

    def _reopen(
        self, study_uid: str, candidate: Candidate, row: AcquisitionRow, verdict: Verdict
    ) -> AcquisitionRow:
        """Late instances: before the job starts they join, afterwards they make a new revision."""
        jobs = self._store.jobs.of_acquisition(row.id)
        if all(job.state in ("queued", "cancelled") and job.attempt == 0 for job in jobs):
            for job in jobs:
                if job.state == "queued":
                    self._store.jobs.cancel(job.id, "another instance of the acquisition arrived")
            self._store.acquisitions.move(row.id, COLLECTING, "another instance arrived")
            return self._store.acquisitions.get(row.id)
        deadline = verdict.deadline_at or candidate.look.last_arrival + self._timers.deadline_s
        identity = self._store.acquisitions.open(
            study_uid, candidate.key, deadline_at=deadline, revision_of=row
        )
        _log.info("acquisition %d: late instances; revision %d", row.id, row.revision + 1)
        return self._store.acquisitions.get(identity)

    def _dissolve(self, row: AcquisitionRow) -> None:
        """Its images turned out to belong elsewhere, as later ones showed; unless they were purged."""
        if self._store.holdings.are_purged(row.id):
            return
        if row.state == "queued" or (row.state == IGNORED and row.deadline_at is None):
            return
        reason = "its images belong to another acquisition, as later arrivals showed"
        with self._store.database.transaction():
            self._store.acquisitions.set_members(row.id, [])
            self._store.acquisitions.note(
                row.id,
                description=row.description,
                route=None,
                missing=(),
                content="",
                settles_at=None,
                deadline_at=None,
                reason=reason,
            )
            if row.state != IGNORED:
                self._store.acquisitions.move(row.id, IGNORED, reason)

    def _queue(self, acquisition_id: int, verdict: Verdict) -> None:
        route = next(route for route in self._config.routes if route.name == verdict.route)
        recipe = self._recipes[route.name]
        order = job_order(
            route, self._config.acceptance_on(route.name), recipe, self._config.series, self._page
        )
        job_id = self._store.jobs.queue(acquisition_id, route.task, recipe.hash, order)
        self._store.acquisitions.move(acquisition_id, "queued", f"job {job_id}, route {route.name}")
        _log.info("acquisition %d: job %d, route %s", acquisition_id, job_id, route.name)

    def _refuse(self, acquisition_id: int, verdict: Verdict) -> None:
        """Tell the receivers of the route that it matched, where the route asks for that."""
        route = next((route for route in self._config.routes if route.name == verdict.route), None)
        if route is not None and route.on_reject == "report" and verdict.findings:
            queue_refusal(self._store, acquisition_id, route.name, route.send_to, verdict.findings)


def _content_hash(candidate: Candidate) -> str:
    """Over what the members are: the same set in any order of arrival has the same hash."""
    lines = sorted(f"{member.sop_instance_uid} {member.sha256}" for member in candidate.members)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
