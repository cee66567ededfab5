"""What a node lives through in a campaign: from its first start to the end, and what is true then."""

from __future__ import annotations

import abc
import random
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from qsmnode.errors import QsmnodeError
from qsmnode.ledger import Store
from qsmnode.node.control import ask
from qsmnode.node.wire.part10 import read_front
from tests.campaigns.archive import Plan
from tests.campaigns.site import (
    Archive,
    Scanner,
    Site,
    check_acknowledged,
    check_no_names,
    check_private,
    small_objects,
    stuck,
    tiny_head,
)
from tests.campaigns.steps import COUNT, Steps

_SMALL = 6
_PRODUCTS = 2
_OBJECTS = 5
_FIRST_SEED = 5000
_NO_SUCH_OBJECT = 0x0112


@dataclass
class Stage:
    """What all points share: peers, objects to send, and chance."""

    work: Path
    random: random.Random
    seed: int
    number: int = 0
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.archive = Archive(self.work / "archive")
        self.small = self._named(small_objects(self.work / "small", _SMALL, self.seed % 1000 + 1))
        self._head: list[Path] = []
        self._scanner: Scanner | None = None
        self._site: Site | None = None

    @property
    def head(self) -> list[Path]:
        """Images of a head; made when they are first wanted, as what follows."""
        if not self._head:
            self._head = self._named(tiny_head(self.work / "head"))
        return self._head

    @property
    def scanner(self) -> Scanner:
        self._scanner = self._scanner or Scanner(self.work / "scanner")
        return self._scanner

    def site(self, name: str, *, commits: bool = False, scanner_port: int | None = None) -> Site:
        """A new one."""
        self.number += 1
        folder = self.work / f"{self.number:04d}-{name}"
        self._site = Site(folder, self.archive.port, commits=commits, scanner_port=scanner_port)
        return self._site

    def committing_site(self, name: str, *, commits: bool) -> Site:
        """One whose archive commits in some way, if it is asked to."""
        site = self.site(name, commits=commits)
        Plan(
            port=site.port,
            same=self.random.random() < 0.5,
            delay_s=self.random.choice((0.0, 0.05, 0.3, 1.0)),
            loses=self.random.choice((0, 200, 1000)),
            seed=self.random.randrange(1_000_000),
        ).write(self.archive.folder)
        return site

    def forget(self, site: Site) -> None:
        """What came of one point."""
        shutil.rmtree(site.folder)
        self.archive.clear()
        Plan().write(self.archive.folder)
        if self._scanner is not None:
            self._scanner.clear()

    def stop(self) -> None:
        """End the peers, and the node where a check has failed."""
        if self._site is not None and self._site.node is not None:
            self._site.node.end(9)
        self.archive.stop()
        if self._scanner is not None:
            self._scanner.stop()

    def _named(self, paths: list[Path]) -> list[Path]:
        self.names.append(str(pydicom.dcmread(paths[0], stop_before_pixels=True).PatientName))
        return paths


