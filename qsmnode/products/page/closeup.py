"""Which slices and which part of a map show its regions best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_MOST = 2
_AROUND_MM, _SMALLEST_MM = 8.0, 50.0
Drawn = npt.NDArray[np.bool_]


def places(regions: Sequence[Drawn], axis: int) -> list[int]:
    """Slices along an axis, the one that shows most of all regions first, then what it shows least of.

    Args:
        regions: true inside, none of them empty.

    Returns:
        Up to two; none without regions.
    """
    others = tuple(other for other in range(3) if other != axis)
    areas = np.array([region.sum(axis=others) for region in regions])
    if not areas.size:
        return []
    parts = areas / areas.max(axis=1, keepdims=True)
    found: list[int] = []
    seen = np.zeros((len(regions), 1))
    for _ in range(_MOST):
        gain = np.maximum(parts - seen, 0.0).sum(axis=0)
        if gain.max() <= 0:
            break
        best = np.flatnonzero(gain >= gain.max() * (1 - 1e-9))
        longest = max(np.split(best, np.flatnonzero(np.diff(best) > 1) + 1), key=len)
        found.append(int(longest[len(longest) // 2]))
        seen = np.maximum(seen, parts[:, found[-1:]])
    return found


def around(regions: Sequence[Drawn], voxel_mm: tuple[float, float, float]) -> tuple[slice, slice, slice]:
    """A box around all regions, not too tight; nothing without regions."""
    if not regions:
        return slice(0), slice(0), slice(0)
    made = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(np.any([region.any(axis=others) for region in regions], axis=0))
        first, last = int(found[0]), int(found[-1])
        missing = (_SMALLEST_MM / voxel_mm[axis] - (last + 1 - first)) / 2
        more = max(round(_AROUND_MM / voxel_mm[axis]), round(missing))
        made.append(slice(max(0, first - more), min(regions[0].shape[axis], last + 1 + more)))
    return made[0], made[1], made[2]
