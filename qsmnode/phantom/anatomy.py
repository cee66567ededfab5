"""The head's large shapes: air, soft tissue, bone, sinuses, CSF, folded cortex, white matter, brainstem.

Coordinates are canonical head millimetres in patient axes (x to the left, y to the back, z up), with the
origin in the middle of the brain. :class:`HeadShape` says how one head differs from the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled
from qsmnode.engine.types import Float
from qsmnode.errors import EngineInputError
from qsmnode.phantom.shapes import (
    capsule,
    coverage,
    ellipsoid,
    sheet_distance,
    smooth_cut,
    smooth_union,
    wave,
)
from qsmnode.phantom.tissues import AIR, BONE, CSF, EYE, GREY, SOFT, WHITE

Labels = npt.NDArray[np.uint8]
BRAIN_FLOOR_MM = -70.0  # the brain mask ends here, about the foramen magnum


@dataclass(frozen=True)
class HeadShape:
    """Which head: everything follows from ``seed``.

    Seeds 1000-1999 are kept for reporting accuracy; tune on others.

    Args:
        seed: any integer >= 0; size, pose, folding, sinuses, vessels, lesions and texture follow from it.
        lesions: whether a calcification, a haemorrhage and a small rim lesion are put in.
        texture: factor on the texture inside the tissues; 0 leaves them uniform.
        turned_deg: how the same head lies another time: turned by these angles about x, y and z.

    Raises:
        EngineInputError: a value is out of these ranges.
    """

    seed: int = 1
    lesions: bool = True
    texture: float = 1.0
    turned_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise EngineInputError(f"seed: expected an integer of at least 0, got {self.seed}")
        if not 0.0 <= self.texture <= 3.0:
            raise EngineInputError(f"texture: expected a factor of 0 to 3, got {self.texture}")
        if len(self.turned_deg) != 3 or not all(abs(angle) <= 45 for angle in self.turned_deg):
            raise EngineInputError(f"turned_deg: expected three angles within 45, got {self.turned_deg}")

    def generator(self, purpose: str) -> np.random.Generator:
        """A random generator of this head for one purpose, independent of all others."""
        return np.random.default_rng([self.seed, *purpose.encode()])


class Build(NamedTuple):
    """The numbers that shape one head, in mm; the warp's phases in turns. Compiled code can read a tuple."""

    brain_x: float
    brain_y: float
    brain_z: float
    skull: float
    scalp: float
    sinus: float
    sheet_wavelength: float
    sheet_phase: float
    sheet_depth: float
    cortex: float
    warp: float
    warp_a: float
    warp_b: float
    warp_c: float


class Pose(NamedTuple):
    """How the head lies in the scanner: patient mm = rotation @ (scale * canonical mm)."""

    rotation: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    def to_head(self) -> npt.NDArray[np.float64]:
        """(3, 3): patient mm -> canonical head mm."""
        return np.asarray(np.diag(1.0 / self.scale) @ self.rotation.T)


def build_of(head: HeadShape) -> Build:
    """This head's shape numbers."""
    rng = head.generator("build")
    return Build(
        brain_x=64.0,
        brain_y=82.0 + rng.uniform(-3, 3),
        brain_z=58.0 + rng.uniform(-2, 2),
        skull=rng.uniform(4.5, 6.5),
        scalp=rng.uniform(4.0, 6.0),
        sinus=rng.uniform(0.8, 1.25),
        sheet_wavelength=rng.uniform(23.0, 28.0),
        sheet_phase=rng.uniform(0, 2 * math.pi),
        sheet_depth=rng.uniform(15.0, 20.0),
        cortex=rng.uniform(2.4, 2.9),
        warp=rng.uniform(1.2, 1.8),
        warp_a=rng.uniform(0, 1),
        warp_b=rng.uniform(0, 1),
        warp_c=rng.uniform(0, 1),
    )


def pose_of(head: HeadShape) -> Pose:
    """This head's size and small rotation (nod up to 8 degrees, turn and tilt up to 3), and its own turn."""
    rng = head.generator("pose")
    rotation = _rotation(*np.radians([rng.uniform(-8, 8), rng.uniform(-3, 3), rng.uniform(-3, 3)]))
    scale = rng.uniform(0.96, 1.03, 3)
    if any(head.turned_deg):
        nod, tilt, turn = np.radians(head.turned_deg)
        rotation = _rotation(nod, turn, tilt) @ rotation
    return Pose(rotation, scale)


