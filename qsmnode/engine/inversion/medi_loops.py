"""The voxel loops of the morphology-enabled inversion: each is one pass over memory."""

from __future__ import annotations

import math

import numpy as np

from qsmnode.engine.compiled import compiled
from qsmnode.engine.types import Float


@compiled
def diffusivity(
    start: int, stop: int, chi: Float, flat: Float, inverse_edge: Float, smoothing: float, out: Float
) -> None:
    """``out`` (3, X, Y, Z) becomes the weight of each squared difference that stands for its absolute value.

    ``flat`` (3, X, Y, Z) is 1 where the variation counts; ``smoothing`` is added to the square.
    """
    nx, ny, nz = chi.shape
    for x in range(start, stop):
        x1 = x + 1 if x + 1 < nx else 0
        for y in range(ny):
            y1 = y + 1 if y + 1 < ny else 0
            for z in range(nz):
                z1 = z + 1 if z + 1 < nz else 0
                here = chi[x, y, z]
                dx = (chi[x1, y, z] - here) * inverse_edge[0]
                dy = (chi[x, y1, z] - here) * inverse_edge[1]
                dz = (chi[x, y, z1] - here) * inverse_edge[2]
                out[0, x, y, z] = flat[0, x, y, z] / np.float32(math.sqrt(dx * dx + smoothing))
                out[1, x, y, z] = flat[1, x, y, z] / np.float32(math.sqrt(dy * dy + smoothing))
                out[2, x, y, z] = flat[2, x, y, z] / np.float32(math.sqrt(dz * dz + smoothing))


@compiled
def diffused(
    start: int, stop: int, chi: Float, weight: Float, inverse_edge: Float, added: Float, out: Float
) -> None:
    """``out`` becomes ``added`` plus the adjoint differences of weighted differences of ``chi``; periodic.

    Index -1 is the last voxel, as it should.
    """
    nx, ny, nz = chi.shape
    ax, ay, az = inverse_edge[0] ** 2, inverse_edge[1] ** 2, inverse_edge[2] ** 2
    for x in range(start, stop):
        x1 = x + 1 if x + 1 < nx else 0
        for y in range(ny):
            y1 = y + 1 if y + 1 < ny else 0
            for z in range(nz):
                z1 = z + 1 if z + 1 < nz else 0
                here = chi[x, y, z]
                along_x = weight[0, x - 1, y, z] * (here - chi[x - 1, y, z]) - weight[0, x, y, z] * (
                    chi[x1, y, z] - here
                )
                along_y = weight[1, x, y - 1, z] * (here - chi[x, y - 1, z]) - weight[1, x, y, z] * (
                    chi[x, y1, z] - here
                )
                along_z = weight[2, x, y, z - 1] * (here - chi[x, y, z - 1]) - weight[2, x, y, z] * (
                    chi[x, y, z1] - here
                )
                out[x, y, z] = added[x, y, z] + ax * along_x + ay * along_y + az * along_z
