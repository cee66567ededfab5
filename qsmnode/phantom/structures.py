"""Small structures drawn into the anatomy: nuclei, ventricles, vessels and lesions.

Each one is an ellipsoid or a tapered capsule in canonical head coordinates with its own susceptibility, so
that painting visits only the voxels around it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled
from qsmnode.engine.types import Float
from qsmnode.phantom.anatomy import Build, HeadShape, Labels, warped
from qsmnode.phantom.shapes import capsule, coverage, ellipsoid
from qsmnode.phantom.tissues import CALCIFICATION, HAEMORRHAGE, RIM_LESION, VENTRICLE, nucleus_label

ELLIPSOID, CAPSULE = 0, 1
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Structure:
    """One solid: ``numbers`` are centre, radii, turns about x and z (rad), or both ends and both radii."""

    kind: int
    label: int
    numbers: tuple[float, ...]
    chi_ppm: float | None = None

    def bounds(self) -> tuple[Point, Point]:
        """Two corners of a box around it, 5 mm wider for the warp and the blending."""
        if self.kind == ELLIPSOID:
            centre, reach = np.array(self.numbers[:3]), max(self.numbers[3:6]) + 5.0
            low, high = centre - reach, centre + reach
        else:
            ends, reach = np.array(self.numbers[:6]).reshape(2, 3), max(self.numbers[6:8]) + 5.0
            low, high = ends.min(axis=0) - reach, ends.max(axis=0) + reach
        return tuple(low.tolist()), tuple(high.tolist())


def blob(
    label: int, centre: Point, radii: Point, turn: tuple[float, float] = (0.0, 0.0), chi: float | None = None
) -> Structure:
    """An ellipsoid, turned about x and then about z (rad)."""
    return Structure(ELLIPSOID, label, (*centre, *radii, *turn), chi)


def tube(label: int, points: list[Point], radii: list[float], chi: float | None = None) -> list[Structure]:
    """Capsules along a polyline, one radius per point."""
    pieces = zip(points[:-1], points[1:], radii[:-1], radii[1:], strict=True)
    return [Structure(CAPSULE, label, (*a, *b, ra, rb), chi) for a, b, ra, rb in pieces]


# centre and radii of the left one (mm), turn about x and z (degrees)
_NUCLEI: dict[str, tuple[Point, Point, tuple[float, float]]] = {
    "thalamus": ((11.0, 1.0, 0.0), (7.5, 13.5, 8.5), (0.0, -18.0)),
    "putamen": ((25.5, -19.0, -7.0), (5.0, 15.5, 9.0), (8.0, -12.0)),
    "globus pallidus": ((18.5, -14.0, -8.0), (4.2, 9.0, 6.0), (5.0, -22.0)),
    "red nucleus": ((5.2, 2.5, -17.0), (3.3, 3.3, 4.2), (0.0, 0.0)),
    "substantia nigra": ((10.0, -0.5, -19.5), (2.6, 7.0, 4.8), (-15.0, -32.0)),
    "subthalamic nucleus": ((11.5, -5.5, -14.0), (2.3, 4.4, 2.6), (10.0, -35.0)),
    "dentate nucleus": ((15.0, 38.0, -42.0), (6.5, 8.5, 4.0), (-15.0, 20.0)),
}


def ventricles(rng: np.random.Generator) -> list[Structure]:
    """Lateral (both sides), third and fourth ventricle."""
    width = rng.uniform(0.85, 1.3)
    found: list[Structure] = []
    for side in (1.0, -1.0):
        body = [
            (6.0, -48.0, 0.0),
            (7.0, -36.0, 7.0),
            (8.0, -18.0, 13.0),
            (11.0, 4.0, 16.0),
            (19.0, 24.0, 11.0),
        ]
        horn = [(19.0, 24.0, 11.0), (27.0, 24.0, -2.0), (31.0, 6.0, -16.0), (30.0, -8.0, -20.0)]
        back = [(19.0, 24.0, 11.0), (20.0, 42.0, 4.0)]
        jitter = rng.normal(0.0, 0.8, 3)
        for line, radii in (
            (body, [2.5, 4.0, 3.8, 4.0, 5.0]),
            (horn, [5.0, 3.2, 2.4, 1.5]),
            (back, [4.6, 2.2]),
        ):
            points = [(side * (x + jitter[0]), y + jitter[1], z + jitter[2]) for x, y, z in line]
            found += tube(VENTRICLE, points, [width * r for r in radii])
    found.append(blob(VENTRICLE, (0.0, -6.0, -5.0), (1.8 * width, 13.0, 8.5)))
    found += tube(VENTRICLE, [(0.0, 9.0, -14.0), (0.0, 16.0, -28.0)], [1.0, 1.4])
    found.append(blob(VENTRICLE, (0.0, 20.5, -36.0), (6.0 * width, 4.0, 8.0)))
    return found


def nuclei(rng: np.random.Generator) -> list[Structure]:
    """Deep nuclei on both sides, each a little different."""
    found: list[Structure] = []
    for name, (centre, radii, turn) in _NUCLEI.items():
        for side_name, side in (("left", 1.0), ("right", -1.0)):
            label = nucleus_label(name, side_name)
            x, y, z = np.array(centre) + rng.normal(0.0, 0.5, 3)
            size = np.array(radii) * rng.uniform(0.93, 1.07, 3)
            angles = math.radians(turn[0]), side * math.radians(turn[1])
            found.append(blob(label, (side * x, y, z), tuple(size.tolist()), angles))
    for side_name, side in (("left", 1.0), ("right", -1.0)):
        label = nucleus_label("caudate", side_name)
        line = [
            (13.0, -36.0, 1.0),
            (13.5, -28.0, 8.0),
            (15.0, -14.0, 14.0),
            (19.0, 4.0, 16.0),
            (25.0, 18.0, 11.0),
        ]
        points = [(side * (x + rng.normal(0, 0.4)), y, z + rng.normal(0, 0.4)) for x, y, z in line]
        found += tube(label, points, [5.6, 5.2, 3.4, 2.2, 1.6])
    return found


def lesions(rng: np.random.Generator) -> list[Structure]:
    """One calcification, one haemorrhage and one small lesion at the brain's rim."""
    side = rng.choice([-1.0, 1.0])
    chalk_at = (side * rng.uniform(26, 34), rng.uniform(18, 30), rng.uniform(20, 30))
    chalk_size = tuple(rng.uniform(2.0, 4.0, 3).tolist())
    chalk = blob(CALCIFICATION, chalk_at, chalk_size, chi=-rng.uniform(1.0, 2.5))
    blood_at = (-side * rng.uniform(28, 36), rng.uniform(-42, -30), rng.uniform(12, 24))
    blood_size = tuple(rng.uniform(4.0, 7.0, 3).tolist())
    blood = blob(HAEMORRHAGE, blood_at, blood_size, (0.3, 0.5), chi=rng.uniform(0.5, 1.5))
    direction = np.array([side * 0.75, rng.uniform(0.15, 0.45), rng.uniform(0.35, 0.6)])
    direction /= np.linalg.norm(direction)
    to_surface = 1.0 / np.linalg.norm(direction / np.array([64.0, 82.0, 58.0]))
    rim_at = tuple(((to_surface - 4.0) * direction + np.array([0.0, 0.0, 8.0])).tolist())
    rim_size = tuple(rng.uniform(2.0, 3.0, 3).tolist())
    return [chalk, blood, blob(RIM_LESION, rim_at, rim_size, chi=rng.uniform(0.3, 0.6))]