def _rotation(nod: float, turn: float, tilt: float) -> npt.NDArray[np.float64]:
    """About x, then y, then z, by these angles (rad) about x, z and y."""
    about_x = np.array([[1, 0, 0], [0, math.cos(nod), -math.sin(nod)], [0, math.sin(nod), math.cos(nod)]])
    about_z = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    about_y = np.array([[math.cos(tilt), 0, math.sin(tilt)], [0, 1, 0], [-math.sin(tilt), 0, math.cos(tilt)]])
    return np.asarray(about_z @ about_y @ about_x)


@compiled
def warped(build: Build, x: float, y: float, z: float) -> tuple[float, float, float]:
    """A smooth displacement of 1-2 mm that makes every surface irregular."""
    a, p, q, r = build.warp, build.warp_a, build.warp_b, build.warp_c
    wx = a * wave(0.0143 * y + 0.0080 * z + p) + 0.6 * a * wave(0.0239 * z - 0.0064 * y + q)
    wy = a * wave(0.0127 * z + 0.0095 * x + q) + 0.6 * a * wave(0.0223 * x - 0.0080 * z + r)
    wz = a * wave(0.0159 * x + 0.0080 * y + r) + 0.6 * a * wave(0.0207 * y - 0.0095 * x + p)
    return x + wx, y + wy, z + wz


@compiled
def _cerebrum(build: Build, x: float, y: float, z: float) -> float:
    main = ellipsoid(x, y, z - 8.0, build.brain_x, build.brain_y, build.brain_z)
    floor = -22.0 + 0.10 * (y + 40.0) - z
    main = smooth_cut(main, floor, 14.0)
    temporal = ellipsoid(abs(x) - 40.0, y + 8.0, z + 22.0, 22.0, 42.0, 23.0)
    return float(min(main, temporal))


@compiled
def _cerebellum(x: float, y: float, z: float) -> float:
    halves = ellipsoid(abs(x) - 18.0, y - 46.0, z + 39.0, 33.0, 29.0, 22.0)
    vermis = ellipsoid(x, y - 44.0, z + 36.0, 14.0, 26.0, 22.0)
    return float(smooth_union(halves, vermis, 5.0))


@compiled
def _stem(x: float, y: float, z: float) -> float:
    midbrain = capsule(x, y, z, 0.0, 2.0, -12.0, 0.0, 6.0, -34.0, 15.0, 14.0)
    pons = ellipsoid(x, y - 3.0, z + 36.0, 17.0, 15.0, 16.0)
    medulla = capsule(x, y, z, 0.0, 10.0, -44.0, 0.0, 20.0, -76.0, 9.5, 7.0)
    cord = capsule(x, y, z, 0.0, 20.0, -76.0, 0.0, 34.0, -300.0, 6.5, 5.5)
    return float(min(smooth_union(smooth_union(midbrain, pons, 6.0), medulla, 6.0), cord))


@compiled
def _airways(build: Build, x: float, y: float, z: float, outline: float) -> float:
    """Frontal, maxillary, sphenoid and ethmoid sinus, nose, throat, ear canals, mastoid cells, trachea."""
    s = build.sinus
    side = abs(x)
    front = -build.brain_y
    air = ellipsoid(side - 9.0, y - (front - 7.5), z + 11.0, 9.0 * s, 5.0 * s, 12.0 * s)
    air = max(air, outline + 5.0)
    air = min(air, ellipsoid(x, y + 36.0, z + 36.0, 11.0 * s, 11.0 * s, 8.0 * s))
    air = min(air, ellipsoid(side - 7.0, y + 62.0, z + 37.0, 6.0, 16.0, 8.0))
    air = min(air, ellipsoid(side - 23.0, y + 66.0, z + 66.0, 11.0 * s, 14.0 * s, 13.0 * s))
    air = min(air, ellipsoid(side - 6.0, y + 66.0, z + 66.0, 4.0, 26.0, 13.0))
    air = min(air, capsule(x, y, z, 0.0, -34.0, -62.0, 0.0, -20.0, -110.0, 8.0, 7.0))
    air = min(air, capsule(x, y, z, 0.0, -20.0, -110.0, 0.0, -14.0, -300.0, 8.0, 9.0))
    air = min(air, capsule(side, y, z, 51.0, 2.0, -46.0, 90.0, 4.0, -48.0, 3.5, 4.0))
    cells = ellipsoid(side - 57.0, y - 20.0, z + 50.0, 8.0 * s, 10.0 * s, 11.0 * s)
    walls = 0.9 - sheet_distance(x, y, z, 9.0, 0.0)
    return float(min(air, max(cells, walls)))


