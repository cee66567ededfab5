"""Voxel loops compiled once, kept on disk where the disk allows it, and run on slabs by plain threads.

Every loop is written for a range of slabs along the first axis and writes only its own voxels, so that the
result is the same on any number of threads.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba

import qsmnode
from qsmnode.engine import fourier


def compiled(function: Callable[..., Any]) -> Any:
    """Compile ``function`` on its first call, without the interpreter's lock, cached on disk if possible."""
    folder = cache_folder()
    if folder is None:
        return numba.njit(nogil=True)(function)
    settings: Any = numba.config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(folder)  # looked at while decorating, and ours only that long
    try:
        return numba.njit(cache=True, nogil=True)(function)
    finally:
        settings.CACHE_DIR = before


@functools.cache
def cache_folder() -> Path | None:
    """Where machine code is kept: a folder for exactly these sources; None where nothing can be written.

    Numba asks only whether a function's own file has changed. A loop that calls another file's loop, or uses
    its constants, would go on with the old one after an upgrade, and give other numbers than its sources say.
    """
    name = f"compiled-{_sources_digest()[:16]}"
    given = os.environ.get("NUMBA_CACHE_DIR")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    places = [Path(given)] if given else [_package() / "__pycache__", home / "qsmnode"]
    return next((place / name for place in places if _is_writable(place / name)), None)


def _package() -> Path:
    return Path(qsmnode.__file__).parent


def _sources_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(_package().rglob("*.py")):
        digest.update(path.relative_to(_package()).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return False


def in_slabs(loop: Callable[..., Any], length: int, *arguments: Any) -> None:
    """Run ``loop(start, stop, *arguments)`` over all of ``range(length)``, one thread for each part."""
    parts = max(1, min(fourier.threads(), length))
    edges = [length * part // parts for part in range(parts + 1)]
    if parts == 1:
        loop(0, length, *arguments)
        return
    with ThreadPoolExecutor(parts) as pool:
        tasks = [pool.submit(loop, edges[p], edges[p + 1], *arguments) for p in range(parts)]
        for task in tasks:
            task.result()
