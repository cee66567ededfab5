"""The field of one uniformly magnetised voxel, averaged over each voxel around it, without periodic images.

Near the voxel from the folded spectrum of a small cell, farther out from the dipole in space with the voxel's
own extent as a correction. ``dipole_kernel`` is cut off at the grid's highest frequency instead: there it
jumps where B0 is oblique to the axes (the product of two frequencies changes its sign), and rings by 5 % of a
sphere's field two voxels from its surface; and its field is that of a whole lattice of copies of the array.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.fourier import Shape, Spectrum, fast_shape, irfftn, rfftn
from qsmnode.engine.types import Float

Numbers = npt.NDArray[np.float64]
Edges = tuple[float, float, float]

# in longest voxel edges: how far the small cell counts, and its size, whose images then are far
_NEAR = 6.0
_CELL = 32.0


def voxel_spectrum(shape: Shape, voxel_mm: Edges, b0_direction: Edges) -> Spectrum:
    """Spectrum of the field (ppm) of a voxel of 1 ppm, for arrays padded with zeros at least twofold.

    Args:
        shape: (X, Y, Z) of the padded array.
        voxel_mm: voxel edges in mm.
        b0_direction: unit vector of B0 in array axes.

    Returns:
        (X, Y, Z // 2 + 1) complex64; times the spectrum of susceptibility it is that of the field.

    Source: the dipole field of 10.1002/cmr.b.10083.
    """
    edges, b = np.array(voxel_mm, np.float64), np.array(b0_direction, np.float64)
    near_mm = _NEAR * max(voxel_mm)
    x, y, z = (math.ceil(_CELL * max(voxel_mm) / v) for v in voxel_mm)
    cell = fast_shape((x, y, z))
    near = irfftn(folded_kernel(cell, voxel_mm, b0_direction).astype(np.complex64), cell)
    field = np.empty(shape, np.float32)
    in_slabs(_field, shape[0], edges, b, near_mm, near, field)
    return rfftn(field)


def folded_kernel(shape: Shape, voxel_mm: Edges, b0_direction: Edges) -> Float:
    """The same field in a periodic array of ``shape``, on the half-space of a real transform.

    Sampling folds higher frequencies onto those of the grid, each weighted by the square of a voxel's
    transform, sinc^2 along each axis. The nearest one on each axis is taken in, and the weights add up to 1.

    Returns:
        (X, Y, Z // 2 + 1) float32, 0 at k = 0, even in k.
    """
    turns = [np.fft.fftfreq(n) for n in shape]
    turns[2] = np.abs(turns[2][: shape[2] // 2 + 1])
    folded = [np.stack([t, t - np.where(t >= 0, 1.0, -1.0)]) for t in turns]
    weights = [np.sinc(f) ** 2 for f in folded]
    frequencies = [f / v for f, v in zip(folded, voxel_mm, strict=True)]
    kernel = np.empty((shape[0], shape[1], shape[2] // 2 + 1), np.float32)
    in_slabs(_fold, shape[0], *frequencies, *weights, np.array(b0_direction, np.float64), kernel)
    kernel[0, 0, 0] = 0.0
    return kernel


@compiled
def _fold(
    start: int,
    stop: int,
    fx: Numbers,
    fy: Numbers,
    fz: Numbers,
    wx: Numbers,
    wy: Numbers,
    wz: Numbers,
    b: Numbers,
    kernel: Float,
) -> None:
    for i in range(start, stop):
        for j in range(kernel.shape[1]):
            for k in range(kernel.shape[2]):
                value, total = 0.0, 0.0
                for p in range(2):
                    for q in range(2):
                        for r in range(2):
                            x, y, z = fx[p, i], fy[q, j], fz[r, k]
                            square = x * x + y * y + z * z
                            weight = wx[p, i] * wy[q, j] * wz[r, k]
                            if square > 0.0:
                                along = x * b[0] + y * b[1] + z * b[2]
                                value += weight * (1.0 / 3.0 - along * along / square)
                            total += weight
                kernel[i, j, k] = value / total


@compiled
def _dipole(x: float, y: float, z: float, edges: Numbers, b: Numbers) -> float:
    """(3 cos^2 - 1) / r^3 and its second derivatives times edge^2 / 12: source and target are voxels."""
    square = x * x + y * y + z * z
    along = x * b[0] + y * b[1] + z * b[2]
    ex, ey, ez = edges[0] * edges[0], edges[1] * edges[1], edges[2] * edges[2]
    size = ex + ey + ez
    turned = ex * b[0] * b[0] + ey * b[1] * b[1] + ez * b[2] * b[2]
    mixed = ex * b[0] * x + ey * b[1] * y + ez * b[2] * z
    spread = ex * x * x + ey * y * y + ez * z * z
    fifth = square**-2.5
    point = (3.0 * along * along - square) * fifth
    bend = (
        105.0 * spread * along * along / (square * square)
        - 15.0 * (spread + size * along * along + 4.0 * mixed * along) / square
        + 3.0 * (size + 2.0 * turned)
    )
    return float(point + bend * fifth / 12.0)


@compiled
def _field(
    start: int, stop: int, edges: Numbers, b: Numbers, near_mm: float, near: Float, field: Float
) -> None:
    """Field at each displacement; those beyond half the array stand for negative ones."""
    nx, ny, nz = field.shape
    moment = edges[0] * edges[1] * edges[2] / (4.0 * math.pi)
    for i in range(start, stop):
        p = i if 2 * i < nx else i - nx
        for j in range(ny):
            q = j if 2 * j < ny else j - ny
            for k in range(nz):
                r = k if 2 * k < nz else k - nz
                x, y, z = p * edges[0], q * edges[1], r * edges[2]
                if x * x + y * y + z * z <= near_mm * near_mm:
                    field[i, j, k] = near[p, q, r]
                else:
                    field[i, j, k] = moment * _dipole(x, y, z, edges, b)
