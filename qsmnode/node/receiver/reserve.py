"""The free disk space that receiving leaves alone, so that ledger and results can still be written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_MB = 1_000_000


@dataclass(frozen=True)
class Space:
    """A disk, in bytes."""

    free: int
    total: int


def space_of(folder: Path) -> Space:
    """The disk under a folder, as far as this process may use it."""
    found = os.statvfs(folder)
    return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


@dataclass(frozen=True)
class Reserve:
    """What stays free: so many bytes, and so many percent of the disk, whichever is more."""

    size: int = 0
    percent: float = 0.0

    def shortage(self, space: Space) -> str:
        """Why nothing more may be written, "" where there is room."""
        part = int(space.total * self.percent / 100)
        kept = max(self.size, part)
        if space.free >= kept:
            return ""
        key = "disk_reserve_mb" if self.size >= part else "disk_reserve_percent"
        return f"{space.free // _MB} MB free, limits.{key} keeps {kept // _MB} MB: make room"
