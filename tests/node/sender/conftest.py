"""Deliveries waiting in a store, and a sender that is driven to their end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qsmnode.config import Config
from qsmnode.ledger import Store
from qsmnode.ledger.deliveries import DeliveryRow
from qsmnode.node.sender import Sender
from tests.peers.ports import free_port, is_listening

QUICK = {"first_backoff_s": 0.05, "longest_backoff_s": 0.1, "attempts": 3, "response_timeout_s": 20}
_PATIENCE_S = 60


@dataclass
class Outbox:
    """A store with products, and a sender for it."""

    config: Config
    store: Store
    write_object: Callable[..., Path]
    sent_files: dict[str, Path] = field(default_factory=dict)
    sender: Sender | None = None

    def add(
        self, count: int, *peers: str, first: int = 1, size: int = 2048, sop_class: str | None = None
    ) -> int:
        """A product with ``count`` objects 1.2.<n> and a delivery per peer; the product's id."""
        acquisition = self.store.acquisitions.open("1.2", f"key {first}", deadline_at=9e9)
        job = self.store.jobs.queue(acquisition, "qsm", f"{first}", {})
        more = {} if sop_class is None else {"sop_class": sop_class}
        objects = []
        for number in range(first, first + count):
            uid, relative = f"1.2.{number}", f"products/{job}/{number}.dcm"
            path = self.write_object(self.store.path(relative), uid, seed=number, size=size, **more)
            self.sent_files[uid] = path
            objects.append((sop_class or "1.2.840.10008.5.1.4.1.1.4", uid, relative))
        return self.store.deliveries.add_product(job, "qsm", f"1.2.9.{first}", objects, peers)

    def start(self) -> None:
        self.sender = Sender(self.config, self.store)
        self.sender.start()

    def stop(self) -> None:
        if self.sender is not None:
            self.sender.stop(20)
            self.sender = None

    def delivery(self, peer: str) -> DeliveryRow:
        """The newest delivery to a peer."""
        return [row for row in self.store.deliveries.all() if row.peer == peer][-1]

    def wait(self, peer: str, *states: str) -> DeliveryRow:
        """Wait until the delivery to ``peer`` is in one of these states."""
        return self.wait_until(lambda: self.delivery(peer).state in states, peer)

    def wait_until(self, condition: Callable[[], bool], peer: str) -> DeliveryRow:
        deadline = time.monotonic() + _PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"it never came: {self.delivery(peer)}")
            time.sleep(0.01)
        return self.delivery(peer)


@pytest.fixture
def outbox(
    node_config: Callable[..., Config], write_object: Callable[..., Path]
) -> Iterator[Callable[..., Outbox]]:
    """An outbox for peers: outbox({name: mapping}, attempts=..., first_backoff_s=...)."""
    with ExitStack() as stack:

        def build(peers: dict[str, object], **delivery: float) -> Outbox:
            config = node_config(peers=peers, delivery={**QUICK, **delivery})
            box = Outbox(config, stack.enter_context(Store(config.node.store)), write_object)
            stack.callback(box.stop)
            return box

        yield build


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """DCMTK's storescp: its port, and the folder where it puts what it gets."""
    folder = tmp_path / "storescp"
    folder.mkdir()
    port = free_port()
    process = subprocess.Popen(["/usr/bin/storescp", "--output-directory", str(folder), str(port)])
    while not is_listening(port):
        assert process.poll() is None
        time.sleep(0.02)
    yield port, folder
    process.terminate()
    process.wait()
