"""The dipole field against the closed form of a sphere."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine.dipole import dipole_kernel, forward_field
from qsmnode.engine.types import Grid
from qsmnode.errors import EngineInputError

RADIUS_MM = 9.0
CHI_PPM = 0.8
DIRECTIONS = [(0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.48, -0.6, 0.64), (-0.6, 0.64, -0.48)]
GRIDS = [((48, 48, 48), (1.0, 1.0, 1.0)), ((54, 47, 27), (0.9, 1.1, 2.0))]


def _positions(grid: Grid, parts: int = 1) -> list[np.ndarray]:
    axes = [
        (np.arange(n * parts) - (n * parts - 1) / 2) * v / parts
        for n, v in zip(grid.shape, grid.voxel_mm, strict=True)
    ]
    return list(np.meshgrid(*axes, indexing="ij"))


def _sphere(grid: Grid, parts: int = 4) -> np.ndarray:
    """Share of each voxel that lies in the sphere."""
    fine = sum(p**2 for p in _positions(grid, parts)) < RADIUS_MM**2
    x, y, z = grid.shape
    return fine.reshape(x, parts, y, parts, z, parts).mean(axis=(1, 3, 5))


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(("shape", "voxel_mm"), GRIDS)
def test_a_sphere_has_its_closed_form_field(
    shape: tuple[int, int, int], voxel_mm: tuple[float, float, float], direction: tuple[float, float, float]
) -> None:
    grid = Grid(shape, voxel_mm, direction)
    field = forward_field(_sphere(grid) * CHI_PPM, grid)
    position = _positions(grid)
    distance = np.sqrt(sum(p**2 for p in position))
    along = sum(p * b for p, b in zip(position, grid.b0_direction, strict=True))
    safe = np.maximum(distance, 1e-6)
    outside = CHI_PPM / 3 * (RADIUS_MM / safe) ** 3 * (3 * (along / safe) ** 2 - 1)
    edge = 2.0 * max(voxel_mm)
    inner, outer = distance < RADIUS_MM - edge, distance > RADIUS_MM + edge
    assert np.abs(field[inner]).max() < 0.08 * CHI_PPM
    assert np.abs(field[inner]).mean() < 0.015 * CHI_PPM
    assert np.abs((field - outside)[outer]).max() < 0.06 * CHI_PPM
    assert np.abs((field - outside)[outer]).mean() < 0.004 * CHI_PPM


def test_paramagnetic_is_positive_along_the_field_and_negative_across() -> None:
    grid = Grid((33, 33, 33), (1, 1, 1), (0, 0, 1))
    chi = np.zeros(grid.shape, np.float32)
    chi[15:18, 15:18, 15:18] = 1.0
    field = forward_field(chi, grid)
    assert field[16, 16, 22] > 0 > field[22, 16, 16]
    # twice as strong along the axis as across it
    assert field[16, 16, 22] == pytest.approx(-2 * field[22, 16, 16], rel=0.1)


def test_nothing_wraps_round() -> None:
    """A source at one end of the array has the same field as in the middle of a larger array."""
    small, large = Grid((20, 20, 20), (1, 1, 1)), Grid((60, 60, 60), (1, 1, 1))
    chi = np.zeros(small.shape, np.float32)
    chi[0:3, 0:3, 0:3] = 1.0
    padded = np.zeros(large.shape, np.float32)
    padded[20:40, 20:40, 20:40] = chi
    difference = forward_field(chi, small) - forward_field(padded, large)[20:40, 20:40, 20:40]
    assert np.abs(difference).max() < 5e-3


@pytest.mark.parametrize("shape", [(8, 8, 8), (7, 9, 5), (6, 5, 8), (1, 1, 1), (1, 4, 2)])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_kernel_is_even_bounded_and_zero_at_the_origin(
    shape: tuple[int, int, int], direction: tuple[float, float, float]
) -> None:
    grid = Grid(shape, (1.0, 1.3, 2.0), direction)
    kernel = dipole_kernel(shape, grid.voxel_mm, grid.b0_direction)
    assert kernel.shape == (*shape[:2], shape[2] // 2 + 1)
    assert kernel.dtype == np.float32
    assert kernel[0, 0, 0] == 0
    assert kernel.min() >= -2 / 3 - 1e-6
    assert kernel.max() <= 1 / 3 + 1e-6
    planes = [0, shape[2] // 2] if shape[2] % 2 == 0 else [0]
    for plane in planes:
        mirrored = np.roll(np.flip(kernel[:, :, plane]), 1, axis=(0, 1))
        np.testing.assert_allclose(kernel[:, :, plane], mirrored, atol=1e-6)


def test_a_rotated_head_has_a_rotated_field() -> None:
    chi = np.random.default_rng(3).normal(size=(10, 12, 16)).astype(np.float32)
    field = forward_field(chi, Grid(chi.shape, (1.0, 1.5, 2.0), (0.2, 0.4, 0.8944)))
    turned = forward_field(chi.transpose(2, 0, 1), Grid((16, 10, 12), (2.0, 1.0, 1.5), (0.8944, 0.2, 0.4)))
    np.testing.assert_allclose(turned, field.transpose(2, 0, 1), atol=1e-5)


def test_an_array_off_the_grid_is_refused() -> None:
    with pytest.raises(EngineInputError, match="susceptibility_ppm"):
        forward_field(np.zeros((3, 3, 3)), Grid((3, 3, 4), (1, 1, 1)))
