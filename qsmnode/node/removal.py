"""Folders removed with whatever somebody else's program has put into them."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


def remove(folder: Path) -> None:
    """Remove a folder that may be missing, also what was closed to its owner; links are never followed.

    Raises:
        OSError: something cannot be removed.
    """
    for here, _, _ in os.walk(folder):  # from the top: what is opened here is walked into next
        with contextlib.suppress(OSError):
            for inside in Path(here).iterdir():
                if inside.is_dir() and not inside.is_symlink():
                    inside.chmod(0o700)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
