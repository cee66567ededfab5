"""A store with the roles that storage commitment runs through: receiver, sender, commitment; no engine."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from qsmnode.config import Config
from qsmnode.ledger import Store
from qsmnode.ledger.deliveries import DeliveryRow
from qsmnode.node.commitment import Commitment
from qsmnode.node.receiver import Receiver
from qsmnode.node.sender import Sender
from tests.peers.commitment import CommittingArchive

DELIVERY = {"first_backoff_s": 0.05, "longest_backoff_s": 0.1, "attempts": 5, "response_timeout_s": 10}
COMMITMENT = {"timeout_s": 30, "linger_s": 2}
STUDY, SERIES = "1.2.826.0.1.1", "1.2.826.0.1.2"
"""Of every object, as the fixture writes them."""
_PATIENCE_S = 30


class House:
    """One node without assembler and worker."""

    def __init__(self, config: Config, write_object: Callable[..., Path]) -> None:
        self.config = config
        self.write_object = write_object
        self.store = Store(config.node.store)
        self._roles: list[Any] = []

    @property
    def port(self) -> int:
        """The only one that it listens on."""
        node = self.config.node
        return node.port if node.tls is None else node.tls.port

    def add(self, count: int, *peers: str, first: int = 1) -> int:
        """A product with objects 1.2.<n> and a delivery per peer; the product's id."""
        acquisition = self.store.acquisitions.open(STUDY, f"key {first}", deadline_at=9e9)
        job = self.store.jobs.queue(acquisition, "qsm", f"{first}", {})
        objects = []
        for number in range(first, first + count):
            uid, relative = f"1.2.{number}", f"products/{job}/{number}.dcm"
            self.write_object(self.store.path(relative), uid, seed=number)
            objects.append(("1.2.840.10008.5.1.4.1.1.4", uid, relative))
        return self.store.deliveries.add_product(job, "qsm", SERIES, objects, peers)

    def start(self) -> None:
        self.store.instances.end_all_associations()
        self.store.deliveries.release_all_sending()
        for kind in (Sender, Receiver, Commitment):
            self._roles.append(kind(self.config, self.store))
            self._roles[-1].start()

    def stop(self) -> None:
        """As at the end of a node; :meth:`start` goes on from the ledger."""
        while self._roles:
            self._roles.pop().stop(10)

    def delivery(self) -> DeliveryRow:
        """The newest one."""
        return self.store.deliveries.all()[-1]

    def until(self, condition: Callable[[], Any], what: str = "") -> Any:
        deadline = time.monotonic() + _PATIENCE_S
        while not (found := condition()):
            if time.monotonic() > deadline:
                rows = [*self.store.commitments.all(), *self.store.promises.all()]
                pytest.fail(f"{what} never came: {self.store.deliveries.all()} {rows}")
            time.sleep(0.01)
        return found

    def until_state(self, *states: str) -> DeliveryRow:
        """Until the newest delivery is in one of these."""
        self.until(lambda: self.delivery().state in states, f"{states}")
        return self.delivery()


@pytest.fixture(autouse=True, scope="module")
def _swept() -> Iterator[None]:
    """What pynetdicom leaves open is found here, not in a later test."""
    yield
    gc.collect()


@pytest.fixture
def build_house(
    node_config: Callable[..., Config], write_object: Callable[..., Path]
) -> Iterator[Callable[..., House]]:
    """build_house(peers={...}, commitment={...}, node={...}): not started."""
    with ExitStack() as stack:

        def build(peers: dict[str, Any], commitment: dict[str, Any] | None = None, **parts: Any) -> House:
            config = node_config(
                peers=peers, delivery=DELIVERY, commitment={**COMMITMENT, **(commitment or {})}, **parts
            )
            house = House(config, write_object)
            stack.callback(house.store.close)
            stack.callback(house.stop)
            return house

        yield build


@pytest.fixture
def committing_archive() -> Iterator[Callable[..., CommittingArchive]]:
    """committing_archive(verdict, node=..., silent=..., takes=...): starts one."""
    with ExitStack() as stack:

        def start(*arguments: Any, **options: Any) -> CommittingArchive:
            archive = CommittingArchive(*arguments, **options)
            stack.callback(archive.stop)
            return archive

        yield start
