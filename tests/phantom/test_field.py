"""The field computation against the closed form of a sphere, in every orientation."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.phantom.field import Lattice, field_of_sources, mean_blocks
from qsmnode.phantom.protocol import AXIAL, CORONAL, SAGITTAL, Protocol, tilted
from qsmnode.phantom.sphere import Sphere, simulate_sphere

RADIUS_MM, AT_MM = 14.0, (3.0, -2.0, 5.0)
CASES = {
    "axial": (AXIAL, (2.0, 2.0, 2.0), (0.0, 0.0, 0.0)),
    "sagittal, thick slices": (SAGITTAL, (1.5, 1.5, 3.0), (0.0, 0.0, 0.0)),
    "coronal": (CORONAL, (2.0, 1.5, 2.0), (0.0, 0.0, 0.0)),
    "double oblique": (tilted(AXIAL, 25.0, -15.0), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0)),
    "slab beside the sphere": (tilted(CORONAL, 12.0, 20.0), (2.0, 2.0, 2.0), (10.0, 38.0, 0.0)),
}


def numerical_field(lattice: Lattice) -> np.ndarray:
    """The field of a sphere with blended edges, drawn on fine grid and cells as the head is."""

    def ball(affine: np.ndarray, shape: tuple[int, int, int], edge: float) -> np.ndarray:
        points = affine[:, :3] @ np.indices(shape).reshape(3, -1) + affine[:, 3:]
        distance = np.linalg.norm(points - np.array(AT_MM)[:, None], axis=0).reshape(shape) - RADIUS_MM
        return np.clip(0.5 - distance / edge, 0, 1).astype(np.float32)

    fine = ball(lattice.fine_affine(), lattice.fine_shape, float(np.cbrt(np.prod(lattice.fine_mm))))
    first, count = lattice.cells_covering(np.array(AT_MM)[:, None] + RADIUS_MM * np.array([[-2, 2]] * 3))
    cells = ball(lattice.cell_affine(first), count, float(np.cbrt(np.prod(lattice.cell_mm))))
    inner = tuple(
        slice(-m - f, -m - f + c) for m, f, c in zip(lattice.margin, first, lattice.cells, strict=True)
    )
    cells[inner] = mean_blocks(fine, (0, 0, 0), lattice.step, lattice.cells)
    field = field_of_sources(fine, cells, first, lattice)
    return mean_blocks(field, lattice.fine_start, lattice.factor, lattice.geometry.shape)


@pytest.mark.parametrize("case", CASES)
def test_field_is_the_closed_form(case: str) -> None:
    orientation, voxel, centre = CASES[case]
    shape = tuple(round(72 / v) for v in voxel)
    protocol = Protocol(shape=shape, voxel_mm=voxel, orientation=orientation, centre_mm=centre, snr=0)
    truth = simulate_sphere(Sphere(RADIUS_MM, 1.0, AT_MM), protocol).field_ppm
    found = numerical_field(Lattice.around(protocol.geometry()))
    affine = protocol.geometry().affine
    points = affine[:3, :3] @ np.indices(shape).reshape(3, -1) + affine[:3, 3:]
    radius = np.linalg.norm(points - np.array(AT_MM)[:, None], axis=0).reshape(shape)
    outside = radius > RADIUS_MM + 4.0
    error = (found - truth)[outside]
    assert np.sqrt(np.mean(error**2)) < 0.01 * np.sqrt(np.mean(truth[outside] ** 2))
    assert np.abs(error).max() < 0.005
    inside = radius < RADIUS_MM - 4.0
    if inside.any():
        assert np.abs(found[inside]).max() < 0.005


def test_grids_are_fine_padded_and_aligned() -> None:
    geometry = Protocol(
        shape=(60, 50, 20), voxel_mm=(0.8, 0.8, 2.0), orientation=tilted(AXIAL, 30)
    ).geometry()
    lattice = Lattice.around(geometry)
    assert all(f <= v / 2 for f, v in zip(lattice.fine_mm, geometry.voxel_mm, strict=True))
    reach = 4.5 * lattice.width_mm
    for axis in range(3):
        before = lattice.margin[axis] * lattice.cell_mm[axis]
        held = lattice.fine_shape[axis] * lattice.fine_mm[axis]
        assert before >= reach
        assert held - before - geometry.shape[axis] * geometry.voxel_mm[axis] >= reach - 1e-9
    start, factor = np.array(lattice.fine_start), np.array(lattice.factor)
    middle = lattice.fine_affine() @ [*(start + (factor - 1) / 2), 1.0]
    np.testing.assert_allclose(middle, geometry.affine[:3, 3], atol=1e-9)
