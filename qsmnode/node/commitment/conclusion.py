"""What follows for a delivery from what its peer says that it has: one step, however the peer was asked."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from qsmnode.config import Config
from qsmnode.ledger.commitments import CommitmentRow
from qsmnode.ledger.deliveries import DeliveryRow
from qsmnode.ledger.store import Store
from qsmnode.node.commitment.decide import Next, after_report, wait_s
from qsmnode.node.wire.commitment import words

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wording:
    """How people are told.

    Attributes:
        has: what the peer does for objects that it has.
        lacks: and for others.
        committed: why a delivery counts as committed; "" where that goes without saying.
        reasons: whether it gives a reason for each object.
    """

    has: str
    lacks: str
    committed: str = ""
    reasons: bool = True


class Conclusion:
    """Begins requests for deliveries and draws conclusions from their answers.

    Args:
        config: a loaded configuration.
        store: where deliveries, requests and answers are.
        name: of the peer.
        wording: how people are told.
    """

    def __init__(self, config: Config, store: Store, name: str, wording: Wording) -> None:
        self._config = config
        self._store = store
        self._commitments = store.commitments
        self._name = name
        self._wording = wording

    def begin(self, delivery: DeliveryRow) -> None:
        """A request for what the peer was sent and has not answered for."""
        objects = self._commitments.uncommitted(delivery)
        if not objects:
            self._commitments.commit(delivery, self._wording.committed)
            return
        deadline_at = time.time() + self._config.commitment.timeout_s
        self._commitments.begin(self._name, objects, deadline_at=deadline_at, delivery_id=delivery.id)

    def draw_all(self) -> None:
        """What the answers lead to that are here, each in one step with noting that it has."""
        for row in self._commitments.answered(self._name):
            with self._store.database.transaction():
                self._commitments.settle(row)
                if row.delivery_id is not None:
                    self._decide(row, self._store.deliveries.get(row.delivery_id))

    def _decide(self, row: CommitmentRow, delivery: DeliveryRow) -> None:
        lacking = self._commitments.lacking(row)
        rounds = self._commitments.rounds(delivery)
        after = after_report(
            delivery.state,
            uncommitted=len(self._commitments.uncommitted(delivery)),
            lacking=len(lacking),
            rounds=rounds,
            most_rounds=self._config.commitment.rounds,
        )
        if after is Next.COMMIT:
            self._commitments.commit(delivery, self._wording.committed)
            _log.info("delivery %d: %s %s all of it", delivery.id, self._name, self._wording.has)
        elif after in (Next.RESEND, Next.PARK):
            count = len(self._store.deliveries.objects_of(delivery.product_id))
            reason = f"{self._name} {self._wording.lacks} {len(lacking)} of {count} objects"
            if self._wording.reasons:
                reason = f"{reason}: {words(lacking.values())}"
            self._resend(delivery, sorted(lacking), reason, rounds if after is Next.RESEND else None)

    def _resend(self, delivery: DeliveryRow, uids: list[str], reason: str, rounds: int | None) -> None:
        settings = self._config.commitment
        if rounds is None:
            reason = f"{reason}; sent {settings.rounds} times: look at its log, then retry"
            self._commitments.resend(delivery, uids, reason, None)
            _log.error("delivery %d is parked: %s", delivery.id, reason)
            return
        self._commitments.resend(delivery, uids, reason, time.time() + wait_s(rounds, self._config.delivery))
        _log.warning("delivery %d: %s; they are sent again", delivery.id, reason)
