"""Where a nucleus ends: half way between what it is itself and what lies around it.

The registered atlas says which nucleus it is and about where; its borders are as wrong as a registration is,
a few millimetres, and a nucleus' mean with them. The map's own contrast draws the border anew, inside a wider
seam around the atlas's. Grey matter and fluid differ little from a caudate nucleus or a putamen in
susceptibility, but they decay more slowly: where echoes tell R2*, half way counts in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmnode.engine.types import Float, Mask
from qsmnode.measure.nuclei.atlas import PARTS, Labels
from qsmnode.measure.nuclei.space import Points, gaussian
from qsmnode.measure.nuclei.tissues import Tissues

MARGIN_MM = 9.0
"""What has to be seen around the nuclei."""
_SEAM_MM, _CORE_MM, _BESIDE_MM, _GROUND_MM = 2.5, 1.0, 1.5, 3.0
_LEAN = 0.2
"""How much the atlas's own border is believed: half way is 30 % deep inside it, 70 % at the seam's end."""
_SMOOTHING_MM = 0.6
_LEAST_CORE = 12
_PERCENTILE = 60.0
_CLEAR = 3.0
"""Spreads of a tissue away from it that are enough, where half way would be farther."""
_INNER = 0.5
"""Part of the greatest depth from where on a voxel of the atlas's is certain to be that nucleus."""
_VEIN_PPB, _MUCH_IRON_PPB = 50.0, 60.0
"""So far above its own level lie veins along a nucleus; those with much iron are as bright as veins."""
_NO_EXTREME_PPB = 80.0
_BRIGHTEST_PPB = 250.0
_CLOSED = 65535


@dataclass(frozen=True, eq=False)
class Drawn:
    """One part, drawn anew.

    Attributes:
        mask: (X, Y, Z) bool.
        contrast_ppb: of its core against its surroundings.
    """

    mask: Mask
    contrast_ppb: float


def redrawn(chi: Float, decay: Float | None, brain: Mask, parts: Labels, spacing_mm: Points) -> list[Drawn]:
    """Each part with borders at half maximum, in the order of the numbers.

    Args:
        chi: (X, Y, Z) ppb, finite.
        decay: (X, Y, Z) R2* in 1/s; None: not known.
        brain: (X, Y, Z) bool.
        parts: (X, Y, Z) numbers of the parts from 1, 0 for none.
        spacing_mm: edge lengths of a voxel.
    """
    scene = _Scene.of(chi, decay, brain, parts, spacing_mm)
    bright = [scene.bright(number) for number in range(1, len(PARTS) + 1)]
    owner = scene.owner(np.any([mask for mask, _ in bright], axis=0))
    return [
        Drawn(_largest(mask & (owner == number), parts == number), contrast)
        for number, (mask, contrast) in enumerate(bright, start=1)
    ]


@dataclass(frozen=True, eq=False)
class _Scene:
    """What borders are judged by.

    Attributes:
        depth: (N, X, Y, Z) mm from the border of each part, positive inside.
        images: (F, X, Y, Z) susceptibility and, where known, R2*, both smoothed a little.
        ground: (X, Y, Z) susceptibility of what lies beside the nuclei, carried on into them.
    """

    brain: Mask
    parts: Labels
    depth: Float
    images: Float
    tissues: Tissues
    ground: Float

    @classmethod
    def of(cls, chi: Float, decay: Float | None, brain: Mask, parts: Labels, spacing_mm: Points) -> _Scene:
        depth = np.stack([_depth(parts == number, spacing_mm) for number in range(1, len(PARTS) + 1)])
        width = _SMOOTHING_MM / spacing_mm
        images = np.stack(
            [gaussian(np.where(brain, one, 0), width) for one in (chi, decay) if one is not None]
        )
        beside = brain & (depth.max(axis=0) < -_BESIDE_MM)
        wide = _GROUND_MM / spacing_mm
        weight = np.maximum(gaussian(beside, wide), 1e-3)
        calm = np.clip(chi, -_NO_EXTREME_PPB, _NO_EXTREME_PPB)
        ground = np.asarray(gaussian(np.where(beside, calm, 0), wide) / weight, np.float32)
        tissues = Tissues.of(images[:, beside & (np.abs(images[0]) < _NO_EXTREME_PPB)])
        return cls(brain, parts, depth, images, tissues, ground)

    def bright(self, number: int) -> tuple[Mask, float]:
        """What is more like the part than like what lies around it, near the atlas's own; its contrast."""
        label, depth = (self.parts == number) & self.brain, self.depth[number - 1]
        if not label.any():
            return np.zeros(label.shape, np.bool_), 0.0
        core = self.brain & (depth > _CORE_MM)
        if core.sum() < _LEAST_CORE:
            core = label
        level = np.array([np.percentile(image[core], _PERCENTILE) for image in self.images])
        half = 0.5 - _LEAN * np.clip(depth / _SEAM_MM, -1, 1)
        bright = self.brain & (depth > -_SEAM_MM)
        bright &= self.images[0] > self.ground + half * (level[0] - self.ground)
        contrast = float(level[0] - self.ground[core].mean())
        if PARTS[number - 1].typical_ppb < _MUCH_IRON_PPB:
            bright &= self.images[0] < level[0] + _VEIN_PPB
        for tissue in self.tissues.means:
            clear = _CLEAR / max(self.tissues.distance(tissue, level), 1e-9)
            way = self.tissues.part_of_the_way(self.images, tissue, level)
            bright &= way > np.minimum(half, clear)
        return bright, contrast

    def owner(self, bright: Mask) -> npt.NDArray[np.int32]:
        """Which part each bright voxel belongs to: they meet where the map is darkest between them."""
        markers = np.zeros(bright.shape, np.int32)
        for number, depth in enumerate(self.depth, start=1):
            deepest = max(float(depth.max()), 0.0)
            markers[bright & (depth > _INNER * deepest) & (depth > 0)] = number
        markers[~bright] = -1
        depths = _BRIGHTEST_PPB - np.clip(self.images[0], 0, _BRIGHTEST_PPB)
        return np.asarray(ndimage.watershed_ift(np.where(bright, depths, _CLOSED).astype(np.uint16), markers))


def _largest(mask: Mask, label: Mask) -> Mask:
    """The piece that has most of the label in it, without holes."""
    pieces, count = ndimage.label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(pieces[label & mask], minlength=count + 1)
    sizes[0] = 0
    if not sizes.any():
        return np.zeros(mask.shape, np.bool_)
    return np.asarray(ndimage.binary_fill_holes(pieces == int(sizes.argmax())), np.bool_)


def _depth(mask: Mask, spacing_mm: Points) -> Float:
    """Distance (mm) from the border: positive inside, negative outside."""
    if not mask.any():
        return np.full(mask.shape, -np.inf, np.float32)
    inside = ndimage.distance_transform_edt(mask, spacing_mm)
    outside = ndimage.distance_transform_edt(~mask, spacing_mm)
    return np.asarray(inside - outside, np.float32)
