"""The retention role: looks now and then at age and space, and lets go what the settings ask for."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from qsmnode.config import Config
from qsmnode.ledger.store import Store
from qsmnode.node.retention.judge import DAY_S, Limits
from qsmnode.node.retention.purge import planned, purge, rules_of, size_of
from qsmnode.node.supervise import Loop

_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 60.0
_AGE_EVERY = 30  # looks
_GB = 1_000_000_000


def disk(folder: Path) -> tuple[int, int]:
    """Free and total bytes of the disk under a folder, for this process."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def _forgotten_after_s(config: Config) -> float:
    """Not before their answer may still matter."""
    asked = config.commitment
    return max(config.retention.ignored_days * DAY_S, asked.timeout_s, asked.archive_interval_s)


class Retention:
    """Lets go what is too old, and what has to make room.

    Args:
        config: a loaded configuration.
        store: where.
        space: tells free and total bytes of the disk under a folder.
    """

    def __init__(
        self, config: Config, store: Store, *, space: Callable[[Path], tuple[int, int]] = disk
    ) -> None:
        self._settings = config.retention
        self._forget_s = _forgotten_after_s(config)
        self._rules = rules_of(config)
        self._store = store
        self._space = space
        self._woken = threading.Event()
        self._looks = 0
        self._short = False
        self._loop = Loop("retention", self._step, self._woken.set)

    def start(self) -> None:
        """Begin; the first look is at once."""
        self._loop.start()

    def stop(self, timeout_s: float) -> None:
        """Return after the look in progress."""
        self._loop.stop(timeout_s)

    def look(self) -> None:
        """Let go what has to go now."""
        if self._looks % _AGE_EVERY == 0:
            self._forget()
        aged = self._settings.max_age_days is not None and self._looks % _AGE_EVERY == 0
        needed = self._missing_free()
        if self._settings.max_store_gb is not None and self._looks % _AGE_EVERY == 0:
            needed = max(needed, self._stored() - int(self._settings.max_store_gb * _GB))
        self._looks += 1
        if not aged and needed <= 0:
            self._short = False
            return
        limits = Limits(self._settings.max_age_days if aged else None, max(0, needed))
        gone = purge(self._store, self._rules, limits, "by retention")
        self._tell(needed, gone.size)

    def _step(self) -> None:
        self.look()
        self._woken.wait(_LOOK_EVERY_S)

    def _forget(self) -> None:
        """Requests for storage commitment that are over."""
        gone = self._store.finished_requests.prune(time.time() - self._forget_s)
        if gone:
            _log.info("%d finished requests for storage commitment are forgotten", gone)

    def _missing_free(self) -> int:
        free, total = self._space(self._store.root)
        return int(total * self._settings.min_free_percent / 100) - free

    def _stored(self) -> int:
        everything = planned(self._store, self._rules, Limits(None)).stays
        sizes = {
            file.path: size_of(self._store, file)
            for each in everything
            for file in (*each.instances, *each.objects)
        }
        return sum(sizes.values())

    def _tell(self, needed: int, freed: int) -> None:
        """One alert when room cannot be made, not one a minute."""
        if freed >= needed:
            self._short = False
        elif not self._short:
            self._short = True
            _log.warning(
                "%.1f MB more should be free, and nothing else may go: `qsmnode purge --dry-run` says why",
                (needed - freed) / 1e6,
            )
