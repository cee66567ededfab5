"""Voxel loops compiled once, kept on disk where the disk allows it, and run on slabs by plain threads.

Every loop is written for a range of slabs along the first axis and writes only its own voxels, so that the
result is the same on any number of threads.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numba

import qsmnode
from qsmnode.engine import fourier

# every process that uses a folder touches this file in it
_USED = "used"
_KEPT_S = 30 * 24 * 3600.0


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
    Folders of other sources go when a new one is made and they have not been used for 30 days.
    """
    name = f"compiled-{_sources_digest()[:16]}"
    return next((place / name for place in _places() if _begin_to_use(place / name)), None)


def _places() -> list[Path]:
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given:
        return [Path(given)]
    places = [_package() / "__pycache__"]
    with contextlib.suppress(RuntimeError):  # there is no home
        places.append(Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "qsmnode")
    return places


def _package() -> Path:
    return Path(qsmnode.__file__).parent


def _sources_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(_package().rglob("*.py")):
        digest.update(path.relative_to(_package()).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _begin_to_use(folder: Path) -> bool:
    """Make the folder if there is none, and leave a mark in it; False where it cannot be written."""
    try:
        is_new = not folder.exists()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            (folder / _USED).touch(mode=0o600)
    except OSError:
        return False
    if is_new:
        _remove_unused(folder.parent)
    return True


def _remove_unused(place: Path) -> None:
    """Remove the folders of sources that no process has begun to use for 30 days.

    A process that has run for longer keeps the code that it has loaded, and compiles what it finds gone.
    """
    for folder in sorted(place.glob("compiled-" + "[0-9a-f]" * 16)):
        with contextlib.suppress(OSError):  # another process was faster
            if _unused_s(folder) > _KEPT_S:
                shutil.rmtree(folder, ignore_errors=True)


def _unused_s(folder: Path) -> float:
    """Seconds since a process began to use the folder; since its last change where none has said so."""
    mark = folder / _USED
    return time.time() - (mark if mark.exists() else folder).stat().st_mtime


def slab_edges(length: int) -> list[int]:
    """Where the parts of ``range(length)`` begin that :func:`in_slabs` makes now, and the end."""
    parts = max(1, min(fourier.threads(), length))
    return [length * part // parts for part in range(parts + 1)]


def in_slabs(loop: Callable[..., Any], length: int, *arguments: Any) -> None:
    """Run ``loop(start, stop, *arguments)`` over all of ``range(length)``, one thread for each part."""
    edges = slab_edges(length)
    parts = len(edges) - 1
    if parts == 1:
        loop(0, length, *arguments)
        return
    with ThreadPoolExecutor(parts - 1) as pool:
        tasks = [pool.submit(loop, edges[p], edges[p + 1], *arguments) for p in range(1, parts)]
        loop(0, edges[1], *arguments)
        for task in tasks:
            task.result()
