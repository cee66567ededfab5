"""The sender role: one courier per peer, so that a peer that is down keeps nobody waiting but itself."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Sequence

from qsmnode.config import Config, DicomPeer, FolderPeer, Peer, WebPeer
from qsmnode.errors import PeerError, PeerRefused, UnreadableDicom
from qsmnode.ledger.deliveries import DeliveryRow, ObjectRow
from qsmnode.ledger.store import Store
from qsmnode.node.echo import echo
from qsmnode.node.sender import identity, to_archive, to_folder, to_web
from qsmnode.node.sender.acknowledgements import Acknowledgements
from qsmnode.node.sender.circuit import Circuit
from qsmnode.node.sender.decide import decide
from qsmnode.node.sender.shortfall import Shortfall
from qsmnode.node.supervise import Loop
from qsmnode.node.target import target_of, web_target_of
from qsmnode.node.wire.finding import FIND
from qsmnode.node.wire.part10 import Part10, read_front
from qsmnode.node.wire.requestor import Target
from qsmnode.node.wire.web import WebTarget

_log = logging.getLogger(__name__)
_LONGEST_WAIT_S = 60.0


class Sender:
    """Brings every pending delivery to its peer."""

    def __init__(self, config: Config, store: Store) -> None:
        receiving = [name for name, peer in config.peers.items() if peer.can_receive]
        # one more for deliveries to peers that the configuration no longer knows
        self._couriers = [Courier(config, store, name, receiving) for name in [*receiving, None]]

    def start(self) -> None:
        """Begin."""
        for courier in self._couriers:
            courier.loop.start()

    def stop(self, timeout_s: float) -> None:
        """End after the object that is on its way; the rest is sent after the next start."""
        deadline = time.monotonic() + timeout_s
        for courier in self._couriers:
            courier.loop.stop(0.0)
        for courier in self._couriers:
            courier.loop.stop(max(0.0, deadline - time.monotonic()))


class Courier:
    """Delivers to one peer, one delivery at a time; to ``None``: to those that nobody knows.

    Args:
        config: a loaded configuration.
        store: where deliveries and objects are.
        name: the peer.
        receiving: every peer that can receive.
    """

    def __init__(self, config: Config, store: Store, name: str | None, receiving: list[str]) -> None:
        self._config = config
        self._store = store
        self._name = name
        self._receiving = receiving
        self._others = [each for each in receiving if each != name]
        self._down = False
        self._circuit = Circuit(config.delivery)
        self._unbooked: DeliveryRow | None = None
        self.loop = Loop(f"sender {name or '(unknown peers)'}", self._step, store.database.wake)

    def _step(self) -> None:
        self._put_back()
        seen = self._store.database.version
        wait = max(self._until_due(), self._circuit.wait_s)
        if wait > 0:
            self._store.database.wait_for_change(seen, min(wait, _LONGEST_WAIT_S))
            return
        if self._circuit.is_open and not self._is_back():
            return
        delivery = self._store.deliveries.claim(self._others)
        if delivery is None:
            return  # another courier took one of a peer that nobody knows
        self._unbooked = delivery
        try:
            self._book(delivery, self._attempt(delivery))
        except BaseException:
            self._put_back()  # where even that cannot be written, the next step does it
            raise
        self._unbooked = None

    def _put_back(self) -> None:
        """Whatever went wrong in a try: its row must not stay in `sending` while this process lives."""
        left = self._unbooked
        if left is not None and self._store.deliveries.get(left.id).state == "sending":
            next_try_at = time.time() + self._config.delivery.first_backoff_s
            self._store.deliveries.postpone(left, "an unexpected error, see the log", next_try_at)
        self._unbooked = None

    def _until_due(self) -> float:
        """Seconds until a delivery of this courier is due."""
        found = self._store.database.rows(
            "SELECT peer, min(next_try_at) AS due FROM delivery WHERE state = 'pending' GROUP BY peer"
        )
        due = [float(row["due"]) for row in found if self._is_mine(row["peer"])]
        return min(due) - time.time() if due else _LONGEST_WAIT_S

    def _is_mine(self, peer: str) -> bool:
        return peer == self._name if self._name else peer not in self._receiving

    def _attempt(self, delivery: DeliveryRow) -> Shortfall | None:
        peer = self._config.peers.get(delivery.peer)
        if peer is None or not peer.can_receive:
            return Shortfall(
                f"peer {delivery.peer} cannot receive or is not in the configuration any more", permanent=True
            )
        objects = self._store.deliveries.unsent(delivery)
        try:
            files = [self._file(item) for item in objects]
        except (UnreadableDicom, OSError) as error:
            return Shortfall(f"an object of this node's store cannot be read: {error}", permanent=True)
        with Acknowledgements(lambda indices: self._note(delivery, objects, indices)) as acknowledgements:
            return self._send(delivery.peer, peer, files, acknowledgements.add)

    def _send(
        self, name: str, peer: Peer, files: Sequence[Part10], acknowledged: Callable[[int], None]
    ) -> Shortfall | None:
        if isinstance(peer, FolderPeer):
            return to_folder.deliver(name, peer.folder, files, acknowledged, self._stopping)
        if isinstance(peer, WebPeer):
            target = web_target_of(self._config, name, peer)
            note = functools.partial(self._store.audit_events.note_query, name, "", "")
            if found := self._compare(peer, target, identity.by_qido(target, note), files):
                return found
            return to_web.deliver(target, files, acknowledged, self._stopping)
        called = target_of(self._config, name, peer)
        note = functools.partial(self._store.audit_events.note_query, name, *FIND)
        if found := self._compare(peer, called, identity.by_find(called, self._stopping, note), files):
            return found
        return to_archive.deliver(called, files, acknowledged, self._stopping, peer.associations)

    def _compare(
        self,
        peer: DicomPeer | WebPeer,
        target: Target | WebTarget,
        studies: identity.Studies,
        files: Sequence[Part10],
    ) -> Shortfall | None:
        return identity.compare(target, studies, files[0]) if peer.check_identity and files else None

    def _file(self, item: ObjectRow) -> Part10:
        file = read_front(self._store.path(item.path))
        if (file.sop_class_uid, file.sop_instance_uid) != (item.sop_class_uid, item.sop_instance_uid):
            raise UnreadableDicom(f"{file.path.name}: it is not the object that the ledger knows")
        return file

    def _note(self, delivery: DeliveryRow, objects: list[ObjectRow], indices: Sequence[int]) -> None:
        self._store.deliveries.acknowledged(delivery, [objects[index] for index in indices])
        self._circuit.succeeded()
        self._note_up(delivery.peer)

    def _is_back(self) -> bool:
        """Whether a peer that was away answers at all; only then is it sent to again."""
        assert self._name is not None  # nothing is sent to peers that nobody knows
        try:
            echo(self._config, self._name)
        except PeerRefused:
            return True  # it is there: what it refuses is for the delivery to say
        except PeerError as error:
            self._circuit.failed()
            _log.debug("still away: %s", error)
            return False
        return True

    def _stopping(self) -> bool:
        return self.loop.stopping

    def _book(self, delivery: DeliveryRow, shortfall: Shortfall | None) -> None:
        deliveries = self._store.deliveries
        if shortfall is None or not deliveries.unsent(delivery):
            deliveries.sent(delivery.id)
            _log.info("delivery %d: %s is sent to %s", delivery.id, delivery.kind, delivery.peer)
            return
        if self.loop.stopping and not shortfall.permanent:
            return  # still `sending`: the next start takes it up, and this was no failed try
        if shortfall.hold:
            deliveries.hold(delivery, shortfall.reason)
            _log.error("delivery %d is held: %s", delivery.id, shortfall.reason)
            return
        tries = deliveries.get(delivery.id).tries
        wait = decide(tries, self._config.delivery, permanent=shortfall.permanent)
        if wait is None:
            deliveries.park(delivery, shortfall.reason)
            _log.error("delivery %d is parked: %s", delivery.id, shortfall.reason)
            return
        deliveries.postpone(delivery, shortfall.reason, time.time() + wait)
        if shortfall.unreachable:
            self._circuit.failed()
        if shortfall.peer_is_down:
            self._note_down(shortfall, wait)

    def _note_down(self, shortfall: Shortfall, wait: float) -> None:
        if not self._down:
            _log.warning("%s; tried again, first in %.0f s", shortfall.reason, wait)
        self._down = True

    def _note_up(self, peer: str) -> None:
        if self._down:
            _log.warning("%s takes objects again", peer)
        self._down = False
