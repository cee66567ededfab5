"""What is taken off a mask: poor phase, unusable voxels, and a rim without signal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qsmnode.engine.coarse import Coarse
from qsmnode.engine.mask.intensity import local_level, otsu
from qsmnode.engine.mask.morphology import dilated_mm, eroded_mm, filled, largest_part, rim
from qsmnode.engine.mask.neighbours import shrunk, spread_by
from qsmnode.engine.order import median
from qsmnode.engine.types import Float, Mask

NEAR_MM = 12.0  # width of the neighbourhood that a voxel's signal is compared with
NOISE_QUALITY = 0.2  # phase quality that noise does not reach: its 95th percentile is 0.05 to 0.11


def reliable(
    mask: Mask, noise: Float, residual: Float, *, noise_limit: float = 4.0, residual_limit: float = 0.3
) -> Mask:
    """The voxels whose field may be used, without those that are alone among unusable ones.

    A few bad voxels at the skull base decide the quality of what follows: their field is wrong by turns.

    Args:
        mask: (X, Y, Z).
        noise: (X, Y, Z), standard deviation of the field in any unit, 0 where there was no signal at all.
        residual: (X, Y, Z), what the fit of the echoes left unexplained / signal.
        noise_limit: in medians of the well-explained voxels.
        residual_limit: as ``residual``.

    Returns:
        (X, Y, Z): what is left after an opening by the six face neighbours. What lies outside the mask is no
        reason to open: the mask's own rim stays.
    """
    known = mask & np.isfinite(noise) & (noise > 0)
    explained = known & (residual <= residual_limit)
    if not explained.any():
        return explained
    good = explained & (noise <= noise_limit * median(noise, explained))
    core = shrunk(good | ~mask) & mask
    opened: Mask = spread_by(core) & good
    return opened


def smooth_phase(mask: Mask, voxel_quality: Float, head: Mask) -> Mask:
    """The part of a mask whose phase is smooth: one part without holes.

    Args:
        mask: (X, Y, Z).
        voxel_quality: (X, Y, Z), 0..1.
        head: (X, Y, Z), where there is any signal: tells good from poor quality.

    Returns:
        (X, Y, Z); empty where the phase is noise nearly everywhere.
    """
    if not mask.any() or not head.any():
        return np.zeros_like(mask)
    typical = median(voxel_quality, mask)
    if typical < NOISE_QUALITY:
        return np.zeros_like(mask)
    # where the qualities do not fall into two classes the threshold would cut through good voxels
    limit = min(otsu(voxel_quality[head]), 0.7 * typical)
    return filled(largest_part(mask & (voxel_quality > limit)))


def eroded(mask: Mask, layers: int, voxel_mm: Sequence[float]) -> Mask:
    """The mask without its outer ``layers`` mean voxel edges; the array's border is no outside.

    Thick slices are not taken off for a thin rim: four layers of 1 mm are one of 4 mm.
    """
    if layers < 1 or not mask.any():
        return mask.copy()
    reach = layers * float(np.prod(voxel_mm)) ** (1 / 3) * (1 + 1e-6)
    axes = [np.arange(-int(reach / v), int(reach / v) + 1) * v for v in voxel_mm]
    x, y, z = np.ix_(*(a * a for a in axes))
    ball = np.argwhere(x + y + z <= reach * reach) - [a.size // 2 for a in axes]
    return shrunk(mask, ball.astype(np.int64))


def peeled(
    mask: Mask, even: Float, voxel_mm: Sequence[float], *, share: float, rounds: int = 1, pits_mm: float = 0.0
) -> Mask:
    """The mask without rim voxels that are darker than ``share`` of the tissue around them.

    Args:
        mask: (X, Y, Z).
        even: (X, Y, Z), signal, any unit.
        voxel_mm: voxel edge lengths in mm.
        share: part of the local median of the signal in the mask.
        rounds: layers that may go; bright tissue ends it earlier.
        pits_mm: pits of up to twice this width come back: a small dark lesion at the rim is one, the skull
            is none.

    Returns:
        (X, Y, Z), one part.
    """
    if not mask.any() or share <= 0 or rounds < 1:
        return mask.copy()
    dark = even < share * local_level(even, mask, voxel_mm, NEAR_MM, 0.5)
    left = mask.copy()
    for _ in range(rounds):
        taken = rim(left) & dark
        if not taken.any():
            break
        left &= ~taken
    left = largest_part(left)
    if pits_mm > 0 and left.any():
        left |= _pits(left, pits_mm, voxel_mm) & mask
    return largest_part(left)


def _pits(mask: Mask, width_mm: float, voxel_mm: Sequence[float]) -> Mask:
    """What a closing by ``width_mm`` adds, in blocks of about 2 mm: distances on them are quick."""
    coarse = Coarse.of(mask.shape, voxel_mm, 2.0)
    full = coarse.mean(mask.astype(np.float32)) >= 0.75
    closed = eroded_mm(dilated_mm(full, width_mm, coarse.edge_mm), width_mm, coarse.edge_mm)
    return coarse.back(closed & ~full)
