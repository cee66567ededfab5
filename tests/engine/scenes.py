"""Support code: scenes with known local and background fields, and one way to call a background method."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from qsmnode.engine import registry
from qsmnode.engine.dipole import forward_field
from qsmnode.engine.fourier import set_threads, threads
from qsmnode.engine.types import Grid
from qsmnode.phantom.head import HeadShape, SimulatedHead, simulate
from qsmnode.phantom.protocol import quick_protocol
from tests.engine.balls import distance

AXIAL = ((1.0, 1.0, 1.0), (0.0, 0.0, 1.0))
OBLIQUE = ((0.9, 1.1, 1.5), (0.3, -0.4, 0.866))


@dataclass(frozen=True)
class Scene:
    """A ball of a mask, a source in it and strong sources around it."""

    grid: Grid
    mask: np.ndarray
    core: np.ndarray
    local: np.ndarray
    background: np.ndarray


def ball_scene(voxel_mm: tuple[float, float, float], direction: tuple[float, float, float]) -> Scene:
    """A mask of 20 mm radius with its core of 13 mm, in a box of about 66 mm."""
    shape = tuple(round(66 / v) for v in voxel_mm)
    grid = Grid((shape[0], shape[1], shape[2]), voxel_mm, direction)
    depth = distance(grid, (0, 0, 0))
    inner = 0.1 * (distance(grid, (4, -3, 2)) < 5) - 0.05 * (distance(grid, (-6, 3, -4)) < 4)
    # next to the mask, without sharp edges: those ring through the whole array
    outer = 2.0 * (distance(grid, (0, 28, 0)) < 4) - 3.0 * (distance(grid, (22, -10, -14)) < 4)
    outer = ndimage.gaussian_filter(outer, [1.2 / v for v in voxel_mm], truncate=2.5)
    return Scene(
        grid,
        depth < 20,
        depth < 13,
        forward_field(inner, grid),
        forward_field(outer, grid),
    )


@functools.cache
def head(seed: int, voxel_mm: float = 3.0) -> SimulatedHead:
    """A simulated head, made once for all tests of this process: leave its arrays as they are."""
    return simulate(HeadShape(seed=seed), quick_protocol(voxel_mm))


def remove(
    name: str, field: np.ndarray, mask: np.ndarray, grid: Grid, weight: Any = None, **given: Any
) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """What the background method ``name`` gives, its numbers checked to be finite."""
    chosen = registry.get("background", name)
    made = registry.make_parameters(chosen, given)
    local, inner, numbers = chosen.function(
        np.where(mask, field, 0).astype(np.float32), mask, grid, weight, made
    )
    assert np.isfinite(list(numbers.values())).all()
    return local, inner, numbers


def spread(values: np.ndarray, where: np.ndarray) -> float:
    """Standard deviation inside."""
    return float(values[where].std(dtype=np.float64))


def on_threads(call: Any, counts: tuple[int, ...] = (1, 2)) -> set[bytes]:
    """The bytes of the arrays that ``call()`` gives on each number of threads."""
    before = threads()
    results = set()
    try:
        for count in counts:
            set_threads(count)
            results.add(b"".join(array.tobytes() for array in call()))
    finally:
        set_threads(before)
    return results
