"""Veins and arteries of the simulated head, as tapered tubes along random but plausible courses."""

from __future__ import annotations

import math

import numpy as np

from qsmnode.phantom.anatomy import Build, HeadShape
from qsmnode.phantom.structures import Point, Structure, tube
from qsmnode.phantom.tissues import ARTERY, VEIN


def _on_brain(build: Build, azimuth: float, elevation: float, depth: float) -> Point:
    """A point ``depth`` mm under the upper brain surface (angles in rad, azimuth 0 = left, 90 deg = back)."""
    flat = math.cos(elevation)
    return (
        (build.brain_x - depth) * flat * math.cos(azimuth),
        (build.brain_y - depth) * flat * math.sin(azimuth),
        8.0 + (build.brain_z - depth) * math.sin(elevation),
    )


def _sinuses(build: Build) -> list[Structure]:
    """Superior sagittal, straight and transverse sinus."""
    arc = np.linspace(math.radians(20), math.radians(188), 16)
    radii = np.linspace(1.6, 3.4, 16)
    y = -(build.brain_y + radii + 0.8) * np.cos(arc)
    z = 8.0 + (build.brain_z + radii + 0.8) * np.sin(arc)
    top = [(0.0, float(a), float(b)) for a, b in zip(y, z, strict=True)]
    found = tube(VEIN, top, radii.tolist(), 0.24)
    confluence = (0.0, build.brain_y - 8.0, -14.0)
    found += tube(VEIN, [(0.0, 26.0, 2.0), (0.0, 50.0, -6.0), confluence], [2.0, 2.0, 2.2], 0.28)
    for side in (1.0, -1.0):
        way = [confluence, (side * 32.0, 64.0, -18.0), (side * 54.0, 34.0, -26.0), (side * 48.0, 16.0, -46.0)]
        found += tube(VEIN, way, [3.0, 3.2, 3.2, 3.6], 0.26)
    return found


def _deep(rng: np.random.Generator) -> list[Structure]:
    """Internal cerebral veins, septal and thalamostriate veins, and fine medullary veins."""
    found: list[Structure] = []
    for side in (1.0, -1.0):
        chi = rng.uniform(0.19, 0.30)
        inner = [(side * 2.0, -20.0, 5.5), (side * 1.8, 0.0, 7.0), (side * 1.5, 16.0, 6.0), (0.0, 26.0, 2.0)]
        found += tube(VEIN, inner, [0.9, 1.0, 1.2, 1.6], chi)
        stria = [(side * 2.0, -20.0, 5.5), (side * 10.0, -12.0, 10.0), (side * 15.0, 4.0, 12.5)]
        found += tube(VEIN, stria, [0.9, 0.8, 0.6], chi)
        basal = [
            (side * 16.0, -18.0, -24.0),
            (side * 19.0, 4.0, -20.0),
            (side * 8.0, 22.0, -6.0),
            (0.0, 26.0, 2.0),
        ]
        found += tube(VEIN, basal, [0.8, 1.0, 1.1, 1.4], chi)
        for _ in range(9):
            start = np.array([side * rng.uniform(11, 20), rng.uniform(-40, 25), rng.uniform(14, 19)])
            along = np.array([side * rng.uniform(0.5, 1.0), rng.normal(0, 0.3), rng.uniform(0.3, 1.0)])
            along *= rng.uniform(14, 24) / np.linalg.norm(along)
            bend = rng.normal(0, 1.2, 3)
            points = [tuple(p.tolist()) for p in (start, start + 0.5 * along + bend, start + along)]
            found += tube(VEIN, points, [0.75, 0.6, 0.5], rng.uniform(0.19, 0.30))
    return found


def _cortical(build: Build, rng: np.random.Generator) -> list[Structure]:
    """Veins that run from the top of the brain down its sides, just under the surface."""
    found: list[Structure] = []
    for side in (0.0, math.pi):
        for start in np.linspace(-65, 65, 8):
            azimuth = side + math.radians(start) * (1 if side == 0.0 else -1) + rng.normal(0, 0.08)
            drift = rng.normal(0, 0.12)
            steps = np.linspace(math.radians(72), math.radians(rng.uniform(12, 35)), 7)
            depths = 2.0 + np.abs(rng.normal(0, 1.2, 7))
            points = [
                _on_brain(build, azimuth + drift * n, float(e), float(d))
                for n, (e, d) in enumerate(zip(steps, depths, strict=True))
            ]
            radii = np.linspace(rng.uniform(1.0, 1.5), 0.6, 7).tolist()
            found += tube(VEIN, points, radii, rng.uniform(0.19, 0.30))
    return found


def _arteries() -> list[Structure]:
    """Basilar, carotid and middle cerebral arteries: fast flow leaves hardly any signal."""
    found = tube(ARTERY, [(0.0, -14.0, -26.0), (0.5, -13.5, -40.0), (0.0, -2.0, -58.0)], [1.6, 1.7, 1.7])
    for side in (1.0, -1.0):
        carotid = [(side * 24.0, -6.0, -130.0), (side * 22.0, -4.0, -70.0), (side * 14.0, -16.0, -48.0)]
        found += tube(ARTERY, [*carotid, (side * 11.0, -24.0, -27.0)], [3.0, 2.6, 2.4, 2.2])
        middle = [(side * 11.0, -24.0, -24.0), (side * 24.0, -24.0, -22.0), (side * 40.0, -20.0, -12.0)]
        found += tube(ARTERY, middle, [1.5, 1.3, 1.1])
    return found


def vessels_of(head: HeadShape, build: Build) -> list[Structure]:
    """All veins and arteries of this head, in drawing order."""
    rng = head.generator("vessels")
    return _deep(rng) + _cortical(build, rng) + _sinuses(build) + _arteries()
