"""Texture inside the tissues: susceptibility that varies by 10-20 % over 2-6 mm, and by 5 ppb everywhere."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmnode.engine.compiled import compiled
from qsmnode.engine.types import Float
from qsmnode.phantom.anatomy import HeadShape, Labels
from qsmnode.phantom.tissues import AIR, BONE, EYE, VEIN

RELATIVE_SD = 0.15
EVERYWHERE_PPM = 0.005
_TILE = 64  # voxels of the noise tile; the pattern repeats after 64 mm


def noise_tiles(head: HeadShape) -> Float:
    """(2, 64, 64, 64) float32 noise on a 1 mm pitch, periodic, mean 0, SD 1, grains of 2 to 6 mm."""
    rng = head.generator("texture")
    tiles = np.empty((2, _TILE, _TILE, _TILE), np.float32)
    for n in range(2):
        white = rng.standard_normal((2, _TILE, _TILE, _TILE), dtype=np.float32)
        fine = ndimage.gaussian_filter(white[0], 1.0, mode="wrap")
        broad = ndimage.gaussian_filter(white[1], 2.2, mode="wrap")
        mixed = fine / fine.std() + broad / broad.std()
        tiles[n] = (mixed - mixed.mean()) / mixed.std()
    return tiles


@compiled
def _sample(tile: Float, x: float, y: float, z: float) -> float:
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    tx, ty, tz = x - fx, y - fy, z - fz
    i, j, k = int(fx) & 63, int(fy) & 63, int(fz) & 63
    i1, j1, k1 = (i + 1) & 63, (j + 1) & 63, (k + 1) & 63
    a = (tile[i, j, k] * (1 - tz) + tile[i, j, k1] * tz) * (1 - ty)
    a += (tile[i, j1, k] * (1 - tz) + tile[i, j1, k1] * tz) * ty
    b = (tile[i1, j, k] * (1 - tz) + tile[i1, j, k1] * tz) * (1 - ty)
    b += (tile[i1, j1, k] * (1 - tz) + tile[i1, j1, k1] * tz) * ty
    return float(a * (1 - tx) + b * tx)


@compiled
def add_texture(
    first: int,
    last: int,
    to_head: npt.NDArray[np.float64],
    tiles: Float,
    strength: float,
    label: Labels,
    chi: Float,
    density: Float,
) -> None:
    """Roughen susceptibility and density of planes ``first`` to ``last``; air, bone and eyes stay smooth."""
    _, ny, nz = chi.shape
    for i in range(first, last):
        for j in range(ny):
            for k in range(nz):
                found = label[i, j, k]
                if found in (AIR, BONE, EYE):
                    continue
                x = to_head[0, 0] * i + to_head[0, 1] * j + to_head[0, 2] * k + to_head[0, 3]
                y = to_head[1, 0] * i + to_head[1, 1] * j + to_head[1, 2] * k + to_head[1, 3]
                z = to_head[2, 0] * i + to_head[2, 1] * j + to_head[2, 2] * k + to_head[2, 3]
                grain = _sample(tiles[0], x, y, z)
                share = 0.05 if found == VEIN else RELATIVE_SD
                chi[i, j, k] *= 1.0 + strength * share * grain
                chi[i, j, k] += strength * EVERYWHERE_PPM * _sample(tiles[1], x + 17.0, y + 29.0, z + 41.0)
                density[i, j, k] *= 1.0 - strength * 0.04 * grain
