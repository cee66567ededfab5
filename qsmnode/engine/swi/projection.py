"""Minimum-intensity projection: dark veins of several slices in one."""

from __future__ import annotations

import numpy as np
import scipy.ndimage

from qsmnode.engine.types import Float, Mask


def minimum_projection(image: Float, slices: int, mask: Mask | None = None) -> Float:
    """The least value of ``slices`` neighbouring slices, for every slice.

    Args:
        image: (X, Y, Z), finite.
        slices: how many, >= 1; fewer at both ends of Z. An even count looks one slice farther up than down.
        mask: (X, Y, Z), voxels that count; all if None.

    Returns:
        (X, Y, Z) in the image's unit, 0 where none of the slices counts.
    """
    known = image if mask is None else np.where(mask, image, np.float32(np.inf))
    # past the ends the last slice is repeated, which is in the projection anyway
    origin = -1 if slices % 2 == 0 else 0
    least = scipy.ndimage.minimum_filter1d(known, slices, axis=2, mode="nearest", origin=origin)
    projection: Float = np.where(np.isfinite(least), least, np.float32(0)).astype(np.float32)
    return projection
