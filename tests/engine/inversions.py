"""Support code: one way to call an inversion on the balls, and what to look at in its map."""

from __future__ import annotations

from typing import Any

import numpy as np

from qsmnode.engine import registry
from qsmnode.engine.fourier import set_threads, threads
from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.types import Grid
from tests.engine.balls import BALLS, Scene, distance, scene

# voxel edges in mm and B0
PLACES = {
    "axial": ((1.5, 1.5, 1.5), (0.0, 0.0, 1.0)),
    "oblique": ((1.2, 1.5, 1.8), (0.3, -0.4, 0.866)),
}


def invert(
    name: str,
    where: Scene,
    field: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    *,
    measured: Measured = NOTHING,
    progress: Any = None,
    **given: Any,
) -> tuple[np.ndarray, dict[str, float]]:
    """Map and numbers of the method ``name``; ``given`` are its parameters."""
    chosen = registry.get("inversion", name)
    made = registry.make_parameters(chosen, given)
    values = where.field if field is None else field
    result: tuple[np.ndarray, dict[str, float]] = chosen.function(
        values, where.mask, where.grid, weight, made, measured=measured, progress=progress
    )
    return result


def ball_values(where: Scene, chi: np.ndarray) -> list[float]:
    """Mean of each ball without its rim over what it should be, both relative to the surroundings."""
    around = chi[where.mask & (where.chi == 0)].mean()
    shares = []
    for centre, radius, value in BALLS:
        core = distance(where.grid, centre) < radius - 1.5
        shares.append(float(chi[core].mean() - around) / value)
    return shares


def some_voxels(where: Scene, share: float) -> np.ndarray:
    """A random ``share`` of the mask."""
    found: np.ndarray = where.mask & (np.random.default_rng(6).random(where.grid.shape) < share)
    return found


def broken(where: Scene, share: float = 0.003, ppm: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """The field with ``share`` of its voxels at ``ppm``, and weights that are 0 there, else 1."""
    bad = some_voxels(where, share)
    field = np.where(bad, np.float32(ppm), where.field).astype(np.float32)
    return field, np.where(bad, np.float32(0), np.float32(1)).astype(np.float32)


def results_on_threads(name: str, **given: Any) -> set[tuple[bytes, tuple[Any, ...]]]:
    """What comes out on one and on two threads, and on one again; one element where all agree."""
    small = scene((2.5, 2.5, 2.5), (0.0, 0.6, 0.8))
    weight = np.random.default_rng(7).random(small.grid.shape).astype(np.float32)
    before = threads()
    results = set()
    try:
        for count in (1, 2, 1):
            set_threads(count)
            chi, numbers = invert(name, small, weight=weight, **given)
            results.add((chi.tobytes(), tuple(sorted(numbers.items()))))
    finally:
        set_threads(before)
    return results


ODD_SHAPES = ((1, 1, 1), (3, 3, 3), (5, 1, 7), (9, 11, 13))
ODD_KINDS = ("noise", "zero field", "zero weight", "empty mask", "huge field")


def odd_input(shape: tuple[int, int, int], kind: str) -> tuple[Scene, np.ndarray]:
    """Noise on a tiny grid, and its weight; ``kind`` says what is empty or huge."""
    grid = Grid(shape, (1.0, 1.2, 3.0), (0, 0.6, 0.8))
    field = np.random.default_rng(8).normal(size=shape).astype(np.float32)
    field *= np.float32({"zero field": 0, "huge field": 1e6}.get(kind, 1))
    mask = np.full(shape, kind != "empty mask")
    weight = np.full(shape, kind != "zero weight", np.float32)
    return Scene(grid, mask, field.astype(np.float64), field), weight


def survives(name: str, shape: tuple[int, int, int], kind: str, **given: Any) -> None:
    """Assert that what comes out of odd input is a map of finite numbers."""
    tiny, weight = odd_input(shape, kind)
    chi, numbers = invert(name, tiny, weight=weight, **given)
    assert chi.shape == shape
    assert np.isfinite(chi).all()
    assert np.isfinite(list(numbers.values())).all()
