"""The running node: opens the store, picks up what was in flight, starts the roles, stops them in order."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Protocol

from qsmnode.config import Config, NodeSettings
from qsmnode.ledger.stock import take_stock
from qsmnode.ledger.store import Store
from qsmnode.node.assembler import Assembler
from qsmnode.node.audit import Audit
from qsmnode.node.commitment import Commitment
from qsmnode.node.control import Control
from qsmnode.node.query import Query
from qsmnode.node.receiver import Receiver
from qsmnode.node.recipes import WrittenOut, written_out
from qsmnode.node.retention import Retention
from qsmnode.node.sender import Sender
from qsmnode.node.worker import Worker

_log = logging.getLogger(__name__)
_STOP_S = 20.0
_LOOK_S = 0.5


class Role(Protocol):
    """A part of the node that runs by itself."""

    def start(self) -> None:
        """Begin."""

    def stop(self, timeout_s: float) -> None:
        """End; what is under way is kept."""


class Node:
    """Everything that runs; usable in a ``with`` block by tests and the demo.

    Args:
        config: a loaded configuration.
        recipes: of its routes, written out; None: the engine is asked, in this process.

    Raises:
        StoreError: another node runs with this store, or it cannot be used.
        UsageError: the port cannot be listened on.
    """

    def __init__(self, config: Config, recipes: Mapping[str, WrittenOut] | None = None) -> None:
        self.config = config
        self.store = Store(config.node.store)
        self._audit = Audit(config, self.store)
        self._receiver = Receiver(config, self.store, refused=self._audit.refused)
        self._control = Control(config, self.store)
        # who tells of it, then the way of a study backwards: nothing is handed to a role that isn't there yet
        self._roles: tuple[Role, ...] = (
            self._audit,
            Sender(config, self.store),
            Worker(config, self.store),
            Assembler(config, self.store, written_out(config) if recipes is None else recipes),
            Query(config, self.store),
            Retention(config, self.store),
            self._control,
            self._receiver,
            Commitment(config, self.store),  # asks when the answer can come in
        )
        self._started: list[Role] = []

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._receiver.port

    def start(self) -> None:
        """Pick up what was in flight when the last process ended, then run."""
        try:
            _boot(self.store)
            for role in self._roles:
                role.start()
                self._started.append(role)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop receiving first, then the rest; the store is free when this returns."""
        while self._started:
            self._started.pop().stop(_STOP_S)
        self.store.close()

    def __enter__(self) -> Node:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def run_until_signalled(node: Node) -> None:
    """Run until SIGINT or SIGTERM."""
    asked = threading.Event()

    def ask(number: int, _: FrameType | None) -> None:
        _log.info("%s: stopping", signal.Signals(number).name)
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    with node:
        _log.info(
            "listening as %s on %s %s, store %s",
            node.config.node.ae_title,
            node.config.node.bind,
            _ports(node.config.node),
            node.config.node.store,
        )
        while not asked.wait(_LOOK_S):
            pass  # the system may hand a signal to another thread, which does not interrupt this wait


def _ports(settings: NodeSettings) -> str:
    """What is listened on, for the log."""
    ports = [] if settings.plain_port is None else [f"port {settings.plain_port}"]
    if settings.tls is not None:
        ports.append(f"port {settings.tls.port} with TLS")
    return " and ".join(ports)


def _boot(store: Store) -> None:
    """Nothing in flight is lost or stuck: every row in a passing state is picked up again."""
    store.instances.end_all_associations()
    for job in store.jobs.running():
        store.jobs.release(job.id, "the node was restarted while it ran")
    store.deliveries.release_all_sending()
    store.promises.release_all()
    take_stock(store)
