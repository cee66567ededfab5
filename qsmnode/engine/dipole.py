"""The field of a magnetic dipole, in k-space, for any voxel shape and any direction of B0."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qsmnode.engine.arguments import all_finite, grid_of, volume
from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.fourier import Shape, fast_shape, irfftn, rfftn
from qsmnode.engine.types import Float, Grid
from qsmnode.engine.voxel_field import voxel_spectrum

Axis = npt.NDArray[np.floating]


def dipole_kernel(
    shape: Shape, voxel_mm: tuple[float, float, float], b0_direction: tuple[float, float, float]
) -> Float:
    """The dipole kernel D(k) = 1/3 - (k.b)^2 / |k|^2 on the half-space of a real transform.

    Args:
        shape: (X, Y, Z) of the array that is transformed.
        voxel_mm: voxel edges in mm; k is in 1/mm, so voxels need not be cubes.
        b0_direction: unit vector of B0 in array axes.

    Returns:
        (X, Y, Z // 2 + 1) float32, D(0) = 0. Field in ppm = D x susceptibility in ppm (10.1002/cmr.b.10083).
        It is even in k also at the highest frequency of an even axis, where a sign has no meaning: products
        of that axis with another one are left out there.
    """
    frequencies: list[Axis] = [np.fft.fftfreq(n, v) for n, v in zip(shape, voxel_mm, strict=True)]
    frequencies[2] = np.abs(frequencies[2][: shape[2] // 2 + 1])
    limited = [_without_highest(f, n) for f, n in zip(frequencies, shape, strict=True)]
    b0 = tuple(float(b) for b in b0_direction)
    kernel: Float = np.empty((shape[0], shape[1], shape[2] // 2 + 1), np.float32)
    in_slabs(_fill, shape[0], tuple(frequencies), tuple(limited), b0, kernel)
    return kernel


def _without_highest(frequency: Axis, count: int) -> Axis:
    limited = frequency.copy()
    if count % 2 == 0:
        limited[count // 2] = 0.0
    return limited


@compiled
def _fill(
    start: int,
    stop: int,
    frequencies: tuple[Axis, Axis, Axis],
    limited: tuple[Axis, Axis, Axis],
    b0_direction: tuple[float, float, float],
    kernel: Float,
) -> None:
    bx, by, bz = b0_direction
    for i in range(start, stop):
        x, cx = frequencies[0][i], limited[0][i]
        for j in range(kernel.shape[1]):
            y, cy = frequencies[1][j], limited[1][j]
            for k in range(kernel.shape[2]):
                z, cz = frequencies[2][k], limited[2][k]
                along = (x * bx) ** 2 + (y * by) ** 2 + (z * bz) ** 2
                along = along + 2 * (cx * cy * (bx * by) + cx * cz * (bx * bz) + cy * cz * (by * bz))
                square = x * x + y * y + z * z
                kernel[i, j, k] = 1.0 / 3.0 - along / square if square > 0 else 0.0


def forward_field(susceptibility_ppm: npt.NDArray[np.floating], grid: Grid) -> Float:
    """The field that a susceptibility distribution adds to B0.

    Args:
        susceptibility_ppm: (X, Y, Z) in ppm, relative to the surroundings (which are zero).
        grid: its geometry and the direction of B0.

    Returns:
        (X, Y, Z) float32, ppm of B0, averaged over each voxel; the source lies alone in space. Two voxels and
        more from the surface of a sphere of 8 voxels' radius it is within 1 % of the closed form's peak.

    Raises:
        EngineInputError: the array does not lie on ``grid``, or holds NaN or infinity, which would spread.

    Source: 10.1002/cmr.b.10083, 10.1088/0031-9155/48/15/102 and the sphere of Lorentz.

    Example:
        Two radii above its centre, a sphere of 0.3 ppm adds 2/3 x 0.3 / 2^3 = 0.025 ppm.

        >>> import numpy as np
        >>> from qsmnode.engine import Grid
        >>> grid = Grid(shape=(33, 33, 49), voxel_mm=(1, 1, 1), b0_direction=(0, 0, 1))
        >>> x, y, z = np.ogrid[-16:17, -16:17, -24:25]
        >>> sphere = 0.3 * (x**2 + y**2 + z**2 <= 8.0**2)
        >>> bool(abs(forward_field(sphere, grid)[16, 16, 24 + 16] - 0.025) < 0.001)
        True
    """
    name = "susceptibility_ppm"
    chi = all_finite(name, volume(name, susceptibility_ppm, grid_of("grid", grid).shape))
    shape = fast_shape(grid.shape, grid.shape)
    padded = np.zeros(shape, dtype=np.float32)
    inner = tuple(slice(0, n) for n in grid.shape)
    padded[inner] = chi
    spectrum = rfftn(padded)
    spectrum *= voxel_spectrum(shape, grid.voxel_mm, grid.b0_direction)
    return np.ascontiguousarray(irfftn(spectrum, shape)[inner])