@compiled
def _paint(
    kind: int,
    numbers: npt.NDArray[np.float64],
    row: Float,
    label: int,
    to_head: npt.NDArray[np.float64],
    low: npt.NDArray[np.int64],
    high: npt.NDArray[np.int64],
    edge_mm: float,
    build: Build,
    chi: Float,
    rate: Float,
    density: Float,
    labels: Labels,
) -> None:
    if kind == ELLIPSOID:
        ca, sa = math.cos(numbers[6]), math.sin(numbers[6])
        cb, sb = math.cos(numbers[7]), math.sin(numbers[7])
    for i in range(low[0], high[0]):
        for j in range(low[1], high[1]):
            for k in range(low[2], high[2]):
                x = to_head[0, 0] * i + to_head[0, 1] * j + to_head[0, 2] * k + to_head[0, 3]
                y = to_head[1, 0] * i + to_head[1, 1] * j + to_head[1, 2] * k + to_head[1, 3]
                z = to_head[2, 0] * i + to_head[2, 1] * j + to_head[2, 2] * k + to_head[2, 3]
                x, y, z = warped(build, x, y, z)
                if kind == ELLIPSOID:
                    x, y, z = x - numbers[0], y - numbers[1], z - numbers[2]
                    x, y = cb * x + sb * y, cb * y - sb * x
                    y, z = ca * y + sa * z, ca * z - sa * y
                    distance = ellipsoid(x, y, z, numbers[3], numbers[4], numbers[5])
                else:
                    distance = capsule(x, y, z, *_eight(numbers))
                amount = coverage(distance, edge_mm)
                if amount > 0.0:
                    chi[i, j, k] += amount * (row[0] - chi[i, j, k])
                    rate[i, j, k] += amount * (row[1] - rate[i, j, k])
                    density[i, j, k] += amount * (row[2] - density[i, j, k])
                    if amount > 0.5:
                        labels[i, j, k] = label


@compiled
def _eight(n: npt.NDArray[np.float64]) -> tuple[float, float, float, float, float, float, float, float]:
    return n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]


def paint(
    structure: Structure,
    to_head: npt.NDArray[np.float64],
    edge_mm: float,
    build: Build,
    table: Float,
    arrays: tuple[Float, Float, Float, Labels],
) -> None:
    """Draw one structure into susceptibility, R2*, density and labels, blended over one voxel at its edge."""
    corners = np.array(np.meshgrid(*zip(*structure.bounds(), strict=True))).reshape(3, -1)
    indices = np.linalg.solve(to_head[:, :3], corners - to_head[:, 3:])
    shape = np.array(arrays[0].shape)
    low = np.clip(np.floor(indices.min(axis=1)).astype(np.int64), 0, shape)
    high = np.clip(np.ceil(indices.max(axis=1)).astype(np.int64) + 1, 0, shape)
    if np.any(high <= low):
        return
    row = table[structure.label].copy()
    if structure.chi_ppm is not None:
        row[0] = structure.chi_ppm
    numbers = np.zeros(8)
    numbers[: len(structure.numbers)] = structure.numbers
    _paint(structure.kind, numbers, row, structure.label, to_head, low, high, edge_mm, build, *arrays)


def structures_of(head: HeadShape) -> list[Structure]:
    """Everything drawn into this head without its vessels, in drawing order."""
    found = ventricles(head.generator("ventricles")) + nuclei(head.generator("nuclei"))
    return found + (lesions(head.generator("lesions")) if head.lesions else [])
