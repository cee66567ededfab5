"""kill -9, full disks and power cuts at seeded random steps; see the README beside this file.

python -m tests.campaigns.crash --points 500 --seed 7
"""

from __future__ import annotations

import argparse
import random
import resource
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom

from qsmnode.errors import QsmnodeError
from qsmnode.ledger import Store
from qsmnode.node.control import ask
from tests.campaigns.site import (
    Archive,
    Site,
    check_acknowledged,
    check_no_names,
    check_private,
    small_objects,
    stuck,
    tiny_head,
)
from tests.campaigns.steps import COUNT, FAIL, KILL, Steps, after_power_cut

_SMALL = 6


@dataclass
class Campaign:
    """What all points share, and the number of steps of an undisturbed run."""

    work: Path
    random: random.Random
    archive: Archive
    small: list[Path]
    head: list[Path]
    note_syncs: bool = True
    number: int = 0

    def site(self, name: str) -> Site:
        self.number += 1
        return Site(self.work / f"{self.number:04d}-{name}", self.archive.port)

    def __post_init__(self) -> None:
        self.steps: dict[str, int] = {}
        headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in (self.small[0], *self.head[:1])]
        self.names = [str(each.PatientName) for each in headers]

    def steps_of(self, name: str, run: Callable[[Site, Steps | None], bool]) -> int:
        """Steps of an undisturbed run, measured once."""
        if name not in self.steps:
            site, steps = self.site(name), Steps(COUNT, 0)
            assert run(site, steps)
            assert site.node is not None
            assert site.node.end() == 0
            self.steps[name] = steps.count
            self.forget(site)
        return self.steps[name]

    def forget(self, site: Site) -> None:
        shutil.rmtree(site.folder)
        self.archive.clear()


def receiving(campaign: Campaign) -> Callable[[Site, Steps | None], bool]:
    """Objects that end ignored; then what may go is purged."""

    def run(site: Site, steps: Steps | None) -> bool:
        if not site.start(steps):
            return False
        site.send(campaign.small)
        if len(site.acknowledged) < len(campaign.small) or not site.until_settled():
            return False
        try:
            ask(site.config, "purge", {"older_than_days": 0})
        except (QsmnodeError, OSError, ValueError):
            return False  # it died while it was asked
        assert site.node is not None
        return site.node.alive()

    return run


def exam(campaign: Campaign) -> Callable[[Site, Steps | None], bool]:
    """A head that becomes a map and a report, and goes to an archive."""

    def run(site: Site, steps: Steps | None) -> bool:
        if not site.start(steps):
            return False
        site.send(campaign.head)
        return len(site.acknowledged) == len(campaign.head) and site.until_settled(deliveries=2)

    return run


