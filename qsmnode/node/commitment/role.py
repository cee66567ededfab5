"""The commitment role: one thread per peer that is asked, one for what this node answers for itself."""

from __future__ import annotations

import time

from qsmnode.config import Config, WebPeer
from qsmnode.ledger.store import Store
from qsmnode.node.commitment.confirmer import Confirmer
from qsmnode.node.commitment.provider import Provider
from qsmnode.node.commitment.requester import Requester


class Commitment:
    """Brings every delivery to a peer that is asked for it to its end, and every request of a sender."""

    def __init__(self, config: Config, store: Store) -> None:
        self._store = store
        self._parts: list[Requester | Confirmer | Provider] = [
            Confirmer(config, store, name) if isinstance(peer, WebPeer) else Requester(config, store, name)
            for name, peer in config.peers.items()
            if peer.is_asked
        ]
        if config.commitment.provide:
            self._parts.append(Provider(config, store))

    def start(self) -> None:
        """Begin; what was not answered when the last process ended is asked again."""
        self._store.commitments.lose_all_open()
        for part in self._parts:
            part.loop.start()

    def stop(self, timeout_s: float) -> None:
        """End after the message that is on its way; the rest goes on after the next start."""
        deadline = time.monotonic() + timeout_s
        for part in self._parts:
            part.loop.stop(0.0)
        for part in self._parts:
            part.loop.stop(max(0.0, deadline - time.monotonic()))