@compiled
def _cortex_depth(build: Build, x: float, y: float, z: float, cerebrum: float, cerebellum: float) -> float:
    """Distance (mm, positive inside) of a brain point from the nearest CSF, sulci and fissures included."""
    if cerebellum < cerebrum:
        folia = sheet_distance(0.5 * x, y, 1.3 * z, 13.0, build.sheet_phase) - 0.25
        return float(min(-cerebellum, max(folia, -cerebellum - 9.0)))
    p, q, r = build.warp_a, build.warp_b, build.warp_c
    wx = x + 5.0 * wave(0.0111 * y + r) + 3.0 * wave(0.0175 * z + p)
    wy = y + 5.0 * wave(0.0095 * z + p) + 3.0 * wave(0.0159 * x + q)
    wz = z + 5.0 * wave(0.0103 * x + q) + 3.0 * wave(0.0143 * y + r)
    sulcus = sheet_distance(wx, wy, wz, build.sheet_wavelength, build.sheet_phase) - 0.6
    reach = build.sheet_depth + 4.0 * wave(0.008 * (x + y) + build.warp_a)
    core = ellipsoid(x, y + 8.0, z + 6.0, 34.0, 36.0, 22.0)  # no sulci between the deep nuclei
    depth = min(-cerebrum, max(sulcus, -cerebrum - reach, -core))
    if abs(x) < 8.0:
        callosum = ellipsoid(0.0, y - 4.0, z - 2.0, 1.0, 44.0, 24.0)
        depth = min(depth, max(abs(x + 0.8 * wave(0.0127 * y)) - 0.7, -callosum))
    return float(depth)


@compiled
def _soft_outline(build: Build, x: float, y: float, z: float, cavity: float) -> float:
    """Skin surface: scalp, face, nose and neck."""
    skin = cavity - 2.0 - build.skull - build.scalp
    face = ellipsoid(x, y + 42.0, z + 62.0, 60.0, 56.0, 62.0)
    nose = capsule(x, y, z, 0.0, -96.0, -40.0, 0.0, -108.0, -66.0, 5.0, 11.0)
    neck = max(ellipsoid(x, y - 12.0, 0.0, 60.0, 62.0, 1.0), z + 60.0)
    return float(smooth_union(smooth_union(smooth_union(skin, face, 12.0), nose, 6.0), neck, 16.0))


@compiled
def fill_anatomy(
    first: int,
    last: int,
    to_head: npt.NDArray[np.float64],
    edge_mm: float,
    build: Build,
    table: Float,
    chi: Float,
    rate: Float,
    density: Float,
    label: Labels,
    brain: Labels,
) -> None:
    """Fill planes ``first`` to ``last`` of a grid with the large shapes, edges blended over one voxel.

    Args:
        first, last: range of the first axis.
        to_head: (3, 4), voxel index -> canonical head mm.
        edge_mm: voxel width for the blending.
        build: the head's shape.
        table: (256, 3) susceptibility, R2*, density by label.
        chi, rate, density, label, brain: (X, Y, Z), written; ``brain`` is 1 inside the brain's hull.
    """
    _, ny, nz = chi.shape
    value = np.empty(3, np.float64)
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                x = to_head[0, 0] * i + to_head[0, 1] * j + to_head[0, 2] * k + to_head[0, 3]
                y = to_head[1, 0] * i + to_head[1, 1] * j + to_head[1, 2] * k + to_head[1, 3]
                z = to_head[2, 0] * i + to_head[2, 1] * j + to_head[2, 2] * k + to_head[2, 3]
                found, inside = _blend(x, y, z, edge_mm, build, table, value)
                chi[i, j, k], rate[i, j, k], density[i, j, k] = value[0], value[1], value[2]
                label[i, j, k] = found
                brain[i, j, k] = inside


@compiled
def _over(value: npt.NDArray[np.float64], table: Float, label: int, amount: float) -> None:
    if amount > 0.0:
        for n in range(3):
            value[n] += amount * (table[label, n] - value[n])