def killed(campaign: Campaign, name: str, run: Callable[[Site, Steps | None], bool]) -> str:
    """One point: killed at a random step, once in three times again while it recovers."""
    total = campaign.steps_of(name, run)
    site = campaign.site(name)
    at = [campaign.random.randint(1, total)]
    if campaign.random.random() < 1 / 3:
        at.append(campaign.random.randint(1, max(2, total // 4)))
    for step in at:
        run(site, Steps(KILL, step))
        assert site.node is not None
        site.node.end(9)
    _recover(campaign, site, name, run)
    return f"{name}: killed at step {' and '.join(map(str, at))} of {total}"


def failed(campaign: Campaign) -> str:
    """One point: a call at a random step fails as on a full disk, and the node goes on."""
    name, run = "receiving", receiving(campaign)
    total = campaign.steps_of(name, run)
    site = campaign.site("failing")
    at = campaign.random.randint(1, total)
    if not run(site, Steps(FAIL, at)):
        # refused objects are sent again; only a start that cannot write may end the node
        site.send(campaign.small)
    assert site.node is not None
    site.node.end()
    _recover(campaign, site, name, run)
    return f"a full disk at step {at} of {total}"


def limited(campaign: Campaign) -> str:
    """One point: no file can grow beyond a random size; the node refuses, and goes on when that is over."""
    site = campaign.site("limited")
    assert site.start()
    assert site.node is not None
    size = campaign.random.randint(1_000, 400_000)
    _, hardest = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.prlimit(site.node.pid, resource.RLIMIT_FSIZE, (size, hardest))
    site.send(campaign.small)
    taken = len(site.acknowledged)
    resource.prlimit(site.node.pid, resource.RLIMIT_FSIZE, (hardest, hardest))
    site.send(campaign.small)
    assert len(site.acknowledged) == len(campaign.small), site.log.read_text()[-4000:]
    assert site.until_settled()
    site.node.end()
    _recover(campaign, site, "receiving", receiving(campaign))
    return f"files of {size} bytes at most: {taken} of {len(campaign.small)} taken, the rest afterwards"


def power_cut(campaign: Campaign) -> str:
    """One point: killed while it receives, and the disk has only what was synced."""
    name, run = "receiving", receiving(campaign)
    total = campaign.steps_of(name, run)
    site = campaign.site("power")
    shadow = site.folder / "shadow"
    shadow.mkdir()
    # the middle, where something was acknowledged, is where a loss has to show
    at = campaign.random.randint(1, total) if campaign.note_syncs else total // 2
    run(site, Steps(KILL, at, shadow if campaign.note_syncs else None, site.store))
    assert site.node is not None
    site.node.end(9)
    left = site.folder / "left"
    after_power_cut(site.store, shadow, left)
    shutil.rmtree(site.store)
    left.rename(site.store)
    _recover(campaign, site, name, run)
    return f"the power cut at step {at} of {total}"


def _recover(campaign: Campaign, site: Site, name: str, run: Callable[[Site, Steps | None], bool]) -> None:
    """After a start everything goes to its end, and all is accounted for."""
    before = set(site.acknowledged)
    assert site.start(), site.log.read_text()[-4000:]
    assert site.until_settled()
    assert site.node is not None
    site.node.end()
    check_acknowledged(site.store, sorted(before), purged=True)
    assert run(site, None), site.log.read_text()[-4000:]
    assert site.node.end() == 0
    check_acknowledged(site.store, sorted(site.acknowledged), purged=True)
    check_private(site.store)
    for patient in campaign.names:
        check_no_names(site.log, patient)
    with Store(site.store) as store:
        assert stuck(store) == []
        made = Counter(
            row["sop_instance_uid"]
            for row in store.database.rows(
                "SELECT o.sop_instance_uid FROM product_object o JOIN product p ON p.id = o.product_id"
            )
        )
    assert campaign.archive.objects() == made, "the archive has not every product exactly once"
    assert bool(made) == (name == "exam")
    campaign.forget(site)


KINDS: dict[str, tuple[int, Callable[[Campaign], str]]] = {
    "receiving": (4, lambda campaign: killed(campaign, "receiving", receiving(campaign))),
    "exam": (3, lambda campaign: killed(campaign, "exam", exam(campaign))),
    "disk": (2, failed),
    "limit": (1, limited),
    "power": (2, power_cut),
}


def campaign(
    points: int, seed: int, kinds: Sequence[str], say: Callable[[str], None], *, note_syncs: bool = True
) -> None:
    """Run so many points; without ``note_syncs`` as if nothing had been synced.

    Raises:
        AssertionError: something was lost, doubled or stuck; the seed brings it back.
    """
    with tempfile.TemporaryDirectory(prefix="qsmnode-crash-") as folder:
        work = Path(folder)
        archive = Archive(work / "archive")
        try:
            shared = Campaign(
                work,
                random.Random(seed),
                archive,
                small_objects(work / "small", _SMALL, seed % 1000 + 1),
                tiny_head(work / "head") if "exam" in kinds else [],
                note_syncs,
            )
            weights = [KINDS[kind][0] for kind in kinds]
            for number in range(1, points + 1):
                (kind,) = shared.random.choices(kinds, weights)
                began = time.monotonic()
                words = KINDS[kind][1](shared)
                say(f"{number}/{points} {words}: {time.monotonic() - began:.1f} s")
        finally:
            archive.stop()


def main() -> int:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--points", type=int, default=500)
    options.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    options.add_argument("--kinds", nargs="+", choices=sorted(KINDS), default=sorted(KINDS))
    options.add_argument(
        "--forget-syncs", action="store_true", help="a power cut takes everything: it has to end with a loss"
    )
    chosen = options.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    campaign(
        chosen.points,
        chosen.seed,
        chosen.kinds,
        lambda words: print(words, flush=True),
        note_syncs=not chosen.forget_syncs,
    )
    print(f"{chosen.points} points: nothing lost, nothing twice, nothing stuck")
    return 0


if __name__ == "__main__":
    sys.exit(main())
