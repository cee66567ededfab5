"""The query role: once per acquisition revision, asks its route's archive for what did not arrive.

The route may be one that cannot be told yet: where a whole kind or echo never came, what is here does not
match it, and what it lacks is exactly what the archive may have.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Sequence

from qsmnode.config import Config, DicomPeer
from qsmnode.dicom.instance import Instance
from qsmnode.errors import PeerError
from qsmnode.ledger.acquisitions import AcquisitionRow
from qsmnode.ledger.store import Store
from qsmnode.node.query.archive import find, find_series, move
from qsmnode.node.query.series import plausible
from qsmnode.node.supervise import Loop
from qsmnode.node.target import target_of
from qsmnode.node.wire.finding import FIND, Note
from qsmnode.node.wire.requestor import Target

_log = logging.getLogger(__name__)
_LONGEST_WAIT_S = 60.0
MOST_NEW_SERIES = 64
"""Of which nothing came and that are asked for together; no scan has more."""
MOST_BYTES = 16 << 30
"""That one question may bring; an enhanced scan of many echoes has a tenth."""


class Query:
    """Looks for acquisitions that stay incomplete or held on routes with ``ask_for_missing``.

    What an archive sends comes in through the receiver like everything else, and so is durable, counted and
    looked at there; here is only asked, and noted what was answered.
    """

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._archives = {
            route.name: route.ask_for_missing for route in config.routes if route.ask_for_missing is not None
        }
        # an acquisition's deadline is pushed back by each arrival: so is the time to ask
        self._before_deadline_s = (1.0 - config.assembly.ask_after) * config.assembly.deadline_s
        self._loop = Loop("query", self._step, store.database.wake)

    def start(self) -> None:
        """Begin, where any route asks."""
        if self._archives:
            self._loop.start()

    def stop(self, timeout_s: float) -> None:
        """End after the answer that is on its way; what was not answered is asked after the next start."""
        self._loop.stop(timeout_s)

    def _step(self) -> None:
        seen = self._store.database.version
        questions = self._store.questions
        due = questions.due(self._archives, time.time() + self._before_deadline_s)
        for row in due:
            if self._loop.stopping:
                return
            self._ask(row)
        if not due:
            deadline = questions.next_deadline(self._archives)
            wait = _LONGEST_WAIT_S if deadline is None else deadline - self._before_deadline_s - time.time()
            self._store.database.wait_for_change(seen, min(_LONGEST_WAIT_S, max(0.05, wait)))

    def _ask(self, row: AcquisitionRow) -> None:
        assert row.route is not None
        name = self._archives[row.route]
        peer = self._config.peers[name]
        assert isinstance(peer, DicomPeer)
        try:
            answer = self._answer(row, target_of(self._config, name, peer), self._asked(name))
        except PeerError as error:
            if self._loop.stopping:
                return  # asked again after the next start
            self._store.questions.note(row.id, "failed", f"asked {name}: {error}")
            _log.warning("acquisition %d: asked for what is missing: %s", row.id, error)
            return
        self._store.questions.note(row.id, "answered", f"asked {name}: {answer}")
        _log.info("acquisition %d: asked %s for what is missing: %s", row.id, name, answer)

    def _asked(self, name: str) -> Note:
        return functools.partial(self._store.audit_events.note_query, name, *FIND)

    def _answer(self, row: AcquisitionRow, target: Target, note: Note) -> str:
        """Find the images of its series, and of those that never came, and have sent what is not here."""
        members = self._store.instances.of_acquisition(row.id)
        headers = [Instance.from_json(member.header or "") for member in members]
        series = sorted({header.series_uid for header in headers})
        new = self._new_series(row.study_uid, headers, target, note)
        many = len(new) > MOST_NEW_SERIES
        found = find(target, row.study_uid, [*series, *(() if many else new)], self._is_stopping, note)
        wanted = {uid: self._store.instances.absent(images) for uid, images in found.items()}
        missing = sum(map(len, wanted.values()))
        aside = f"; {len(new)} series that never came are too many to ask for" if many else ""
        if not missing:
            images = sum(map(len, found.values()))
            here = f"{images} images of these series, and all of them are here" if images else "none of them"
            return f"it has {here}{aside}"
        largest = max(member.size for member in members)
        if missing * largest > MOST_BYTES:
            raise PeerError(
                f"{target}: has {missing} images more, {missing * largest >> 30} GB or so: too much"
            )
        moved = move(
            target,
            row.study_uid,
            {uid: images for uid, images in wanted.items() if images},
            self._is_stopping,
            lambda _: self._store.audit_events.note_retrieval(target.name, row.id),
        )
        brought = [uid for uid in new if wanted.get(uid)]
        of_new = f", {len(brought)} whole series among them" if brought else ""
        failed = f", and failed to send {moved.failed}" if moved.failed else ""
        return f"it sent {moved.sent} of {missing} images that were not here{of_new}{failed}{aside}"

    def _new_series(
        self, study_uid: str, headers: Sequence[Instance], target: Target, note: Note
    ) -> tuple[str, ...]:
        """Series of the scan's study that may belong to it, and of which nothing is here."""
        rows = self._store.instances.of_study(study_uid)
        here = {Instance.from_json(row.header or "").series_uid for row in rows}
        listed = find_series(target, study_uid, self._is_stopping, note)
        return plausible(listed, headers, here | self._store.deliveries.series_uids())

    def _is_stopping(self) -> bool:
        return self._loop.stopping
