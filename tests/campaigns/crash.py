"""kill -9, full disks and power cuts at seeded random steps; see the README beside this file.

python -m tests.campaigns.crash --points 500 --seed 7
"""

from __future__ import annotations

import argparse
import random
import resource
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.campaigns.disk import Disk
from tests.campaigns.migrating import Migrating
from tests.campaigns.site import Site, check_acknowledged
from tests.campaigns.steps import FAIL, KILL
from tests.campaigns.stories import STORIES, Stage, Story

_DYING_S = 0.05
_PATIENCE_S = 30.0
_PAUSE_S = 0.1
_LASTING_S = (0.0, 0.0, 0.5, 2.0)


@dataclass
class Point:
    """One story in which something goes wrong once.

    Attributes:
        synced: whether what was synced is noted; without, a power cut takes everything.
        reached: whether it came to that.
    """

    story: Story
    random: random.Random
    synced: bool = True
    reached: bool = True

    def killed(self) -> str:
        """Killed at a random step, once in three times again while it recovers."""
        total = self.story.steps
        site = self.story.site()
        at = [self.random.randint(1, total)]
        if self.random.random() < 1 / 3:
            at.append(self.random.randint(1, max(2, total // 4)))
        for number, step in enumerate(at):
            steps = site.steps(KILL, step)
            self.story.run(site, steps)
            assert site.node is not None
            site.node.end(9)
            self.reached = self.reached and (number > 0 or steps.count >= step)
        self._recover(site)
        return f"killed at step {' and '.join(map(str, at))} of {total}"

    def full_disk(self) -> str:
        """From a random step on calls fail as on a full disk, one or all for a while; the node goes on."""
        total = self.story.steps
        site = self.story.site()
        at, lasting_s = self.random.randint(1, total), self.random.choice(_LASTING_S)
        steps = site.steps(FAIL, at, lasting_s=lasting_s)
        if not self.story.run(site, steps):
            # refused objects are sent again; only a start that cannot write may end the node
            site.send(self.story.images)
        assert site.node is not None
        site.node.end()
        self.reached = steps.count >= at
        self._recover(site)
        return f"a full disk at step {at} of {total}, for {lasting_s:g} s"

    def limited(self) -> str:
        """No file can grow beyond a random size; the node refuses, and goes on when that is over."""
        site, small = self.story.site(), self.story.images
        assert site.start()
        assert site.node is not None
        size = self.random.randint(1_000, 400_000)
        _, hardest = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.prlimit(site.node.pid, resource.RLIMIT_FSIZE, (size, hardest))
        site.send(small)
        taken = len(site.acknowledged)
        resource.prlimit(site.node.pid, resource.RLIMIT_FSIZE, (hardest, hardest))
        until = time.monotonic() + _PATIENCE_S
        while len(site.acknowledged) < len(small):  # it tries by itself whether it can write again
            assert time.monotonic() < until, site.log.read_text()[-4000:]
            site.send(small)
            time.sleep(_PAUSE_S)
        assert site.until_settled()
        site.node.end()
        self._recover(site)
        return f"files of {size} bytes at most: {taken} of {len(small)} taken, the rest afterwards"

    def power_cut(self) -> str:
        """Killed, and the disk has only what was synced."""
        total = self.story.steps
        site = self.story.site()
        disk = Disk(site.store, site.folder / "shadow")
        disk.shadow.mkdir()
        # the middle, where something was acknowledged, is where a loss has to show
        at = self.random.randint(1, total) if self.synced else total // 2
        if self.synced:
            disk.begin()
        steps = site.steps(KILL, at, disk if self.synced else None)
        self.story.run(site, steps)
        assert site.node is not None
        site.node.end(9)
        time.sleep(_DYING_S)  # a computation dies after its node
        self.reached = steps.count >= at
        disk.cut()
        self._recover(site)
        return f"the power cut at step {at} of {total}"

    def _recover(self, site: Site) -> None:
        """After a start everything goes to its end, and all is accounted for."""
        before = set(site.acknowledged)
        assert site.start(), site.log.read_text()[-4000:]
        assert site.until_settled()
        assert site.node is not None
        site.node.end()
        check_acknowledged(site.store, sorted(before), purged=True)
        assert self.story.run(site), site.log.read_text()[-4000:]
        assert site.node.end() == 0
        self.story.check_all(site)
        self.story.stage.forget(site)


FAULTS: dict[str, tuple[int, Callable[[Point], str]]] = {
    "kill": (7, Point.killed),
    "disk": (3, Point.full_disk),
    "limit": (1, Point.limited),
    "power": (4, Point.power_cut),
}
WEIGHTS = {"exam": 1, "receiving": 4, "committing": 4, "promising": 3, "migrating": 3}
"""How often each story is chosen."""


def _may(story: str, fault: str) -> bool:
    """A limit on sizes is for a node that receives; SQLite itself answers for a migration's syncs."""
    return fault in ("kill", "disk") or (story == "receiving") or (fault == "power" and story != "migrating")


class Campaign:
    """Points of chosen stories and faults.

    Args:
        stage: what they share.
        stories: by name.
        faults: by name.
        synced: False: a power cut takes everything.
    """

    def __init__(
        self, stage: Stage, stories: Sequence[str], faults: Sequence[str], *, synced: bool = True
    ) -> None:
        self._stage = stage
        self._synced = synced
        self._pairs = [(story, fault) for story in stories for fault in faults if _may(story, fault)]
        self._unseen = list(dict.fromkeys(story for story, _ in self._pairs))
        self._stories = {name: STORIES[name](stage) for name in stories if name in STORIES}
        self._migrating = (
            Migrating(stage.work / "migrating", stage.random) if "migrating" in stories else None
        )
        self.reached: Counter[str] = Counter()

    def point(self) -> str:
        """One more, in words; the first ones are one of each story.

        Raises:
            AssertionError: something was lost, doubled or stuck.
        """
        pairs = [pair for pair in self._pairs if not self._unseen or pair[0] == self._unseen[0]]
        del self._unseen[:1]
        weights = [WEIGHTS[story] * FAULTS[fault][0] for story, fault in pairs]
        ((story, fault),) = self._stage.random.choices(pairs, weights)
        if story == "migrating":
            assert self._migrating is not None
            reached, words = self._migrating.killed() if fault == "kill" else self._migrating.failed()
        else:
            point = Point(self._stories[story], self._stage.random, self._synced)
            words = FAULTS[fault][1](point)
            reached = point.reached
        self.reached[f"{story} {fault}"] += reached
        return f"{story}: {words}{'' if reached else ' (it ended before)'}"


def run(
    points: int,
    seed: int,
    stories: Sequence[str],
    faults: Sequence[str],
    say: Callable[[str], None],
    *,
    synced: bool = True,
    seconds: float | None = None,
) -> int:
    """Run so many points, or as many as the time gives; how many there were.

    Raises:
        AssertionError: something was lost, doubled or stuck; the seed brings it back.
    """
    began, done = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="qsmnode-crash-") as folder:
        stage = Stage(Path(folder), random.Random(seed), seed)
        try:
            campaign = Campaign(stage, stories, faults, synced=synced)
            while done < points and (seconds is None or time.monotonic() - began < seconds):
                since = time.monotonic()
                words = campaign.point()
                done += 1
                say(f"{done}/{points} {words}: {time.monotonic() - since:.1f} s")
        finally:
            stage.stop()
    for name, count in sorted(campaign.reached.items()):
        say(f"{name}: {count}")
    return done


def main() -> int:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--points", type=int, default=500)
    options.add_argument("--seconds", type=float, help="no further point after so many")
    options.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    options.add_argument("--stories", nargs="+", choices=sorted(WEIGHTS), default=sorted(WEIGHTS))
    options.add_argument("--faults", nargs="+", choices=sorted(FAULTS), default=sorted(FAULTS))
    options.add_argument(
        "--forget-syncs", action="store_true", help="a power cut takes everything: it has to end with a loss"
    )
    chosen = options.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    done = run(
        chosen.points,
        chosen.seed,
        chosen.stories,
        chosen.faults,
        lambda words: print(words, flush=True),
        synced=not chosen.forget_syncs,
        seconds=chosen.seconds,
    )
    print(f"{done} points: nothing lost, nothing twice, nothing stuck")
    return 0


if __name__ == "__main__":
    sys.exit(main())
