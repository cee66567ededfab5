"""A paramagnetic sphere in a ball of gel: its field is known in closed form, in any slice orientation.

Outside a sphere of radius a, df/f = (chi/3) (a/r)^3 (3 cos^2 theta - 1); inside it is 0 with the sphere of
Lorentz (doi:10.1002/cmr.b.10083). Gel and surroundings share one susceptibility, so nothing else adds to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import EchoStack, Float, Mask
from qsmnode.errors import EngineInputError
from qsmnode.phantom.field import Lattice, mean_blocks
from qsmnode.phantom.protocol import Protocol, SliceGeometry
from qsmnode.phantom.signal import Coils, add_noise, complex_signal


@dataclass(frozen=True)
class Sphere:
    """Sizes in mm, susceptibility in ppm relative to the gel.

    Args:
        radius_mm: of the sphere, > 0.
        chi_ppm: of the sphere; positive is paramagnetic.
        offset_mm: patient position of its centre.
        gel_radius_mm: of the ball of gel around the origin; outside it there is no signal.
        seed: of the noise and of the identity.

    Raises:
        EngineInputError: the sphere does not fit into the gel.
    """

    radius_mm: float = 12.0
    chi_ppm: float = 0.5
    offset_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    gel_radius_mm: float = 70.0
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.radius_mm <= self.gel_radius_mm - math.hypot(*self.offset_mm):
            raise EngineInputError(
                f"radius_mm: expected a sphere inside the gel ({self.gel_radius_mm} mm), got {self}"
            )


@dataclass(frozen=True)
class SimulatedSphere:
    """What the scanner would have measured, and what is true; arrays as in a simulated head.

    ``mask`` is the gel; ``field_ppm`` the closed form averaged over each voxel.
    """

    sphere: Sphere
    protocol: Protocol
    stack: EchoStack
    susceptibility_ppm: Float
    field_ppm: Float
    mask: Mask
    geometry: SliceGeometry

    @property
    def seed(self) -> int:
        """What the identity follows from."""
        return self.sphere.seed

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """(4, 4): array index -> patient mm (L, P, S)."""
        return self.geometry.affine


def simulate_sphere(sphere: Sphere, protocol: Protocol) -> SimulatedSphere:
    """Measure a sphere; transmit phase, bias and shim of the protocol are left out.

    Args:
        sphere: which sphere.
        protocol: how it is measured; any orientation.

    Returns:
        stack and truth; the same arguments give the same bytes.
    """
    geometry = protocol.geometry()
    lattice = _view_only(geometry)
    field, chi, density = (np.empty(lattice.fine_shape, np.float32) for _ in range(3))
    numbers = np.array([*sphere.offset_mm, sphere.radius_mm, sphere.chi_ppm, sphere.gel_radius_mm])
    in_slabs(_fill, lattice.fine_shape[0], lattice.fine_affine(), numbers, field, chi, density)
    rate = np.where(chi != 0, np.float32(30.0), np.float32(15.0))
    plain = Coils(np.zeros(9), np.eye(9)[0])
    signal = complex_signal((field, rate, density), lattice, protocol, np.zeros(9), plain)
    reported = [mean_blocks(a, (0, 0, 0), lattice.factor, geometry.shape) for a in (field, chi, density)]
    mask = reported[2] > 0.5
    if protocol.snr > 0:
        rng = np.random.default_rng([sphere.seed, protocol.noise_seed, 104_729])
        add_noise(signal, float(np.abs(signal[0][mask]).mean()) / protocol.snr, rng)
    stack = EchoStack(
        np.abs(signal),
        np.angle(signal),
        protocol.echo_times_s,
        protocol.frequency_mhz,
        geometry.grid(),
        0,
        False,
    )
    return SimulatedSphere(sphere, protocol, stack, reported[1], reported[0], mask, geometry)


def _view_only(geometry: SliceGeometry) -> Lattice:
    """A fine grid of the field of view alone: no margin is needed where nothing is transformed."""
    factor = tuple(max(3, math.ceil(v / 0.5 - 1e-9)) for v in geometry.voxel_mm)
    return Lattice(geometry, (factor[0], factor[1], factor[2]), (1, 1, 1), (0, 0, 0), geometry.shape)


@compiled
def _fill(
    first: int,
    last: int,
    affine: npt.NDArray[np.float64],
    numbers: npt.NDArray[np.float64],
    field: Float,
    chi: Float,
    density: Float,
) -> None:
    radius, value, gel = numbers[3], numbers[4], numbers[5]
    for i in range(first, last):
        for j in range(field.shape[1]):
            for k in range(field.shape[2]):
                x = affine[0, 0] * i + affine[0, 1] * j + affine[0, 2] * k + affine[0, 3]
                y = affine[1, 0] * i + affine[1, 1] * j + affine[1, 2] * k + affine[1, 3]
                z = affine[2, 0] * i + affine[2, 1] * j + affine[2, 2] * k + affine[2, 3]
                density[i, j, k] = 1.0 if x * x + y * y + z * z <= gel * gel else 0.0
                x, y, z = x - numbers[0], y - numbers[1], z - numbers[2]
                r2 = x * x + y * y + z * z
                if r2 <= radius * radius:
                    field[i, j, k], chi[i, j, k] = 0.0, value
                else:
                    shape = (radius * radius / r2) ** 1.5 * (3.0 * z * z / r2 - 1.0)
                    field[i, j, k], chi[i, j, k] = value / 3.0 * shape, 0.0
