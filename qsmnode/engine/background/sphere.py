"""Means over spheres, as a factor in k-space."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from qsmnode.engine.fourier import Shape, rfftn
from qsmnode.engine.types import Float, Mask


def sphere_spectrum(shape: Shape, voxel_mm: tuple[float, float, float], radius_mm: float) -> Float:
    """The transform of the mean over a sphere of voxels, on the half-space of a real transform.

    Args:
        shape: (X, Y, Z) of the array that is transformed.
        voxel_mm: voxel edges in mm.
        radius_mm: voxels whose centre is at most this far away belong to the sphere.

    Returns:
        (X, Y, Z // 2 + 1) float32, 1 at zero frequency; real because a sphere is even.
    """
    distances = [np.fft.fftfreq(n, 1.0 / n) * v for n, v in zip(shape, voxel_mm, strict=True)]
    x, y, z = np.ix_(*(d * d for d in distances))
    sphere = (x + y + z <= radius_mm * radius_mm * (1 + 1e-9)).astype(np.float32)
    sphere /= np.float32(sphere.sum(dtype=np.float64))
    return np.ascontiguousarray(rfftn(sphere).real)


def fitting(mask: Mask, voxel_mm: tuple[float, float, float], radius_mm: float) -> Mask:
    """Where a sphere lies in ``mask`` as a whole.

    Args:
        mask: (X, Y, Z) with a border of voxels outside it, as :class:`Window` cuts it.
        voxel_mm: voxel edges in mm.
        radius_mm: of the sphere, as in :func:`sphere_spectrum`.
    """
    depth = ndimage.distance_transform_edt(mask, sampling=voxel_mm)
    return np.asarray(depth > radius_mm * (1 + 1e-9)) & mask
