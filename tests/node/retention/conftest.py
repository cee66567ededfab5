"""Stores with acquisitions in every state, and files behind every row."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qsmnode.config import Config
from qsmnode.ledger import Store

DAY_S = 86400.0
PEERS = {
    "mr1": {"ae_title": "MR1", "host": "127.0.0.1"},
    "plain": {"ae_title": "PLAIN", "host": "127.0.0.1", "port": 104},
    "pacs": {"ae_title": "PACS", "host": "127.0.0.1", "port": 105, "commitment": True},
}


@dataclass
class Shelf:
    """A store that is filled by hand; ``age`` days lie between what is made and now."""

    store: Store
    config: Config
    _number: int = 0
    files: dict[int, list[Path]] = field(default_factory=dict)

    def instance(self, state: str = "indexed", size: int = 1000) -> int:
        """One received image."""
        self._number += 1
        relative = f"instances/{self._number}.dcm"
        self.store.path(relative).write_bytes(bytes(size))
        association = self.store.instances.open_association("mr1", "MR1", "127.0.0.1")
        row = self.store.instances.add(
            sop_instance_uid=f"2.25.{self._number}",
            sop_class_uid="1.2",
            transfer_syntax="1.2",
            sha256=str(self._number),
            size=size,
            path=relative,
            association_id=association,
        )
        if state == "indexed":
            self.store.instances.indexed(row, "2.25.99", "{}")
        elif state == "unreadable":
            self.store.instances.unreadable(row, "broken")
        return row

    def acquisition(self, state: str, members: list[int] | None = None, age: float = 0.0) -> int:
        """An acquisition with two images of its own, or these."""
        self._number += 1
        row = self.store.acquisitions.open("2.25.99", f"key {self._number}", deadline_at=9e9)
        self.store.acquisitions.set_members(
            row, [self.instance(), self.instance()] if members is None else members
        )
        if state == "queued":
            self.store.acquisitions.move(row, "complete")
        if state != "collecting":
            self.store.acquisitions.move(row, state)
        self.older(row, age)
        return row

    def delivered(self, *peers: str, state: str = "sent", age: float = 0.0) -> int:
        """An acquisition with a job that succeeded, whose one object came to an end at these peers."""
        row = self.acquisition("queued")
        job = self.job(row)
        relative = f"products/{job}-1/qsm-000001.dcm"
        self.store.path(relative).parent.mkdir()
        self.store.path(relative).write_bytes(bytes(500))
        claimed = self.store.jobs.claim(60)
        assert claimed is not None
        self.store.deliveries.add_product(job, "qsm", f"2.25.7.{job}", [("1.2", "2.25.8", relative)], peers)
        self.store.jobs.succeed(claimed, {})
        for delivery in self.store.deliveries.of_job(job):
            self.end(delivery.id, state)
        self.older(row, age)
        return row

    def job(self, acquisition: int) -> int:
        return self.store.jobs.queue(acquisition, "qsm", "hash", {"send_to": []})

    def end(self, delivery: int, state: str) -> None:
        way = {"pending": [], "sending": ["sending"], "parked": ["parked"], "sent": ["sending", "sent"]}
        for step in way.get(state, ["sending", "sent", state]):
            self.store.database.move("delivery", delivery, step)

    def older(self, acquisition: int, days: float) -> None:
        """As if all of it had happened so long ago."""
        then = time.time() - days * DAY_S
        with self.store.database.transaction() as connection:
            connection.execute(
                "UPDATE event SET at = ? WHERE entity = 'acquisition' AND row_id = ?", (then, acquisition)
            )
            connection.execute("UPDATE acquisition SET created_at = ? WHERE id = ?", (then, acquisition))
            connection.execute("UPDATE job SET finished_at = NULL WHERE acquisition_id = ?", (acquisition,))
            connection.execute(
                "UPDATE delivery SET finished_at = NULL WHERE product_id IN (SELECT p.id FROM product p"
                " JOIN job j ON j.id = p.job_id WHERE j.acquisition_id = ?)",
                (acquisition,),
            )

    def paths(self) -> set[str]:
        """Every image and result on the disk."""
        return {
            path.relative_to(self.store.root).as_posix()
            for folder in ("instances", "products")
            for path in self.store.path(folder).rglob("*.dcm")
        }


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Callable[..., Shelf]]:
    """An empty one: shelf(max_age_days=1)."""
    stores: list[Store] = []

    def build(**retention: float) -> Shelf:
        config = Config.model_validate(
            {
                "node": {"store": str(tmp_path / "store")},
                "peers": PEERS,
                "routes": [],
                "retention": retention,
            }
        )
        stores.append(Store(config.node.store))
        return Shelf(stores[-1], config)

    yield build
    for store in stores:
        with closing(store):
            pass
