"""Single voxels of wrong phase that a line explains passably by chance: nothing around agrees with them."""

from __future__ import annotations

import numpy as np

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float, Mask

# the misfit of the echoes in standard deviations of noise, and the distance from the neighbours' median in
# their own spreads, beyond which a voxel is one; veins and lesions reach the one or the other. Of 155,000
# voxels of 2 mm at most 3 of a head are beyond both
_STRAIN = 5.0
_APART = 5.0
# so many neighbours have to be known
_FEWEST = 6


def outliers(
    field: Float, residual: Float, sigma: Float, magnitude: Float, noise: float, usable: Mask
) -> Mask:
    """Voxels whose echoes do not lie on a line, and whose field is not that of the voxels around.

    Args:
        field: (X, Y, Z), Hz.
        residual: (X, Y, Z), what the fit of the echoes left unexplained / signal.
        sigma: (X, Y, Z), standard deviation of the field in Hz.
        magnitude: (E, X, Y, Z).
        noise: standard deviation of the signal's real and imaginary parts.
        usable: (X, Y, Z), the voxels that are looked at.

    Returns:
        (X, Y, Z); none for a single echo, which always lies on a line.
    """
    found: Mask = np.zeros(usable.shape, np.bool_)
    freedom = magnitude.shape[0] - 1
    if freedom > 0 and noise > 0:
        least = (_STRAIN * noise) ** 2 * freedom
        in_slabs(_find, usable.shape[0], field, residual, sigma, magnitude, least, usable, found)
    return found


@compiled
def _find(
    start: int,
    stop: int,
    field: Float,
    residual: Float,
    sigma: Float,
    magnitude: Float,
    least: float,
    usable: Mask,
    found: Mask,
) -> None:
    echoes, _, ny, nz = magnitude.shape
    around = np.empty(26, np.float64)
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                if not usable[x, y, z]:
                    continue
                power = 0.0
                for e in range(echoes):
                    power += np.float64(magnitude[e, x, y, z]) ** 2
                if np.float64(residual[x, y, z]) ** 2 * power <= least:
                    continue
                known = _neighbours(field, usable, x, y, z, around)
                if known < _FEWEST:
                    continue
                middle = np.median(around[:known])
                spread = 1.4826 * np.median(np.abs(around[:known] - middle))
                found[x, y, z] = abs(field[x, y, z] - middle) > _APART * max(spread, sigma[x, y, z])


@compiled
def _neighbours(field: Float, usable: Mask, x: int, y: int, z: int, around: Float) -> int:
    """Write the field of the usable ones of 26 neighbours to ``around``; returns how many there are."""
    known = 0
    for i in range(max(0, x - 1), min(field.shape[0], x + 2)):
        for j in range(max(0, y - 1), min(field.shape[1], y + 2)):
            for k in range(max(0, z - 1), min(field.shape[2], z + 2)):
                if usable[i, j, k] and (i != x or j != y or k != z):
                    around[known] = field[i, j, k]
                    known += 1
    return known
