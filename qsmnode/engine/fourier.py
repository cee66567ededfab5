"""Real Fourier transforms, and the limit of threads that they and the voxel loops obey.

Results do not depend on the number of threads: each one-dimensional transform is computed by one of them.
"""

from __future__ import annotations

import os
from typing import cast

import numpy as np
import numpy.typing as npt
import scipy.fft

from qsmnode.engine.types import Float
from qsmnode.errors import EngineInputError

THREADS_VARIABLE = "QSMNODE_THREADS"

Spectrum = npt.NDArray[np.complex64]
Shape = tuple[int, int, int]


class _ThreadLimit:
    """The one limit of this process: a worker sets it once, before it computes."""

    def __init__(self) -> None:
        available = os.cpu_count() or 1
        text = os.environ.get(THREADS_VARIABLE, "")
        self.count = max(1, min(available, int(text))) if text.isdecimal() else available


_limit = _ThreadLimit()


def set_threads(count: int) -> None:
    """Limit the transforms and voxel loops of this process to ``count`` threads.

    Args:
        count: at least 1; what exceeds the machine's processors is cut.

    Raises:
        EngineInputError: ``count`` is below 1.
    """
    if count < 1:
        raise EngineInputError(f"threads: expected at least 1, got {count}")
    _limit.count = min(count, os.cpu_count() or 1)


def threads() -> int:
    """How many threads are used now; ``QSMNODE_THREADS`` or every processor unless set."""
    return _limit.count


def rfftn(array: Float) -> Spectrum:
    """Forward transform of a real (X, Y, Z) float32 array: (X, Y, Z // 2 + 1) complex64."""
    return cast(Spectrum, scipy.fft.rfftn(array, workers=_limit.count))


def irfftn(spectrum: Spectrum, shape: Shape) -> Float:
    """Inverse of :func:`rfftn` for a real array of ``shape``; what is in ``spectrum`` is lost."""
    return cast(Float, scipy.fft.irfftn(spectrum, s=shape, overwrite_x=True, workers=_limit.count))


def fast_shape(shape: Shape, padding: Shape = (0, 0, 0)) -> Shape:
    """The smallest quickly transformed shape of at least ``shape`` plus ``padding`` voxels per axis."""
    x, y, z = (n + p for n, p in zip(shape, padding, strict=True))
    quick = scipy.fft.next_fast_len
    return int(quick(x)), int(quick(y)), int(quick(z, real=True))
