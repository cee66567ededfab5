"""A paramagnetic sphere: sign of phase and field, geometry in every orientation."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.errors import EngineInputError
from qsmnode.phantom.protocol import AXIAL, CORONAL, SAGITTAL, Protocol, tilted
from qsmnode.phantom.sphere import Sphere, simulate_sphere

ORIENTATIONS = {
    "axial": AXIAL,
    "sagittal": SAGITTAL,
    "coronal": CORONAL,
    "oblique": tilted(CORONAL, 20.0, 10.0),
}


def index_of(point_mm: tuple[float, float, float], affine: np.ndarray) -> tuple[int, int, int]:
    i, j, k, _ = np.rint(np.linalg.inv(affine) @ [*point_mm, 1.0]).astype(int)
    return i, j, k


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_paramagnetic_sphere_raises_the_field_along_b0(name: str) -> None:
    protocol = Protocol(
        (0.005, 0.010), shape=(48, 48, 48), voxel_mm=(2, 2, 2), orientation=ORIENTATIONS[name], snr=0
    )
    measured = simulate_sphere(Sphere(10.0, 0.3, (0.0, 4.0, 0.0), 45.0), protocol)
    turn = 2 * np.pi * protocol.frequency_mhz * 0.010
    for point, factor in (((0, 4, 20), 2.0), ((0, 4, -20), 2.0), ((20, 4, 0), -1.0), ((0, 24, 0), -1.0)):
        where = index_of(point, measured.affine)
        at = measured.affine[:3] @ [*where, 1.0] - np.array([0, 4, 0])
        r, z = np.linalg.norm(at), at[2]
        expected = 0.1 * (10 / r) ** 3 * (3 * (z / r) ** 2 - 1)
        assert np.sign(expected) == np.sign(factor)
        assert measured.field_ppm[where] == pytest.approx(expected, rel=0.02)
        assert measured.stack.phase[(1, *where)] == pytest.approx(turn * expected, rel=0.02)
    assert measured.susceptibility_ppm[index_of((0, 4, 0), measured.affine)] == pytest.approx(0.3)
    direction = np.array(measured.stack.grid.b0_direction)
    np.testing.assert_allclose(measured.geometry.axes @ direction, [0, 0, 1], atol=1e-9)


def test_same_arguments_give_the_same_bytes() -> None:
    protocol = Protocol((0.005,), shape=(24, 24, 24), voxel_mm=(4, 4, 4))
    first, second = (simulate_sphere(Sphere(seed=3), protocol) for _ in range(2))
    other = simulate_sphere(Sphere(seed=4), protocol)
    assert first.stack.phase.tobytes() == second.stack.phase.tobytes()
    assert first.stack.phase.tobytes() != other.stack.phase.tobytes()


def test_sphere_must_fit_into_the_gel() -> None:
    with pytest.raises(EngineInputError, match="inside the gel"):
        Sphere(radius_mm=30.0, offset_mm=(50.0, 0.0, 0.0))