@compiled
def _surely_outside(x: float, y: float, z: float) -> bool:
    """Whether a point is in the air whatever the head's shape: cheap, for the corners of the grid."""
    if abs(x) > 92.0 or y < -126.0 or y > 106.0 or z > 88.0:
        return True
    return z > -20.0 and (x / 90.0) ** 2 + (y / 112.0) ** 2 + ((z + 20.0) / 110.0) ** 2 > 1.0


@compiled
def _blend(
    x: float, y: float, z: float, edge: float, build: Build, table: Float, value: npt.NDArray[np.float64]
) -> tuple[int, int]:
    for n in range(3):
        value[n] = table[AIR, n]
    if _surely_outside(x, y, z):
        return AIR, 0
    x, y, z = warped(build, x, y, z)
    cerebrum = _cerebrum(build, x, y, z)
    cerebellum = _cerebellum(x, y, z)
    stem = _stem(x, y, z)
    hull = min(cerebrum, cerebellum, stem)
    label = CSF
    if hull > -edge:
        cavity = smooth_union(smooth_union(cerebrum, cerebellum, 25.0), max(stem, -z - 74.0), 14.0)
        outline = _soft_outline(build, x, y, z, cavity)
        if outline > edge:
            return AIR, 0
        label = _cover_shell(x, y, z, edge, build, table, value, outline, cavity)
    else:
        _over(value, table, CSF, 1.0)
    if hull < edge:
        label = _cover_brain(x, y, z, edge, build, table, value, label, (cerebrum, cerebellum, stem))
    return label, int(hull < 0.0 and z > BRAIN_FLOOR_MM)


@compiled
def _cover_shell(
    x: float,
    y: float,
    z: float,
    edge: float,
    build: Build,
    table: Float,
    value: npt.NDArray[np.float64],
    outline: float,
    cavity: float,
) -> int:
    """Soft tissue, bone, eyes, airways and the CSF around the brain, from outside in."""
    label = AIR
    amount = coverage(outline, edge)
    _over(value, table, SOFT, amount)
    if amount > 0.5:
        label = SOFT
    airways = _airways(build, x, y, z, outline)
    spine = max(ellipsoid(x, y - 26.0 - 0.06 * (-76.0 - z), 0.0, 15.0, 13.0, 1.0), z + 66.0)
    jaw = max(abs(ellipsoid(x, y + 44.0, z + 84.0, 44.0, 44.0, 60.0)) - 3.0, z + 92.0, y + 40.0)
    bone = min(cavity - 2.0 - build.skull, spine, jaw, airways - 1.5)
    amount = coverage(max(bone, outline + 2.5), edge)
    _over(value, table, BONE, amount)
    if amount > 0.5:
        label = BONE
    amount = coverage(ellipsoid(abs(x) - 31.0, y + 78.0, z + 30.0, 12.0, 12.0, 12.0), edge)
    _over(value, table, EYE, amount)
    if amount > 0.5:
        label = EYE
    amount = coverage(airways, edge)
    _over(value, table, AIR, amount)
    if amount > 0.5:
        label = AIR
    canal = capsule(x, y, z, 0.0, 20.0, -70.0, 0.0, 34.0, -300.0, 9.5, 8.5)
    amount = coverage(min(cavity - 2.0, canal), edge)
    _over(value, table, CSF, amount)
    return CSF if amount > 0.5 else label


@compiled
def _cover_brain(
    x: float,
    y: float,
    z: float,
    edge: float,
    build: Build,
    table: Float,
    value: npt.NDArray[np.float64],
    label: int,
    distances: tuple[float, float, float],
) -> int:
    """Cortex and white matter, with sulci and fissures left as CSF; the brainstem is white matter."""
    cerebrum, cerebellum, stem = distances
    depth, cortex = -stem, 0.0
    if min(cerebrum, cerebellum) < stem:
        deep = max(-cerebrum, -cerebellum)
        depth = deep if deep > 28.0 and abs(x) > 8.0 else _cortex_depth(build, x, y, z, cerebrum, cerebellum)
        cortex = build.cortex if cerebrum < cerebellum else 1.6
        if -stem > depth and stem < -2.0:
            depth, cortex = -stem, 0.0
    amount = coverage(-depth, edge)
    _over(value, table, GREY if cortex > 0.0 else WHITE, amount)
    if amount > 0.5:
        label = GREY if cortex > 0.0 else WHITE
    amount = coverage(cortex - depth, edge)
    if cortex > 0.0 and amount > 0.0:
        _over(value, table, WHITE, amount)
        label = WHITE if amount > 0.5 else label
    return label
