"""The demo waits for its map, whatever else comes of the scan, and says why where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qsmnode.errors import JobFailed, NotEligible
from qsmnode.ledger import Store
from qsmnode.node.demonstration import wait

MR, EXPLICIT = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.2.1"


@dataclass
class Scene:
    """A store in which a test plays the roles of a node."""

    store: Store
    count: int = 0

    def image(self) -> int:
        """One received image whose header was read."""
        self.count += 1
        association = self.store.instances.open_association("scanner", "SIMULATOR", "127.0.0.1")
        row = self.store.instances.add(
            sop_instance_uid=f"2.25.{self.count}",
            sop_class_uid=MR,
            transfer_syntax=EXPLICIT,
            sha256=str(self.count),
            size=1,
            path=f"instances/{self.count}.dcm",
            association_id=association,
        )
        self.store.instances.indexed(row, "2.25.100", "{}")
        return row

    def acquisition(self, state: str, *images: int) -> int:
        self.count += 1
        acquisitions = self.store.acquisitions
        row = acquisitions.open("2.25.100", f"key {self.count}", deadline_at=time.time() + 60)
        acquisitions.set_members(row, images)
        if state == "queued":
            acquisitions.move(row, "complete")
        if state != "collecting":
            acquisitions.move(row, state, f"why it is {state}")
        return row

    def job(self, acquisition: int, task: str, products: Sequence[str], sent: bool = True) -> Any:
        """A job that has ended well, its products delivered or still on their way."""
        self.store.jobs.queue(acquisition, task, f"hash {task}", {"send_to": ["archive"]})
        job = self.store.jobs.claim(60)
        assert job is not None
        for kind in products:
            uid = f"2.25.{job.id}{len(kind)}"
            made = (MR, uid, f"products/{job.id}-{kind}.dcm")
            self.store.deliveries.add_product(job.id, kind, uid, [made], ["archive"])
        self.store.jobs.succeed(job, {})
        if sent:
            self.deliver()
        return job

    def deliver(self) -> None:
        while row := self.store.deliveries.claim([]):
            self.store.deliveries.sent(row.id)

    def ends(self) -> None:
        """Whether waiting ends at once: well, or with what it raises."""
        wait(self, lambda _share, _words: None, 0.05)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Store(tmp_path / "store") as store:
        yield Scene(store)


def goes_on(scene: Scene) -> None:
    with pytest.raises(JobFailed, match="nothing was delivered within"):
        scene.ends()


MAP, REFUSAL = ("qsm", "report"), ("refusal-report", "refusal-page")


def test_it_ends_with_the_delivered_map(scene: Scene) -> None:
    goes_on(scene)
    one = scene.acquisition("queued", scene.image())
    goes_on(scene)
    scene.job(one, "qsm", MAP, sent=False)
    goes_on(scene)
    scene.deliver()
    scene.ends()


@pytest.mark.parametrize("state", ["rejected", "held", "unmatched", "ignored"])
def test_an_acquisition_that_comes_to_nothing_first_does_not_end_it(scene: Scene, state: str) -> None:
    scene.acquisition(state, scene.image())
    other = scene.image()  # nobody has looked at it yet
    goes_on(scene)
    one = scene.acquisition("collecting", other)
    goes_on(scene)
    scene.store.acquisitions.move(one, "complete")
    scene.store.acquisitions.move(one, "queued")
    goes_on(scene)
    scene.job(one, "qsm", MAP)
    scene.ends()


@pytest.mark.parametrize("queued", [True, False], ids=["its job waits", "it collects"])
def test_a_delivered_refusal_of_another_acquisition_does_not_end_it(scene: Scene, queued: bool) -> None:
    aside = scene.acquisition("rejected", scene.image())
    scene.job(aside, "refusal", REFUSAL)
    one = scene.acquisition("queued" if queued else "collecting", scene.image())
    if queued:
        scene.store.jobs.queue(one, "qsm", "hash", {"send_to": ["archive"]})
    goes_on(scene)


def test_a_refusal_beside_the_map_is_no_failure_and_is_delivered_too(scene: Scene) -> None:
    one, aside = scene.acquisition("queued", scene.image()), scene.acquisition("rejected", scene.image())
    scene.job(one, "qsm", MAP)
    scene.job(aside, "refusal", REFUSAL, sent=False)
    goes_on(scene)
    scene.deliver()
    scene.ends()


def test_a_scan_that_becomes_no_map_says_why(scene: Scene) -> None:
    scene.acquisition("ignored", scene.image())
    aside = scene.acquisition("rejected", scene.image())
    scene.job(aside, "refusal", REFUSAL)
    with pytest.raises(NotEligible, match="ignored: why it is ignored; rejected: why it is rejected"):
        scene.ends()


def test_a_job_or_a_delivery_that_failed_is_told(scene: Scene) -> None:
    one = scene.acquisition("queued", scene.image())
    scene.job(one, "qsm", MAP, sent=False)
    for row in scene.store.deliveries.all():
        claimed = scene.store.deliveries.claim([])
        assert claimed is not None
        scene.store.deliveries.park(row, "the folder is full")
    with pytest.raises(JobFailed, match="qsm to archive: the folder is full"):
        scene.ends()


def test_a_failed_job_is_told(scene: Scene) -> None:
    one = scene.acquisition("queued", scene.image())
    scene.store.jobs.queue(one, "qsm", "hash", {"send_to": ["archive"]})
    job = scene.store.jobs.claim(60)
    assert job is not None
    scene.store.jobs.fail(job, "out of memory", retry_at=time.time() + 60)
    goes_on(scene)
    job = scene.store.jobs.get(job.id)
    scene.store.jobs.cancel(job.id, "asked to")
    with pytest.raises(JobFailed, match="cancelled: asked to"):
        scene.ends()
