"""Many instances from several associations that break off and come back: memory stays, all is accounted for.

python -m tests.campaigns.soak --instances 20000
"""

from __future__ import annotations

import argparse
import queue
import random
import re
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from qsmnode.errors import PeerError
from qsmnode.node.sender.cstore import open_for, store_one
from qsmnode.node.sender.decide import Outcome
from qsmnode.node.wire.part10 import read_front
from qsmnode.node.wire.requestor import Target
from tests.campaigns.site import Site, check_acknowledged, check_private, small_objects
from tests.peers.ports import free_port

_BATCH = 40
_GROWTH = 1.15  # of the mean memory of the last quarter over that of the second
_SLACK_MB = 25.0


class _BreakOff(PeerError):
    """The sender goes away in the middle."""


@dataclass
class Scanner:
    """One association after the other, each broken off now and then."""

    target: Target
    left: queue.Queue[Path]
    random: random.Random
    breaks: float
    acknowledged: list[Path] = field(default_factory=list)
    broken: int = 0

    def run(self) -> None:
        """Until nothing is left; what was not acknowledged is sent again."""
        while batch := self._batch():
            done = set()
            fronts = [read_front(path) for path in batch]
            try:
                with open_for(self.target, fronts) as association:
                    for path, front in zip(batch, fronts, strict=True):
                        if self.random.random() < self.breaks:
                            raise _BreakOff("on purpose")
                        if store_one(association, front).outcome is Outcome.ACKNOWLEDGED:
                            done.add(path)
            except PeerError:
                self.broken += 1
            self.acknowledged += [path for path in batch if path in done]
            for path in batch:
                if path not in done:
                    self.left.put(path)

    def _batch(self) -> list[Path]:
        batch = []
        while len(batch) < _BATCH:
            try:
                batch.append(self.left.get_nowait())
            except queue.Empty:
                break
        return batch


def soak(instances: int, associations: int, seed: int, say: Callable[[str], None]) -> None:
    """Send, watch, count.

    Raises:
        AssertionError: something is lost or doubled, or memory grows.
    """
    with tempfile.TemporaryDirectory(prefix="qsmnode-soak-") as folder:
        work = Path(folder)
        files = small_objects(work / "sent", instances, seed % 1000 + 1)
        site = Site(work / "site", free_port())
        assert site.start()
        assert site.node is not None
        memory, began = _Memory(site.node.pid), time.monotonic()
        scanners = _scan(site, files, associations, seed)
        took = time.monotonic() - began
        assert site.until_settled()
        memory.stop()
        assert site.node.end() == 0
        acknowledged = [path for scanner in scanners for path in scanner.acknowledged]
        assert sorted(set(acknowledged)) == files
        check_acknowledged(site.store, files)
        check_private(site.store)
        broken = sum(scanner.broken for scanner in scanners)
        say(f"{instances} instances, {associations} associations, {broken} broken off: {took:.1f} s")
        memory.judge(say)


def _scan(site: Site, files: list[Path], associations: int, seed: int) -> list[Scanner]:
    left: queue.Queue[Path] = queue.Queue()
    for path in files:
        left.put(path)
    target = Target("node", "127.0.0.1", site.port, "QSMNODE", "MR1", 10.0, 60.0)
    scanners = [Scanner(target, left, random.Random(seed + number), 0.01) for number in range(associations)]
    threads = [threading.Thread(target=scanner.run) for scanner in scanners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return scanners


class _Memory:
    """Resident memory of a process, looked at while it works."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._samples: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def judge(self, say: Callable[[str], None]) -> None:
        """Print it, and compare late with early."""
        quarter = max(1, len(self._samples) // 4)
        early = mean(self._samples[quarter : 2 * quarter] or self._samples)
        late, most = mean(self._samples[-quarter:]), max(self._samples)
        say(f"memory of the node: {early:.0f} MB early, {late:.0f} MB late, {most:.0f} MB at most")
        assert late <= early * _GROWTH + _SLACK_MB, "memory grows"

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self._pid}/status").read_text())
            if found:
                self._samples.append(int(found[1]) / 1000)


def main() -> int:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--instances", type=int, default=20000)
    options.add_argument("--associations", type=int, default=8)
    options.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    chosen = options.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    soak(chosen.instances, chosen.associations, chosen.seed, lambda words: print(words, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
