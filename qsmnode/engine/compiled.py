"""Voxel loops compiled once, kept on disk where the disk allows it, and run on slabs by plain threads.

Every loop is written for a range of slabs along the first axis and writes only its own voxels, so that the
result is the same on any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba

from qsmnode.engine import fourier


def compiled(function: Callable[..., Any]) -> Any:
    """Compile ``function`` on its first call, without the interpreter's lock, cached on disk if possible."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        # numba found no folder it may write to: compile anew in each process instead
        return numba.njit(nogil=True)(function)


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
