"""What lies within some millimetres of a mask, axis by axis on all threads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Mask

Squares = npt.NDArray[np.float64]


def within(mask: Mask, radius_mm: float, voxel_mm: Sequence[float]) -> Mask:
    """Voxels whose centre is at most ``radius_mm`` away from that of a voxel of the mask.

    The squared distance is found along Z, then its least sum with the way along Y, then with that along X;
    ways longer than the radius are not looked at, which makes it quick for a few voxels.

    Args:
        mask: (X, Y, Z).
        radius_mm: 0 or more.
        voxel_mm: voxel edge lengths in mm.
    """
    ex, ey, ez = (float(v) for v in voxel_mm)
    given = np.ascontiguousarray(mask)
    near: Mask = np.zeros(mask.shape, np.bool_)
    square: Squares = np.empty(mask.shape, np.float64)
    in_slabs(_along_z_and_y, mask.shape[0], given, radius_mm, ey, ez, square)
    in_slabs(_along_x, mask.shape[0], square, radius_mm, ex, near)
    return near


@compiled
def _along_z_and_y(
    start: int, stop: int, mask: Mask, radius: float, edge_y: float, edge_z: float, square: Squares
) -> None:
    """Squared distance to the mask in the plane of each X; infinite beyond the radius."""
    _, ny, nz = mask.shape
    reach = min(ny, int(radius / edge_y) + 1)
    rows = np.empty((ny, nz), np.float64)
    filled = np.empty(ny, np.bool_)
    for x in range(start, stop):
        for y in range(ny):
            filled[y] = _along_row(mask[x, y], edge_z, radius, rows[y])
        for y in range(ny):
            out = square[x, y]
            out[:] = np.inf
            for other in range(max(0, y - reach), min(ny, y + reach + 1)):
                if filled[other]:
                    way = ((other - y) * edge_y) ** 2
                    row = rows[other]
                    for z in range(nz):
                        out[z] = min(out[z], row[z] + way)


@compiled
def _along_row(mask: npt.NDArray[np.bool_], edge: float, radius: float, out: Squares) -> bool:
    """Squared distance to the mask along one row, and whether there is any mask in it."""
    length = mask.size
    last = -length
    for z in range(length):
        if mask[z]:
            last = z
        out[z] = (z - last) * edge
    found = last >= 0
    last = 2 * length
    for z in range(length - 1, -1, -1):
        if mask[z]:
            last = z
        way = min(out[z], (last - z) * edge)
        out[z] = way * way if way <= radius else np.inf
    return found


@compiled
def _along_x(start: int, stop: int, square: Squares, radius: float, edge: float, near: Mask) -> None:
    nx, ny, nz = square.shape
    reach = min(nx, int(radius / edge) + 1)
    least = np.empty(nz, np.float64)
    for x in range(start, stop):
        for y in range(ny):
            least[:] = np.inf
            for other in range(max(0, x - reach), min(nx, x + reach + 1)):
                way = ((other - x) * edge) ** 2
                row = square[other, y]
                for z in range(nz):
                    least[z] = min(least[z], row[z] + way)
            for z in range(nz):
                near[x, y, z] = np.sqrt(least[z]) <= radius
