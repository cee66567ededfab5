"""Halving a grid and coming back: what is smooth is found on a coarse grid at an eighth of the cost."""

from __future__ import annotations

import numpy as np

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float

Factors = tuple[int, int, int]


def factors_of(voxel_mm: tuple[float, float, float]) -> Factors:
    """2 along the axes whose voxels are short, 1 along those that are long already."""
    shortest = min(voxel_mm)
    x, y, z = (2 if v < 1.5 * shortest else 1 for v in voxel_mm)
    return x, y, z


def halved(values: Float, factors: Factors) -> Float:
    """Mean over blocks of ``factors`` voxels.

    Args:
        values: (X, Y, Z) float32; each length a multiple of its factor.
        factors: 1 or 2 along each axis.
    """
    x, y, z = (n // f for n, f in zip(values.shape, factors, strict=True))
    out = np.empty((x, y, z), np.float32)
    in_slabs(_mean, x, values, factors, out)
    return out


def doubled(values: Float, factors: Factors) -> Float:
    """Linear interpolation from block centres back to voxels; periodic, as the arrays of transforms are.

    Args:
        values: (X, Y, Z) float32.
        factors: 1 or 2 along each axis.
    """
    x, y, z = (n * f for n, f in zip(values.shape, factors, strict=True))
    out = np.empty((x, y, z), np.float32)
    in_slabs(_interpolate, x, values, factors, out)
    return out


@compiled
def _mean(start: int, stop: int, values: Float, factors: Factors, out: Float) -> None:
    _, ny, nz = out.shape
    fx, fy, fz = factors
    share = np.float32(1.0 / (fx * fy * fz))
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                total = np.float32(0)
                for i in range(fx):
                    for j in range(fy):
                        for k in range(fz):
                            total += values[x * fx + i, y * fy + j, z * fz + k]
                out[x, y, z] = total * share


@compiled
def _interpolate(start: int, stop: int, values: Float, factors: Factors, out: Float) -> None:
    nx, ny, nz = values.shape
    fx, fy, fz = factors
    near, far = np.float32(0.75), np.float32(0.25)
    for x in range(start, stop):
        i = x // fx
        # the other block is the one on whose side the voxel lies
        i2 = i if fx == 1 else ((i - 1) % nx if x % 2 == 0 else (i + 1) % nx)
        for y in range(out.shape[1]):
            j = y // fy
            j2 = j if fy == 1 else ((j - 1) % ny if y % 2 == 0 else (j + 1) % ny)
            for z in range(out.shape[2]):
                k = z // fz
                k2 = k if fz == 1 else ((k - 1) % nz if z % 2 == 0 else (k + 1) % nz)
                a = near * values[i, j, k] + far * values[i, j, k2]
                b = near * values[i, j2, k] + far * values[i, j2, k2]
                c = near * values[i2, j, k] + far * values[i2, j, k2]
                d = near * values[i2, j2, k] + far * values[i2, j2, k2]
                out[x, y, z] = near * (near * a + far * b) + far * (near * c + far * d)
