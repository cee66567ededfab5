"""Balls of known susceptibility in a ball of a mask, for tests of inversions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.dipole import forward_field
from qsmnode.engine.types import Float, Grid, Mask

Centre = tuple[float, float, float]
SIZE_MM = 44.0
MASK_MM = 18.0
BALLS = (((6.0, -4.0, 2.0), 5.0, 0.2), ((-8.0, 5.0, -3.0), 4.0, 0.1), ((0.0, 9.0, 8.0), 4.0, -0.1))


@dataclass(frozen=True)
class Scene:
    """What is true, and the field that it makes with a little noise."""

    grid: Grid
    mask: Mask
    chi: npt.NDArray[np.float64]
    field: Float

    def error(self, chi: npt.NDArray[np.floating]) -> float:
        """Norm of the error in the mask relative to the truth, both without their means."""
        found, truth = (values[self.mask] - values[self.mask].mean() for values in (chi, self.chi))
        return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


def distance(grid: Grid, centre_mm: Centre, parts: int = 1) -> npt.NDArray[np.float64]:
    """Distance in mm of every voxel's centre (or of its ``parts`` per axis) from a point."""
    axes = [
        (np.arange(n * parts) - (n * parts - 1) / 2) * v / parts
        for n, v in zip(grid.shape, grid.voxel_mm, strict=True)
    ]
    position = np.meshgrid(*axes, indexing="ij")
    return np.sqrt(sum((p - c) ** 2 for p, c in zip(position, centre_mm, strict=True)))


def ball(grid: Grid, centre_mm: Centre, radius_mm: float) -> npt.NDArray[np.float64]:
    """Share of every voxel that lies in a ball."""
    x, y, z = grid.shape
    fine = distance(grid, centre_mm, 2) < radius_mm
    return fine.reshape(x, 2, y, 2, z, 2).mean(axis=(1, 3, 5))


def dipole_outside(grid: Grid, place_mm: Centre, largest_ppm: float) -> npt.NDArray[np.float64]:
    """Field of a dipole along Z outside the mask, whose largest value in it is about ``largest_ppm``."""
    along = (np.arange(grid.shape[2]) - (grid.shape[2] - 1) / 2) * grid.voxel_mm[2] - place_mm[2]
    far = np.maximum(distance(grid, place_mm), 1.0)
    nearest = float(np.linalg.norm(place_mm)) - MASK_MM
    return largest_ppm * (nearest / far) ** 3 * (3 * (along / far) ** 2 - 1)


def scene(
    voxel_mm: Centre = (1.0, 1.0, 1.0),
    direction: Centre = (0.0, 0.0, 1.0),
    *,
    noise_ppm: float = 0.001,
    further: npt.NDArray[np.float64] | float = 0.0,
) -> Scene:
    """The balls, and ``further`` susceptibility, in a ball of a mask."""
    counts = [round(SIZE_MM / v) for v in voxel_mm]
    grid = Grid((counts[0], counts[1], counts[2]), voxel_mm, direction)
    chi = sum(value * ball(grid, centre, radius) for centre, radius, value in BALLS) + further
    noise = np.random.default_rng(5).normal(0, noise_ppm, grid.shape)
    mask = distance(grid, (0, 0, 0)) < MASK_MM
    return Scene(grid, mask, chi, np.where(mask, forward_field(chi, grid) + noise, 0).astype(np.float32))
