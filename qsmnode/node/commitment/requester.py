"""Asks one archive to answer for what it was sent; acts on its reports and on its silence."""

from __future__ import annotations

import logging
import time

from qsmnode.config import Config, DicomPeer
from qsmnode.errors import PeerError
from qsmnode.ledger.commitments import CommitmentRow
from qsmnode.ledger.deliveries import DeliveryRow
from qsmnode.ledger.store import Store
from qsmnode.node.commitment.conclusion import Conclusion, Wording
from qsmnode.node.commitment.counting import listed
from qsmnode.node.commitment.decide import is_for_good, wait_s
from qsmnode.node.commitment_messages import take_report
from qsmnode.node.supervise import Loop
from qsmnode.node.target import target_of
from qsmnode.node.wire import command
from qsmnode.node.wire.commitment import LONGEST, PAIR, REQUEST, Demand, encode_demand
from qsmnode.node.wire.exchange import Exchange, Message
from qsmnode.node.wire.finding import FIND
from qsmnode.node.wire.requestor import Target
from qsmnode.node.wire.status import SUCCESS, describe
from qsmnode.node.wire.uids import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE

_log = logging.getLogger(__name__)
_WORDING = Wording("answers for", "does not answer for")
_LONGEST_WAIT_S = 60.0
_LOOK_S = 0.2
_LOOK_AT_PROMISED_S = 5.0
_MOST_TOGETHER = 100
"""Requests on one association."""
_MOST_INSTANCES = 1000
"""Received objects in one request."""


class Requester:
    """What one archive answers for.

    Args:
        config: a loaded configuration.
        store: where deliveries, requests and reports are.
        name: a peer with ``commitment``.
    """

    def __init__(self, config: Config, store: Store, name: str) -> None:
        self._config = config
        self._settings = config.commitment
        self._store = store
        self._commitments = store.commitments
        self._name = name
        self._conclusion = Conclusion(config, store, name, _WORDING)
        self._down = False
        self._promised_from = 0.0
        self.loop = Loop(f"commitment {name}", self._step, store.database.wake)

    def _step(self) -> None:
        seen = self._store.database.version
        self._conclusion.draw_all()
        for delivery in self._commitments.unasked(self._name):
            self._conclusion.begin(delivery)
        self._begin_for_promised()
        for row in self._commitments.overdue(self._name, time.time()):
            self._give_up(row, f"{self._name} has not reported within {self._settings.timeout_s:g} s")
        due = self._commitments.due(self._name, time.time())
        if due and not self.loop.stopping:
            self._ask(due[:_MOST_TOGETHER])
            return
        self._store.database.wait_for_change(seen, self._until_due())

    def _until_due(self) -> float:
        when = self._commitments.next_due(self._name)
        wait = _LONGEST_WAIT_S if when is None else when - time.time()
        if self._settings.archive == self._name:
            wait = min(wait, self._promised_from - time.monotonic())
        return min(_LONGEST_WAIT_S, max(0.05, wait))

    def _begin_for_promised(self) -> None:
        """What this node keeps until this archive answers for it."""
        interval = self._settings.archive_interval_s
        if self._settings.archive != self._name or time.monotonic() < self._promised_from:
            return
        self._promised_from = time.monotonic() + min(interval, _LOOK_AT_PROMISED_S)
        since = time.time() - interval
        objects = self._store.promises.unarchived(self._name, _MOST_INSTANCES, since)
        if objects:
            self._commitments.begin(self._name, objects, deadline_at=time.time() + self._settings.timeout_s)

    def _target(self) -> Target:
        peer = self._config.peers[self._name]
        assert isinstance(peer, DicomPeer)
        return target_of(self._config, self._name, peer)

    def _ask(self, rows: list[CommitmentRow]) -> None:
        left = list(rows)
        try:
            with Exchange(self._target(), [PAIR], answerer=self._take_report, longest=LONGEST) as association:
                if refusal := association.refusal(PAIR):
                    self._refused(left, f"takes no storage commitment: {refusal}")
                    return
                while left and not self.loop.stopping:
                    code = association.demand(PAIR, _FIELDS, self._demand(left[0]))
                    self._note_up()
                    self._answered(left.pop(0), code)
                self._linger(association, rows)
        except PeerError as error:
            if left:
                self._put_off(left, error)

    def _demand(self, row: CommitmentRow) -> bytes:
        objects = self._commitments.objects_of(row)
        named = tuple((each.sop_class_uid, each.sop_instance_uid) for each in objects)
        return encode_demand(Demand(row.transaction_uid, named))

    def _answered(self, row: CommitmentRow, code: int) -> None:
        if code == SUCCESS:
            self._commitments.asked(row, time.time() + self._settings.timeout_s)
        elif is_for_good(code):
            self._refused([row], f"takes no storage commitment: {describe(code)}")
        else:
            self._again(row, f"{self._name} answers a storage commitment request with {describe(code)}")

    def _refused(self, rows: list[CommitmentRow], why: str) -> None:
        for row in rows:
            self._give_up(row, f"{self._name} {why}")

    def _put_off(self, rows: list[CommitmentRow], error: PeerError) -> None:
        if self.loop.stopping:
            return  # asked again after the next start
        if not self._down:
            _log.warning("%s; asked for storage commitment again later", error)
        self._down = True
        for row in rows:
            self._again(row, str(error))

    def _note_up(self) -> None:
        if self._down:
            _log.warning("%s can be asked for storage commitment again", self._name)
        self._down = False

    def _again(self, row: CommitmentRow, why: str) -> None:
        self._commitments.lose(row, why, time.time() + wait_s(row.tries, self._config.delivery))

    def _linger(self, association: Exchange, rows: list[CommitmentRow]) -> None:
        """Leave the peer some time to report on this association, where it does not on another one."""
        until = time.monotonic() + self._settings.linger_s
        while time.monotonic() < until and not self.loop.stopping:
            if all(self._commitments.get(row.id).state != "asked" for row in rows):
                return
            association.attend(_LOOK_S)

    def _take_report(self, came: Message) -> int:
        return take_report(self._store, self._name, came.command, came.data, PAIR[1])

    def _give_up(self, row: CommitmentRow, why: str) -> None:
        """Nobody answers for a delivery: what the archive lists is told, and proves nothing."""
        if row.delivery_id is None:
            self._commitments.expire(row, why)
            return
        delivery = self._store.deliveries.get(row.delivery_id)
        reason = f"{why}; {self._listed(delivery)}"
        if not self.loop.stopping and self._commitments.expire(row, reason):
            _log.warning("delivery %d is unconfirmed: %s", delivery.id, reason)

    def _listed(self, delivery: DeliveryRow) -> str:
        uids = [item.sop_instance_uid for item in self._store.deliveries.objects_of(delivery.product_id)]
        study, series = self._commitments.study_of(delivery)
        try:
            count = listed(self._target(), study, series, uids, lambda: self.loop.stopping, self._noted)
        except PeerError as error:
            return f"what it lists is not known either: {error}"
        return f"it lists {count} of {len(uids)} objects"

    def _noted(self, asked: bytes) -> None:
        self._store.audit_events.note_query(self._name, *FIND, asked)


_FIELDS: dict[int, command.Value] = {
    command.COMMAND_FIELD: command.N_ACTION_RQ,
    command.REQUESTED_SOP_CLASS: STORAGE_COMMITMENT,
    command.REQUESTED_SOP_INSTANCE: STORAGE_COMMITMENT_INSTANCE,
    command.ACTION_TYPE: REQUEST,
}
