"""A head that holds the atlas's own nuclei at a known place: what registration and borders have to undo."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from qsmnode.engine.types import Float, Grid, Maps, Mask
from qsmnode.measure.grids import Affine, Box
from qsmnode.measure.nuclei.atlas import PARTS, atlas
from qsmnode.measure.nuclei.space import Volume, voxel_places

TIMES_S = (0.004, 0.012, 0.020)
SIZE, NOD_DEG, SHIFT_MM = 0.95, 9.0, (4.0, -6.0, 8.0)
_WHITE, _GREY, _FLUID = (-30.0, 21.0), (15.0, 16.0), (15.0, 3.0)
_IRON_RATE = 35.0
_HALF_MM = 66.0, 82.0, 60.0


@dataclass(frozen=True)
class Painted:
    """Maps and magnitude of such a head, and which voxels belong to which part."""

    maps: Maps
    magnitude: Float
    affine: Affine
    parts: np.ndarray

    def label(self, name: str, side: str) -> Mask:
        """The truth for one part."""
        number = next(n for n, part in enumerate(PARTS, 1) if (part.name, part.side) == (name, side))
        return np.asarray(self.parts == number)

    def with_values(self, chi_ppm: Float) -> Maps:
        """The same maps with another susceptibility."""
        return replace(self.maps, susceptibility=np.where(self.maps.mask, chi_ppm, 0).astype(np.float32))


def painted(voxel_mm: tuple[float, float, float] = (1.5, 1.5, 1.5), seed: int = 1) -> Painted:
    """A head with noise, in slices that are no one's axes."""
    rng = np.random.default_rng(seed)
    c, s = np.cos(np.radians(7)), np.sin(np.radians(7))
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) * voxel_mm
    shape = tuple(int(np.ceil(2.1 * half / size)) for half, size in zip(_HALF_MM, voxel_mm, strict=True))
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    box = Box((shape[0], shape[1], shape[2]), affine)
    place = voxel_places(box).reshape(*shape, 3)
    mask = ((place / _HALF_MM) ** 2).sum(axis=-1) < 1
    parts = Volume(atlas().parts, atlas().affine).on(box, to_atlas(), nearest=True)
    chi, rate = np.full(shape, _WHITE[0], np.float32), np.full(shape, _WHITE[1], np.float32)
    rim = ((place / _HALF_MM) ** 2).sum(axis=-1) > 0.72
    fluid = ((place - (0, 30, 20)) ** 2).sum(axis=-1) < 15**2
    for where, (value, decay) in ((rim, _GREY), (fluid, _FLUID)):
        chi[where], rate[where] = value, decay
    for number, part in enumerate(PARTS, start=1):
        chi[parts == number] = part.typical_ppb
        rate[parts == number] = 24.0 if part.typical_ppb < 60 else _IRON_RATE
    blurred = ndimage.gaussian_filter(chi, 0.5) + rng.normal(0, 6, shape)
    magnitude = np.stack([1000 * np.exp(-rate * time) + rng.normal(0, 8, shape) for time in TIMES_S])
    brain = np.where(mask, blurred / 1000, 0).astype(np.float32)
    maps = Maps(brain, mask, brain, brain, brain, Grid(box.shape, voxel_mm), reference="the whole brain")
    return Painted(maps, magnitude.astype(np.float32), affine, np.where(mask, parts, 0))


def to_atlas() -> Affine:
    """Where the atlas lies in that head: LPS mm of the patient to those of the atlas."""
    c, s = np.cos(np.radians(NOD_DEG)), np.sin(np.radians(NOD_DEG))
    found = np.eye(4)
    found[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) / SIZE
    found[:3, 3] = SHIFT_MM
    return found
