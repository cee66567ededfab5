"""Closed surfaces of triangles: a sphere to start from, its neighbours, crossings, and what it encloses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Mask

Points = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

# moves the columns off the corners of the mesh, where a crossing would count twice or not at all
_OFFSET = (0.00031415, 0.00027182)

# triangles within reach of each, on average: 10 to 20 in an even surface
CRUMPLED = 500


@dataclass(frozen=True)
class Mesh:
    """How points are joined.

    Attributes:
        triangles: (T, 3), indices of points, counter-clockwise seen from outside.
        neighbours: (N, 6), indices of the points next to each; the last is repeated where there are 5.
        counts: (N,), 5 or 6.
    """

    triangles: Indices
    neighbours: Indices
    counts: Indices


@cache
def sphere(divisions: int) -> tuple[Points, Mesh]:
    """An icosahedron whose triangles are cut in four ``divisions`` times, on the unit sphere.

    Returns:
        (10 * 4^divisions + 2, 3) points and how they are joined.
    """
    points, triangles = _icosahedron()
    for _ in range(divisions):
        points, triangles = _divided(points, triangles)
    points.flags.writeable = False
    return points, Mesh(triangles, *_neighbours(triangles, len(points)))


def _icosahedron() -> tuple[Points, Indices]:
    golden = (1 + 5**0.5) / 2
    signs = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    corners = [np.roll((0, a, b * golden), shift) for shift in range(3) for a, b in signs]
    points = np.array(corners) / np.hypot(1, golden)
    edge = 1.01 * 2 / np.hypot(1, golden)
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    joined = (apart > 0) & (apart < edge)
    found = []
    for a in range(12):
        for b in range(a + 1, 12):
            for c in range(b + 1, 12):
                if joined[a, b] and joined[b, c] and joined[a, c]:
                    outward = np.dot(np.cross(points[b] - points[a], points[c] - points[a]), points[a]) > 0
                    found.append((a, b, c) if outward else (a, c, b))
    return points, np.array(found, dtype=np.int64)


def _divided(points: Points, triangles: Indices) -> tuple[Points, Indices]:
    """Every edge gets a point in its middle, pushed out to the sphere."""
    edges = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    unique, index = np.unique(edges, axis=0, return_inverse=True)
    middle = points[unique].mean(axis=1)
    middle /= np.linalg.norm(middle, axis=1, keepdims=True)
    ab, bc, ca = (index.reshape(-1, 3) + len(points)).T
    a, b, c = triangles.T
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.concatenate([points, middle]), np.concatenate([np.stack(part, axis=1) for part in parts])


def _neighbours(triangles: Indices, count: int) -> tuple[Indices, Indices]:
    around: list[set[int]] = [set() for _ in range(count)]
    for corners in triangles.tolist():
        for corner in corners:
            around[corner].update(other for other in corners if other != corner)
    ordered = [sorted(found) for found in around]
    neighbours = np.array([found + found[-1:] * (6 - len(found)) for found in ordered], dtype=np.int64)
    return neighbours, np.array([len(found) for found in ordered], dtype=np.int64)


def crosses_itself(points: Points, mesh: Mesh) -> bool:
    """Whether two triangles without a common corner cut through each other, or all lie on one heap."""
    corners = points[mesh.triangles]
    centres = corners.mean(axis=1)
    reach = np.linalg.norm(corners - centres[:, None], axis=-1).max(axis=1)
    tree = cKDTree(centres)
    span = 2 * float(reach.max())
    if tree.count_neighbors(tree, span) > CRUMPLED * len(centres):
        return True
    pairs = tree.query_pairs(span, output_type="ndarray")
    near = np.linalg.norm(centres[pairs[:, 0]] - centres[pairs[:, 1]], axis=1) <= reach[pairs].sum(axis=1)
    pairs = pairs[near]
    shared = (mesh.triangles[pairs[:, 0], :, None] == mesh.triangles[pairs[:, 1], None, :]).any(axis=(1, 2))
    first, second = corners[pairs[~shared, 0]], corners[pairs[~shared, 1]]
    return _any_edge_through(first, second) or _any_edge_through(second, first)


def _any_edge_through(edged: Points, faced: Points) -> bool:
    """Whether an edge of (P, 3, 3) ``edged`` passes through the inside of the same row's ``faced``."""
    origin, u, v = faced[:, 0], faced[:, 1] - faced[:, 0], faced[:, 2] - faced[:, 0]
    for corner in range(3):
        start = edged[:, corner]
        along = edged[:, (corner + 1) % 3] - start
        across = np.cross(along, v)
        scale = (u * across).sum(axis=1)
        usable = np.abs(scale) > 1e-12
        inverse = 1 / np.where(usable, scale, 1)
        offset = start - origin
        a = (offset * across).sum(axis=1) * inverse
        turned = np.cross(offset, u)
        b = (along * turned).sum(axis=1) * inverse
        t = (v * turned).sum(axis=1) * inverse
        if (usable & (a > 0) & (b > 0) & (a + b < 1) & (t > 0) & (t < 1)).any():
            return True
    return False


def enclosed(points: Points, mesh: Mesh, shape: Sequence[int], voxel_mm: Sequence[float]) -> Mask:
    """Voxels whose centre lies inside the surface.

    Args:
        points: (N, 3), mm; the first voxel's centre is at 0.
        mesh: how they are joined.
        shape, voxel_mm: the grid.

    Returns:
        (X, Y, Z): those reached by an odd number of crossings along z.
    """
    corners = points[mesh.triangles] / np.asarray(voxel_mm, dtype=np.float64)
    corners[..., 0] += _OFFSET[0]
    corners[..., 1] += _OFFSET[1]
    crossings = np.zeros((shape[0], shape[1], shape[2] + 1), dtype=np.uint8)
    in_slabs(_count_crossings, shape[0], corners, crossings)
    inside: Mask = (np.cumsum(crossings[..., :-1], axis=2, dtype=np.uint32) % 2).astype(np.bool_)
    return inside


@compiled
def _count_crossings(start: int, stop: int, corners: Points, crossings: npt.NDArray[np.uint8]) -> None:
    """Each triangle adds one at the first voxel above it, in every column that it covers."""
    ny, nz = crossings.shape[1], crossings.shape[2] - 1
    for t in range(corners.shape[0]):
        ax, ay, az = corners[t, 0]
        bx, by, bz = corners[t, 1]
        cx, cy, cz = corners[t, 2]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area == 0:
            continue
        low, high = max(start, int(np.ceil(min(ax, bx, cx)))), min(stop - 1, int(np.floor(max(ax, bx, cx))))
        for x in range(low, high + 1):
            for y in range(
                max(0, int(np.ceil(min(ay, by, cy)))), min(ny - 1, int(np.floor(max(ay, by, cy)))) + 1
            ):
                u = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
                v = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
                if u >= 0 and v >= 0 and u + v <= 1:
                    height = az + u * (bz - az) + v * (cz - az)
                    crossings[x, y, min(nz, max(0, int(np.ceil(height))))] += 1
