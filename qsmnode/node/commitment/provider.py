"""Answers for what senders asked this node to keep: looks at every file, then reports what is true."""

from __future__ import annotations

import logging
import time

from qsmnode.config import Config, DicomPeer
from qsmnode.errors import PeerError
from qsmnode.ledger.promises import PromiseRow
from qsmnode.ledger.store import Store
from qsmnode.node.commitment.check import verdict
from qsmnode.node.commitment.decide import wait_s
from qsmnode.node.commitment_messages import report_of
from qsmnode.node.supervise import Loop
from qsmnode.node.target import target_of
from qsmnode.node.wire import status
from qsmnode.node.wire.acse import Role
from qsmnode.node.wire.commitment import PAIR
from qsmnode.node.wire.exchange import Exchange
from qsmnode.node.wire.uids import STORAGE_COMMITMENT

_log = logging.getLogger(__name__)
_LONGEST_WAIT_S = 60.0
_PROVIDER = Role(STORAGE_COMMITMENT, user=False, provider=True)


class Provider:
    """Checks and reports, one request after the other.

    Args:
        config: a loaded configuration.
        store: where requests and objects are.
    """

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._promises = store.promises
        self.loop = Loop("commitment provider", self._step, store.database.wake)

    def _step(self) -> None:
        seen = self._store.database.version
        for row in self._promises.unchecked():
            self._check(row)
            if self.loop.stopping:
                return
        due = self._promises.due(time.time())
        for row in due:
            if self.loop.stopping:
                return
            self._report(row)
        if not due:
            when = self._promises.next_due()
            wait = _LONGEST_WAIT_S if when is None else when - time.time()
            self._store.database.wait_for_change(seen, min(_LONGEST_WAIT_S, max(0.05, wait)))

    def _check(self, row: PromiseRow) -> None:
        verdicts = []
        for item in self._promises.objects_of(row.id):
            if self.loop.stopping:
                return  # checked after the next start
            code, instances = verdict(self._store, item.sop_class_uid, item.sop_instance_uid)
            verdicts.append((item.sop_instance_uid, code, instances))
        self._promises.keep(row, verdicts, status.NO_SUCH_OBJECT)
        kept = sum(code == status.SUCCESS for _, code, _ in verdicts)
        _log.info("%s: %d of %d objects are promised to be kept", row.peer, kept, len(verdicts))

    def _report(self, row: PromiseRow) -> None:
        """On an association of this node's own: the one that asked has ended, or stays silent."""
        peer = self._config.peers.get(row.peer)
        if not isinstance(peer, DicomPeer) or peer.port is None:
            why = f"peer {row.peer} has no port to report to, and its association has ended"
            self._promises.postpone(row, f"{why}: add peers.{row.peer}.port", None)
            _log.error("a storage commitment report is parked: %s", why)
            return
        target = target_of(self._config, row.peer, peer)
        try:
            with Exchange(target, [PAIR], roles=[_PROVIDER]) as association:
                if refusal := association.refusal(PAIR):
                    self._failed(row, f"{target}: takes no storage commitment report: {refusal}")
                    return
                code = association.demand(PAIR, *report_of(self._store, row, PAIR[1]))
        except PeerError as error:
            if not self.loop.stopping:
                self._failed(row, str(error))
            return
        if code == status.SUCCESS:
            self._promises.reported(row.id)
        else:
            self._failed(row, f"{target}: answers a storage commitment report with {status.describe(code)}")

    def _failed(self, row: PromiseRow, why: str) -> None:
        last = row.tries + 1 >= self._config.delivery.attempts
        wait = None if last else time.time() + wait_s(row.tries, self._config.delivery)
        self._promises.postpone(row, why, wait)
        if last:
            _log.error("a storage commitment report is parked: %s", why)
        elif row.tries == 0:
            _log.warning("%s; tried again", why)
