"""Face-connected parts of a mask, found on all threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Mask

Voxels = npt.NDArray[np.signedinteger[Any]]
Counts = npt.NDArray[np.int64]
Row = npt.NDArray[np.bool_]

# planes that are joined by one thread; blocks of them are joined afterwards
_PLANES = 8


class Connected:
    """The face-connected parts of a mask, in the order of their first voxels.

    Rows along Z are cut into runs of voxels, and runs that touch are joined: far fewer than voxels.

    Args:
        mask: (X, Y, Z).

    Attributes:
        sizes: voxels of each part.
    """

    def __init__(self, mask: Mask) -> None:
        index: Any = np.int32 if mask.size < 2**31 else np.int64
        self._mask = np.ascontiguousarray(mask)
        # only where runs begin: the first voxel of one that comes before in the same part, or the run itself
        self._links: Voxels = np.empty(mask.size, index)
        # only where parts begin: their number
        self._numbers: Voxels = np.empty(mask.size, index)
        in_slabs(_join_runs, -(-mask.shape[0] // _PLANES), self._mask, self._links)
        self.sizes: Counts = _join_blocks(self._mask, self._links, self._numbers)

    def of(self, keep: npt.NDArray[np.bool_]) -> Mask:
        """The parts for which ``keep`` is true, as a mask."""
        out: Mask = np.zeros(self._mask.shape, np.bool_)
        in_slabs(_keep, out.shape[0], self._mask, self._links, self._numbers, keep, out)
        return out

    def at_ends(self, axes: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Whether each part has voxels in the first or last plane of one of ``axes``."""
        found: npt.NDArray[np.bool_] = np.zeros(self.sizes.size, np.bool_)
        _mark_ends(self._mask, self._links, self._numbers, np.array(axes, np.int64), found)
        return found


@compiled
def _first(links: Voxels, run: int) -> int:
    """The first voxel of the part, as far as it is joined."""
    while links[run] != run:
        run = links[run]
    return run


@compiled
def _join(links: Voxels, one: int, other: int) -> None:
    a, b = _first(links, one), _first(links, other)
    if a < b:
        links[b] = a
    else:
        links[a] = b


@compiled
def _join_rows(one: Row, other: Row, start: int, other_start: int, links: Voxels) -> None:
    """Join each run of a row, which begins at voxel ``start``, with those that it touches in another one."""
    run, other_run = -1, -1
    touched = False
    for z in range(one.size):
        if not one[z]:
            run = -1
        elif run < 0:
            run = z
        if not other[z]:
            other_run = -1
        elif other_run < 0:
            other_run = z
        touches = run >= 0 and other_run >= 0
        if touches and not touched:
            _join(links, start + run, other_start + other_run)
        touched = touches


@compiled
def _join_runs(start: int, stop: int, mask: Mask, links: Voxels) -> None:
    """Runs along Z, joined within each block of planes."""
    nx, ny, nz = mask.shape
    for block in range(start, stop):
        for x in range(block * _PLANES, min(nx, (block + 1) * _PLANES)):
            for y in range(ny):
                row, first = mask[x, y], (x * ny + y) * nz
                inside = False
                for z in range(nz):
                    if row[z] and not inside:
                        links[first + z] = first + z
                    inside = row[z]
                if y > 0:
                    _join_rows(row, mask[x, y - 1], first, first - nz, links)
                if x > block * _PLANES:
                    _join_rows(row, mask[x - 1, y], first, first - ny * nz, links)


@compiled
def _join_blocks(mask: Mask, links: Voxels, numbers: Voxels) -> Counts:
    """Join the blocks, link each run with its part's first voxel, number the parts and count their voxels."""
    nx, ny, nz = mask.shape
    for x in range(_PLANES, nx, _PLANES):
        for y in range(ny):
            first = (x * ny + y) * nz
            _join_rows(mask[x, y], mask[x - 1, y], first, first - ny * nz, links)
    sizes, count = np.zeros(64, np.int64), 0
    for x in range(nx):
        for y in range(ny):
            row, first = mask[x, y], (x * ny + y) * nz
            part, run = -1, 0
            for z in range(nz):
                if row[z]:
                    if part < 0:
                        root = _first(links, first + z)
                        links[first + z] = root
                        if root == first + z:
                            if count == sizes.size:
                                sizes = np.concatenate((sizes, np.zeros_like(sizes)))
                            numbers[root] = count
                            count += 1
                        part, run = numbers[root], z
                elif part >= 0:
                    sizes[part] += z - run
                    part = -1
            if part >= 0:
                sizes[part] += nz - run
    return sizes[:count].copy()


@compiled
def _keep(
    start: int, stop: int, mask: Mask, links: Voxels, numbers: Voxels, keep: npt.NDArray[np.bool_], out: Mask
) -> None:
    _, ny, nz = mask.shape
    for x in range(start, stop):
        for y in range(ny):
            row, into, first = mask[x, y], out[x, y], (x * ny + y) * nz
            inside, kept = False, False
            for z in range(nz):
                if row[z]:
                    if not inside:
                        kept = keep[numbers[links[first + z]]]
                    into[z] = kept
                inside = row[z]


@compiled
def _mark_ends(
    mask: Mask, links: Voxels, numbers: Voxels, axes: Counts, found: npt.NDArray[np.bool_]
) -> None:
    nx, ny, nz = mask.shape
    for axis in axes:
        lengths = (1 if axis == 0 else nx, 1 if axis == 1 else ny, 1 if axis == 2 else nz)
        for end in range(2):
            for i in range(lengths[0]):
                for j in range(lengths[1]):
                    for k in range(lengths[2]):
                        x = end * (nx - 1) if axis == 0 else i
                        y = end * (ny - 1) if axis == 1 else j
                        z = end * (nz - 1) if axis == 2 else k
                        if mask[x, y, z]:
                            while z > 0 and mask[x, y, z - 1]:
                                z -= 1
                            found[numbers[links[(x * ny + y) * nz + z]]] = True
