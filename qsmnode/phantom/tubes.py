"""Tubes of known solutions in a jar of water, measured: the phantom of a laboratory, and the truth behind it.

Simulated at half the reported voxel size or finer; the complex signal is averaged down, so that edges, walls
and dephasing know nothing of the reported grid. Susceptibility is relative to water. Every solution has its
full equilibrium signal: how repetition time and flip angle weigh it is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import EchoStack, Float, Mask
from qsmnode.errors import EngineInputError
from qsmnode.phantom.field import Lattice, Triple, field_of_sources, mean_blocks
from qsmnode.phantom.protocol import Protocol
from qsmnode.phantom.signal import add_noise, coils, complex_signal, shim
from qsmnode.phantom.tissues import AIR_PPM

__all__ = ["Jar", "Solution", "Tube", "TubePhantom", "TubeShape", "rack", "simulate_tubes"]

GADOLINIUM_PPM_PER_MM = 0.326  # per mmol/l
CALCIUM_PPM_PER_MOLAR = -0.268  # of CaCl2, per mol/l
GADOLINIUM_RELAXIVITY = 6.0  # R2 in 1/s per mmol/l at 3 T
WATER_RATE = 3.0  # R2* in 1/s of lightly doped water

LABELS = {0: "air", 1: "water", 2: "tube wall"}
FIRST_TUBE_LABEL = 3

Vector = tuple[float, float, float]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Solution:
    """What a tube holds.

    Args:
        name: of the solute.
        concentration: in ``unit``.
        unit: of the concentration.
        chi_ppm: susceptibility relative to water.
        rate: R2* without the field's own dephasing, in 1/s, > 0.
    """

    name: str
    concentration: float
    unit: str
    chi_ppm: float
    rate: float = WATER_RATE

    @classmethod
    def gadolinium(cls, millimolar: float) -> Solution:
        """A gadolinium chelate; 0 is water."""
        rate = WATER_RATE + GADOLINIUM_RELAXIVITY * millimolar
        return cls("Gd", millimolar, "mmol/l", GADOLINIUM_PPM_PER_MM * millimolar, rate)

    @classmethod
    def calcium_chloride(cls, molar: float) -> Solution:
        """CaCl2; 0 is water."""
        return cls("CaCl2", molar, "mol/l", CALCIUM_PPM_PER_MOLAR * molar)


@dataclass(frozen=True)
class TubeShape:
    """A closed cylinder in patient mm.

    Args:
        centre_mm: its middle.
        direction: its axis, of any length above 0.
        radius_mm, length_mm: > 0.

    Raises:
        EngineInputError: names the argument, what was expected and what came.
    """

    centre_mm: Vector = (0.0, 0.0, 0.0)
    direction: Vector = (0.0, 0.0, 1.0)
    radius_mm: float = 7.0
    length_mm: float = 70.0

    def __post_init__(self) -> None:
        if not (self.radius_mm > 0 and self.length_mm > 0):
            raise EngineInputError(f"radius_mm, length_mm: expected lengths above 0, got {self}")
        if not 0 < math.hypot(*self.direction) < math.inf:
            raise EngineInputError(f"direction: expected a vector of length > 0, got {self.direction}")

    def numbers(self) -> list[float]:
        """Centre, unit axis, radius, half length."""
        length = math.hypot(*self.direction)
        return [
            *self.centre_mm,
            *(d / length for d in self.direction),
            self.radius_mm,
            self.length_mm / 2,
        ]


@dataclass(frozen=True)
class Tube:
    """A tube with its solution; ``shape`` is the inside, the wall lies around it."""

    solution: Solution
    shape: TubeShape


@dataclass(frozen=True)
class Jar:
    """The container: a cylinder of water in air, without a wall."""

    shape: TubeShape = TubeShape((0.0, 0.0, 0.0), (0.0, 0.0, 1.0), 60.0, 120.0)


@dataclass(frozen=True)
class TubePhantom:
    """Tubes in a jar.

    Args:
        tubes: at least one, at most 250; where they overlap the last one counts.
        jar: the water around them.
        wall_mm: thickness of the tubes' walls, which have no signal and water's susceptibility.
        seed: of noise and coils.

    Raises:
        EngineInputError: no tubes, or a wall below 0.
    """

    tubes: tuple[Tube, ...]
    jar: Jar = Jar()
    wall_mm: float = 0.5
    seed: int = 1

    def __post_init__(self) -> None:
        if not 1 <= len(self.tubes) <= 250:
            raise EngineInputError(f"tubes: expected 1 to 250, got {len(self.tubes)}")
        if not self.wall_mm >= 0:
            raise EngineInputError(f"wall_mm: expected at least 0, got {self.wall_mm}")


def rack(
    solutions: tuple[Solution, ...],
    direction: Vector = (0.0, 0.0, 1.0),
    *,
    radii_mm: tuple[float, ...] = (7.0,),
    ring_mm: float = 34.0,
    length_mm: float = 70.0,
    jar_radius_mm: float = 58.0,
    jar_length_mm: float = 110.0,
    wall_mm: float = 0.5,
    seed: int = 1,
) -> TubePhantom:
    """Tubes evenly on a ring, all along ``direction``, in a jar that stands the same way.

    Args:
        solutions: one for each tube.
        direction: of tubes and jar, patient axes; (0, 0, 1) is along B0.
        radii_mm: of the tubes, in turn.
        ring_mm: radius of the ring.
        length_mm: of the tubes.
        jar_radius_mm, jar_length_mm: of the jar.
        wall_mm: thickness of the tubes' walls.
        seed: of noise and coils.
    """
    axis = np.array(TubeShape(direction=direction).numbers()[3:6])
    first = np.cross(axis, np.eye(3)[int(np.argmin(np.abs(axis)))])
    first /= np.linalg.norm(first)
    second = np.cross(axis, first)
    tubes = []
    for n, solution in enumerate(solutions):
        angle = 2 * math.pi * n / len(solutions)
        x, y, z = (float(v) for v in ring_mm * (math.cos(angle) * first + math.sin(angle) * second))
        radius = radii_mm[n % len(radii_mm)]
        tubes.append(Tube(solution, TubeShape((x, y, z), direction, radius, length_mm)))
    jar = Jar(TubeShape((0.0, 0.0, 0.0), direction, jar_radius_mm, jar_length_mm))
    return TubePhantom(tuple(tubes), jar, wall_mm, seed)


@dataclass(frozen=True)
class SimulatedTubes:
    """What the scanner would have measured, and what is true.

    Attributes:
        phantom, protocol: what it was made from.
        stack: magnitude and wrapped phase.
        susceptibility_ppm: (X, Y, Z) float32, average over each voxel, relative to water; air +9.4.
        total_field_hz: (X, Y, Z) float32, before the shim.
        mask: (X, Y, Z) bool, the inside of the jar, tubes and their walls included.
        labels: (X, Y, Z) uint8: 0 air, 1 water, 2 tube wall, 3 + n tube n, at each voxel's centre.
        depth_mm: (1 + tubes, X, Y, Z) float32: how deep each voxel's centre lies inside the jar (first) and
            inside each tube; below 0 outside.
    """

    phantom: TubePhantom
    protocol: Protocol
    stack: EchoStack
    susceptibility_ppm: Float
    total_field_hz: Float
    mask: Mask
    labels: npt.NDArray[np.uint8]
    depth_mm: Float

    def tube(self, number: int, margin_mm: float = 1.0) -> Mask:
        """(X, Y, Z): tube ``number`` without ``margin_mm`` at its wall and ends."""
        return np.asarray(self.depth_mm[1 + number] > margin_mm)

    def water(self, margin_mm: float = 4.0) -> Mask:
        """(X, Y, Z): water at least ``margin_mm`` from the jar's border and from every tube's wall."""
        around = self.depth_mm[1:].max(axis=0) + np.float32(self.phantom.wall_mm)
        return np.asarray((self.depth_mm[0] > margin_mm) & (around < -margin_mm))


def simulate_tubes(phantom: TubePhantom, protocol: Protocol) -> SimulatedTubes:
    """Measure tubes; ``protocol.snr`` is that of the water in the first echo.

    Args:
        phantom: jar and tubes.
        protocol: how it is measured; any orientation. ``ghost`` is left out.

    Returns:
        stack and truth; the same arguments give the same bytes.

    Raises:
        EngineInputError: the field of view holds nothing of the jar.
    """
    geometry = protocol.geometry()
    lattice = Lattice.around(geometry)
    chi, rate, density = _filled(phantom, lattice.fine_affine(), lattice.fine_shape)
    depth = _depths(phantom, np.ascontiguousarray(geometry.affine[:3]), geometry.shape)
    mask = np.asarray(depth[0] > 0)
    if not mask.any():
        raise EngineInputError("protocol: the field of view holds nothing of the jar; move or enlarge it")
    total = _total_field(phantom, chi, lattice)
    mean_total = mean_blocks(total, lattice.fine_start, lattice.factor, geometry.shape)
    taken = shim(mean_total, mask, geometry) if protocol.shimmed else np.zeros(9)
    rng = np.random.default_rng([phantom.seed, protocol.noise_seed, 15_485_863])
    signal = complex_signal((total, rate, density), lattice, protocol, taken, coils(protocol, mask, rng))
    labels = _labels(phantom, depth)
    if protocol.snr > 0:
        add_noise(signal, float(np.abs(signal[0][labels == 1]).mean()) / protocol.snr, rng)
    stack = EchoStack(
        np.abs(signal),
        np.angle(signal),
        protocol.echo_times_s,
        protocol.frequency_mhz,
        geometry.grid(),
        0,
        protocol.bipolar_rad != 0,
    )
    reported = mean_blocks(chi, lattice.fine_start, lattice.factor, geometry.shape)
    in_hz = mean_total * np.float32(protocol.frequency_mhz)
    return SimulatedTubes(phantom, protocol, stack, reported, in_hz, mask, labels, depth)


def _total_field(phantom: TubePhantom, chi: Float, lattice: Lattice) -> Float:
    """Field (ppm) of jar and tubes in air, on the fine grid."""
    first, count = lattice.cells_covering(_corners(phantom.jar.shape))
    cells, _, _ = _filled(phantom, lattice.cell_affine(first), count)
    inner = tuple(
        slice(-m - f, -m - f + c) for m, f, c in zip(lattice.margin, first, lattice.cells, strict=True)
    )
    cells[inner] = mean_blocks(chi, (0, 0, 0), lattice.step, lattice.cells)
    cells -= np.float32(AIR_PPM)  # beyond the cells there is air
    return field_of_sources(chi, cells, first, lattice)


def _corners(shape: TubeShape) -> Numbers:
    """(3, 8): the corners of the patient box around a cylinder."""
    numbers = np.array(shape.numbers())
    centre, axis, radius, half = numbers[:3], numbers[3:6], numbers[6], numbers[7]
    reach = half * np.abs(axis) + radius * np.sqrt(np.maximum(1.0 - axis * axis, 0.0))
    sides = [(c - r, c + r) for c, r in zip(centre, reach, strict=True)]
    return np.array(np.meshgrid(*sides)).reshape(3, -1)


def _shapes(phantom: TubePhantom) -> Numbers:
    """(1 + tubes, 8): jar and tubes."""
    return np.array([phantom.jar.shape.numbers(), *(tube.shape.numbers() for tube in phantom.tubes)])


def _filled(phantom: TubePhantom, affine: Numbers, shape: Triple) -> tuple[Float, Float, Float]:
    """Susceptibility (ppm), R2* (1/s) and density on any grid given by its (3, 4) affine to patient mm."""
    solutions = [tube.solution for tube in phantom.tubes]
    contents = np.array([(0.0, WATER_RATE), *((s.chi_ppm, s.rate) for s in solutions)])
    edge = float(np.cbrt(abs(np.linalg.det(affine[:, :3]))))
    chi, rate, density = (np.empty(shape, np.float32) for _ in range(3))
    arguments = (affine, edge, _shapes(phantom), contents, phantom.wall_mm, AIR_PPM, chi, rate, density)
    in_slabs(_fill, shape[0], *arguments)
    return chi, rate, density


def _depths(phantom: TubePhantom, affine: Numbers, shape: Triple) -> Float:
    shapes = _shapes(phantom)
    out = np.empty((len(shapes), *shape), np.float32)
    in_slabs(_fill_depths, shape[0], affine, shapes, out)
    return out


def _labels(phantom: TubePhantom, depth: Float) -> npt.NDArray[np.uint8]:
    labels: npt.NDArray[np.uint8] = (depth[0] > 0).astype(np.uint8)
    for n, tube_depth in enumerate(depth[1:]):
        labels[tube_depth > -phantom.wall_mm] = 2
        labels[tube_depth > 0] = FIRST_TUBE_LABEL + n
    return labels


@compiled
def _depth(shape: Numbers, x: float, y: float, z: float) -> float:
    """How far a point lies inside a cylinder, in mm; negative outside."""
    x, y, z = x - shape[0], y - shape[1], z - shape[2]
    along = x * shape[3] + y * shape[4] + z * shape[5]
    across = math.sqrt(max(x * x + y * y + z * z - along * along, 0.0))
    return float(min(shape[6] - across, shape[7] - abs(along)))


@compiled
def _share(depth: float, edge: float) -> float:
    """Part of a voxel that lies inside a border ``depth`` away from its centre."""
    return float(min(max(depth / edge + 0.5, 0.0), 1.0))


@compiled
def _fill_depths(first: int, last: int, affine: Numbers, shapes: Numbers, out: Float) -> None:
    for i in range(first, last):
        for j in range(out.shape[2]):
            for k in range(out.shape[3]):
                x = affine[0, 0] * i + affine[0, 1] * j + affine[0, 2] * k + affine[0, 3]
                y = affine[1, 0] * i + affine[1, 1] * j + affine[1, 2] * k + affine[1, 3]
                z = affine[2, 0] * i + affine[2, 1] * j + affine[2, 2] * k + affine[2, 3]
                for n in range(shapes.shape[0]):
                    out[n, i, j, k] = _depth(shapes[n], x, y, z)


@compiled
def _fill(
    first: int,
    last: int,
    affine: Numbers,
    edge: float,
    shapes: Numbers,
    contents: Numbers,
    wall: float,
    air: float,
    chi: Float,
    rate: Float,
    density: Float,
) -> None:
    for i in range(first, last):
        for j in range(chi.shape[1]):
            for k in range(chi.shape[2]):
                x = affine[0, 0] * i + affine[0, 1] * j + affine[0, 2] * k + affine[0, 3]
                y = affine[1, 0] * i + affine[1, 1] * j + affine[1, 2] * k + affine[1, 3]
                z = affine[2, 0] * i + affine[2, 1] * j + affine[2, 2] * k + affine[2, 3]
                inside = _share(_depth(shapes[0], x, y, z), edge)
                value, decay, protons = (1.0 - inside) * air, contents[0, 1], inside
                for n in range(1, shapes.shape[0]):
                    depth = _depth(shapes[n], x, y, z)
                    outer = _share(depth + wall, edge)
                    if outer <= 0.0:
                        continue
                    inner = _share(depth, edge)
                    value = (1.0 - outer) * value + inner * contents[n, 0]
                    protons = (1.0 - outer) * protons + inner
                    decay = (1.0 - inner) * decay + inner * contents[n, 1]
                chi[i, j, k], rate[i, j, k], density[i, j, k] = value, decay, protons
