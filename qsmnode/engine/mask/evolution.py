"""A surface that grows until it meets the brain's edge, held smooth (10.1002/hbm.10062)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled
from qsmnode.engine.mask.surface import Indices, Mesh, Points
from qsmnode.engine.types import Float

# radii of curvature in mm between which smoothing sets in, and how deep the image is looked at, in mm
TIGHT_MM, WIDE_MM = 3.33, 10.0
DARKEST_MM, BRIGHTEST_MM = 20.0, 10.0
GROWTH = 0.05  # part of the points' distance that one step moves at most because of the image

_CHECK_EVERY = 20
_FIRM_UNTIL = 0.75  # of the steps, then the boost fades out


@dataclass(frozen=True)
class Levels:
    """Robust brightness of an image: darkest, threshold to background, brightest, median of the inside."""

    dark: float
    background: float
    bright: float
    median: float


@dataclass(frozen=True)
class Scene:
    """What the surface sees.

    Attributes:
        image: (X, Y, Z); beyond its ends it goes on as at the end.
        edge_mm: voxel edge lengths; the first voxel's centre is at 0.
        levels: its brightness.
        fraction: where between dark and bright tissue the edge is looked for, 0..1.
    """

    image: Float
    edge_mm: tuple[float, ...]
    levels: Levels
    fraction: float


def grown(
    points: Points, mesh: Mesh, scene: Scene, steps: int, tolerance_mm: float, boost: float = 1.0
) -> tuple[Points, int]:
    """The surface after it has come to rest.

    Args:
        points: (N, 3), mm, inside the brain.
        mesh: how they are joined.
        scene: the image.
        steps: most steps.
        tolerance_mm: mean way of a point in 20 steps below which it rests.
        boost: factor on the smoothing of concave places for the first three quarters of the steps.

    Returns:
        The points and the steps taken.
    """
    edges = np.asarray(scene.edge_mm, dtype=np.float64)
    # a surface may leave the image by one voxel: there the field of view cuts the head
    ends = (np.asarray(scene.image.shape) - 1) * edges + edges
    levels = np.array([scene.levels.dark, scene.levels.background, scene.levels.median])
    here, there = points.copy(), np.empty_like(points)
    normals = np.empty_like(points)
    checked = here.copy()
    for step in range(steps):
        firm = boost ** float(np.clip((1 - step / steps) / (1 - _FIRM_UNTIL), 0, 1))
        _normals(here, mesh.triangles, normals)
        _move(
            here,
            normals,
            mesh.neighbours,
            mesh.counts,
            scene.image,
            edges,
            levels,
            scene.fraction,
            firm,
            there,
        )
        np.clip(there, -edges, ends, out=there)
        here, there = there, here
        if step % _CHECK_EVERY == _CHECK_EVERY - 1:
            way = float(np.linalg.norm(here - checked, axis=1).mean())
            if way < tolerance_mm and firm == 1.0:
                return here, step + 1
            checked = here.copy()
    return here, steps


def robust_levels(
    image: Float, centre_mm: Sequence[float] | Points, radius_mm: float, edge_mm: Sequence[float]
) -> Levels:
    """Levels of an image, the median from within a sphere.

    Args:
        image: (X, Y, Z), >= 0, some of it above 0.
        centre_mm, radius_mm: the sphere; the first voxel's centre is at 0.
        edge_mm: voxel edge lengths.
    """
    dark, bright = (float(level) for level in np.percentile(image, (2, 98)))
    axes = [(np.arange(n) * e - c) ** 2 for n, e, c in zip(image.shape, edge_mm, centre_mm, strict=True)]
    x, y, z = np.ix_(*axes)
    near = image[(x + y + z < radius_mm**2) & (image > dark) & (image < bright)]
    median = float(np.median(near)) if near.size else (dark + bright) / 2
    return Levels(dark, dark + 0.1 * (bright - dark), bright, median)


@compiled
def _normals(points: Points, triangles: Indices, normals: Points) -> None:
    """Outward unit normals: the sum over the triangles around, by their area."""
    normals[:] = 0.0
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t]
        ux, uy, uz = points[b] - points[a]
        vx, vy, vz = points[c] - points[a]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            normals[corner, 0] += nx
            normals[corner, 1] += ny
            normals[corner, 2] += nz
    for n in range(points.shape[0]):
        length = np.sqrt((normals[n] ** 2).sum())
        if length > 0:
            normals[n] /= length


@compiled
def _move(
    points: Points,
    normals: Points,
    neighbours: Indices,
    counts: Indices,
    image: Float,
    edges: Points,
    levels: npt.NDArray[np.float64],
    fraction: float,
    firm: float,
    moved: Points,
) -> None:
    """One step of every point: even spacing, smoothness by curvature, and the image."""
    spacing = _spacing(points, neighbours, counts)
    middle = (1 / TIGHT_MM + 1 / WIDE_MM) / 2
    slope = 6 / (1 / TIGHT_MM - 1 / WIDE_MM)
    for n in range(points.shape[0]):
        px, py, pz = 0.0, 0.0, 0.0
        for k in range(counts[n]):
            other = neighbours[n, k]
            px += points[other, 0]
            py += points[other, 1]
            pz += points[other, 2]
        px, py, pz = (
            px / counts[n] - points[n, 0],
            py / counts[n] - points[n, 1],
            pz / counts[n] - points[n, 2],
        )
        nx, ny, nz = normals[n, 0], normals[n, 1], normals[n, 2]
        out = px * nx + py * ny + pz * nz
        # one over the radius of the sphere through the neighbours
        curvature = 2 * abs(out) / (spacing * spacing)
        smooth = (1 + np.tanh(slope * (curvature - middle))) / 2
        if out > 0:
            smooth = min(1.0, smooth * firm)
        push = GROWTH * spacing * _contrast(points[n], normals[n], image, edges, levels, fraction)
        along = smooth * out + push
        moved[n, 0] = points[n, 0] + 0.5 * (px - out * nx) + along * nx
        moved[n, 1] = points[n, 1] + 0.5 * (py - out * ny) + along * ny
        moved[n, 2] = points[n, 2] + 0.5 * (pz - out * nz) + along * nz


@compiled
def _spacing(points: Points, neighbours: Indices, counts: Indices) -> float:
    """Mean distance between neighbours."""
    total, pairs = 0.0, 0
    for n in range(points.shape[0]):
        for k in range(counts[n]):
            other = neighbours[n, k]
            x = points[other, 0] - points[n, 0]
            y = points[other, 1] - points[n, 1]
            z = points[other, 2] - points[n, 2]
            total += np.sqrt(x * x + y * y + z * z)
            pairs += 1
    return total / pairs


@compiled
def _contrast(
    point: Points,
    normal: Points,
    image: Float,
    edges: Points,
    levels: npt.NDArray[np.float64],
    fraction: float,
) -> float:
    """-1 .. 1: whether the darkest place below a point is darker or brighter than the local threshold."""
    dark, background, median = levels[0], levels[1], levels[2]
    lowest, highest = median, background
    step = min(edges[0], edges[1], edges[2])
    for k in range(int(DARKEST_MM / step) + 1):
        depth = k * step
        x = int(np.rint((point[0] - depth * normal[0]) / edges[0]))
        y = int(np.rint((point[1] - depth * normal[1]) / edges[1]))
        z = int(np.rint((point[2] - depth * normal[2]) / edges[2]))
        x = min(max(x, 0), image.shape[0] - 1)
        y = min(max(y, 0), image.shape[1] - 1)
        z = min(max(z, 0), image.shape[2] - 1)
        value = float(image[x, y, z])
        lowest = min(lowest, value)
        if depth <= BRIGHTEST_MM:
            highest = max(highest, value)
    lowest, highest = max(dark, lowest), min(median, highest)
    if not highest > dark:
        return -1.0
    threshold = dark + fraction * (highest - dark)
    contrast: float = 2 * (lowest - threshold) / (highest - dark)
    return max(-1.0, min(1.0, contrast))
