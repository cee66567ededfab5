"""Quantiles of the voxels of a mask: exact, on all threads, and without a copy of the voxels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float, Mask

Keys = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.int64]

# histograms that are made at the same time
_PARTS = 8
_BINS = 1 << 16


def quantile(values: Float, mask: Mask, share: float) -> float:
    """What ``share`` of the masked values lie below, linear between two of them; NaN of an empty mask.

    A float's bits, read as a whole number, rise as the float does: a histogram of the upper half of the bits
    tells in which bin the value lies, and one of the lower half in that bin which it is.

    Args:
        values: (..., X, Y, Z), without NaN.
        mask: (X, Y, Z), which of them count.
        share: 0..1.
    """
    keys = np.ascontiguousarray(values).view(np.uint32).reshape(-1, *mask.shape)
    upper = _histogram(keys, mask, -1)
    count = int(upper.sum())
    if not count:
        return float("nan")
    place = share * (count - 1)
    low = int(place)
    found = _ranked(keys, mask, upper, low)
    if place > low:
        found += (_ranked(keys, mask, upper, low + 1) - found) * (place - low)
    return found


def median(values: Float, mask: Mask) -> float:
    """The median of the masked values, see :func:`quantile`."""
    return quantile(values, mask, 0.5)


def _ranked(keys: Keys, mask: Mask, upper: Counts, rank: int) -> float:
    """The value that ``rank`` others come before."""
    below = np.cumsum(upper)
    high = int(np.searchsorted(below, rank, side="right"))
    before = int(below[high - 1]) if high else 0
    lower = np.cumsum(_histogram(keys, mask, high))
    low = int(np.searchsorted(lower, rank - before, side="right"))
    key = np.uint32(high * _BINS + low)
    # back from rising keys to the float's bits
    bits = key ^ np.uint32(0x80000000) if key >> 31 else ~key
    return float(np.array([bits], np.uint32).view(np.float32)[0])


def _histogram(keys: Keys, mask: Mask, upper: int) -> Counts:
    """Of the upper half of the masked keys; of the lower half of those with the ``upper`` one if >= 0."""
    counts: Counts = np.zeros((_PARTS, _BINS), np.int64)
    in_slabs(_count, _PARTS, keys, mask, upper, counts)
    total: Counts = counts.sum(axis=0)
    return total


@compiled
def _count(start: int, stop: int, keys: Keys, mask: Mask, upper: int, counts: Counts) -> None:
    volumes, nx, ny, nz = keys.shape
    for part in range(start, stop):
        for x in range(nx * part // _PARTS, nx * (part + 1) // _PARTS):
            for y in range(ny):
                for volume in range(volumes):
                    for z in range(nz):
                        if mask[x, y, z]:
                            key = keys[volume, x, y, z]
                            key = key ^ np.uint32(0xFFFFFFFF if key >> 31 else 0x80000000)
                            if upper < 0:
                                counts[part, key >> 16] += 1
                            elif np.int64(key >> 16) == upper:
                                counts[part, key & 0xFFFF] += 1