class Story(abc.ABC):
    """One way of a node through its work; may be run again on the same site, and then has less to do."""

    name = ""
    products = 0
    """Deliveries at its end."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._steps = 0

    @property
    def images(self) -> list[Path]:
        """What the scanner sends."""
        return self.stage.small

    def site(self) -> Site:
        """Where it takes place, before the first start."""
        return self.stage.site(self.name)

    @abc.abstractmethod
    def run(self, site: Site, steps: Steps | None = None) -> bool:
        """From a start of the node to the end of its work; False where it died or something was refused."""

    def check(self, site: Site) -> None:
        """What has to be true at the end beyond what always has to be: nothing, for most."""
        return

    @property
    def steps(self) -> int:
        """Of an undisturbed run, measured once."""
        if not self._steps:
            site = self.site()
            counted = site.steps(COUNT, 0)
            assert self.run(site, counted), site.log.read_text()[-4000:]
            assert site.node is not None
            assert site.node.end() == 0
            self._steps = counted.count
            self.stage.forget(site)
        return self._steps

    def check_all(self, site: Site) -> None:
        """Everything acknowledged is here, every product once in the archive, nothing stuck, nothing told."""
        check_acknowledged(site.store, sorted(site.acknowledged), purged=True)
        check_private(site.store)
        for patient in self.stage.names:
            check_no_names(site.log, patient)
        with Store(site.store) as store:
            assert stuck(store, commits=site.commits) == []
            made = Counter(
                row["sop_instance_uid"]
                for row in store.database.rows(
                    "SELECT o.sop_instance_uid FROM product_object o JOIN product p ON p.id = o.product_id"
                )
            )
        assert self.stage.archive.objects() == made, "the archive has not every product exactly once"
        assert bool(made) == bool(self.products)
        self.check(site)


class Receiving(Story):
    """Objects that end ignored; then what may go is purged."""

    name = "receiving"

    def run(self, site: Site, steps: Steps | None = None) -> bool:
        if not site.start(steps):
            return False
        site.send(self.images)
        if len(site.acknowledged) < len(self.images) or not site.until_settled():
            return False
        return _purged(site)


class Exam(Story):
    """A head that becomes a map and a report, and goes to an archive, which often has to answer for them."""

    name = "exam"
    products = _PRODUCTS

    @property
    def images(self) -> list[Path]:
        return self.stage.head

    def site(self) -> Site:
        return self.stage.committing_site(self.name, commits=self.stage.random.random() < 0.5)

    def run(self, site: Site, steps: Steps | None = None) -> bool:
        if not site.start(steps):
            return False
        site.send(self.images)
        return len(site.acknowledged) == len(self.images) and site.until_settled(self.products)


class Committing(Story):
    """Products that wait to be sent; the archive loses some, and answers for them in the end."""

    name = "committing"
    products = _PRODUCTS

    @property
    def images(self) -> list[Path]:
        return []

    def site(self) -> Site:
        site = self.stage.committing_site(self.name, commits=True)
        with Store(site.store) as store:
            job = store.jobs.queue(store.acquisitions.open("2.25.1", "a", deadline_at=9e9), "qsm", "a", {})
            with store.database.transaction():
                for number in range(self.products):
                    self._add(store, job, number)
                store.database.move("job", job, "running")
                store.database.move("job", job, "succeeded")
        return site

    def run(self, site: Site, steps: Steps | None = None) -> bool:
        return site.start(steps) and site.until_settled(self.products)

    def _add(self, store: Store, job: int, number: int) -> None:
        name = f"products/{job}-{number}"
        objects = [
            (front.sop_class_uid, front.sop_instance_uid, f"{name}/{path.name}")
            for path in small_objects(store.path(name), _OBJECTS, _FIRST_SEED + number)
            for front in (read_front(path),)
        ]
        store.path(name).chmod(0o700)
        for _, _, relative in objects:
            store.path(relative).chmod(0o600)
        store.deliveries.add_product(job, f"product {number}", f"2.25.2{number}", objects, ["archive"])


class Promising(Story):
    """Objects whose sender asks for some of them to be kept; then what may go is purged."""

    name = "promising"
    _transaction = "2.25.4711"
    _unknown = "2.25.4712"

    def site(self) -> Site:
        return self.stage.site(self.name, scanner_port=self.stage.scanner.port)

    def run(self, site: Site, steps: Steps | None = None) -> bool:
        if not site.start(steps):
            return False
        site.send(self.images)
        if len(site.acknowledged) < len(self.images):
            return False
        fronts = [read_front(path) for path in self._kept()]
        objects = [(front.sop_class_uid, front.sop_instance_uid) for front in fronts]
        if not site.promised and not site.ask_to_keep(
            self._transaction, [*objects, (objects[0][0], self._unknown)]
        ):
            return False
        return site.until_settled() and _purged(site)

    def check(self, site: Site) -> None:
        """What was promised was reported, and is still here after the purge."""
        wanted = {read_front(path).sop_instance_uid: 0 for path in self._kept()}
        wanted[self._unknown] = _NO_SUCH_OBJECT
        reports = self.stage.scanner.reports(self._transaction)
        assert reports, "the report was never sent"
        assert all(report == wanted for report in reports), f"a report that is not true: {reports}"
        check_acknowledged(site.store, self._kept(), purged=False)

    def _kept(self) -> list[Path]:
        return self.stage.small[::2]


STORIES = {each.name: each for each in (Receiving, Exam, Committing, Promising)}


def _purged(site: Site) -> bool:
    """Whether the node took the order to purge, and lives."""
    try:
        ask(site.config, "purge", {"older_than_days": 0})
    except (QsmnodeError, OSError, ValueError):
        return False  # it died while it was asked
    assert site.node is not None
    return site.node.alive()
