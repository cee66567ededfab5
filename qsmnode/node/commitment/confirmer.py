"""Asks one DICOMweb server whether it lists what it was sent: DICOMweb knows no storage commitment.

Servers may list late: what is not there is asked for again, with the back-off of deliveries, and counts as
lost when the time for a report would be up.
"""

from __future__ import annotations

import functools
import logging
import time

from qsmnode.config import Config, WebPeer
from qsmnode.errors import PeerError
from qsmnode.ledger.commitments import COMMITTED, CommitmentRow
from qsmnode.ledger.deliveries import DeliveryRow
from qsmnode.ledger.store import Store
from qsmnode.node.commitment.conclusion import Conclusion, Wording
from qsmnode.node.commitment.decide import wait_s
from qsmnode.node.supervise import Loop
from qsmnode.node.target import web_target_of
from qsmnode.node.wire import qido
from qsmnode.node.wire.web import WebSession

_log = logging.getLogger(__name__)
_LONGEST_WAIT_S = 60.0


class Confirmer:
    """What one DICOMweb server lists.

    Args:
        config: a loaded configuration.
        store: where deliveries and requests are.
        name: a peer with ``confirm``.
    """

    def __init__(self, config: Config, store: Store, name: str) -> None:
        self._config = config
        self._store = store
        self._commitments = store.commitments
        self._name = name
        committed = f"{name} lists all of it (QIDO-RS); DICOMweb knows no storage commitment"
        wording = Wording("lists", "does not list", committed, reasons=False)
        self._conclusion = Conclusion(config, store, name, wording)
        self._down = False
        self.loop = Loop(f"confirmation {name}", self._step, store.database.wake)

    def _step(self) -> None:
        seen = self._store.database.version
        self._conclusion.draw_all()
        for delivery in self._commitments.unasked(self._name):
            self._conclusion.begin(delivery)
        due = self._commitments.due(self._name, time.time())
        for row in due:
            if self.loop.stopping:
                return
            self._look(row)
        if not due:
            when = self._commitments.next_due(self._name)
            wait = _LONGEST_WAIT_S if when is None else when - time.time()
            self._store.database.wait_for_change(seen, min(_LONGEST_WAIT_S, max(0.05, wait)))

    def _look(self, row: CommitmentRow) -> None:
        assert row.delivery_id is not None  # received objects are asked of archives
        delivery = self._store.deliveries.get(row.delivery_id)
        last = time.time() >= row.deadline_at
        try:
            listed = self._listed(delivery)
        except PeerError as error:
            if not self.loop.stopping:
                self._unanswered(row, delivery, error, last=last)
            return
        self._note_up()
        asked = {each.sop_instance_uid for each in self._commitments.objects_of(row)}
        if last or asked <= listed:
            found = dict.fromkeys(asked & listed, COMMITTED)
            self._commitments.report(self._name, row.transaction_uid, found)
        else:
            missing = len(asked - listed)
            self._again(row, f"{self._name} does not list {missing} of {len(asked)} objects yet")

    def _listed(self, delivery: DeliveryRow) -> set[str]:
        peer = self._config.peers[self._name]
        assert isinstance(peer, WebPeer)
        note = functools.partial(self._store.audit_events.note_query, self._name, "", "")
        study, series = self._commitments.study_of(delivery)
        with WebSession(web_target_of(self._config, self._name, peer), note) as session:
            return qido.instances(session, study, series)

    def _unanswered(self, row: CommitmentRow, delivery: DeliveryRow, error: PeerError, *, last: bool) -> None:
        if not last:
            if not self._down:
                _log.warning("%s; asked again later whether it lists what it was sent", error)
            self._down = True
            self._again(row, str(error))
            return
        reason = f"what it lists is not known: {error}"
        if self._commitments.expire(row, reason):
            _log.warning("delivery %d is unconfirmed: %s", delivery.id, reason)

    def _note_up(self) -> None:
        if self._down:
            _log.warning("%s can be asked again what it lists", self._name)
        self._down = False

    def _again(self, row: CommitmentRow, why: str) -> None:
        wait = wait_s(row.tries, self._config.delivery)
        self._commitments.put_off(row, why, min(time.time() + wait, row.deadline_at))
