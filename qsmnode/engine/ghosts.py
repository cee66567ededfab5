"""Ghosts of a head that moved: signal in the air beside it, along one axis more than along the others."""

from __future__ import annotations

import numpy as np
import scipy.ndimage

from qsmnode.engine.coarse import Coarse
from qsmnode.engine.types import Float, Grid, Mask

BLOCK_MM = 3.0
_MARGIN = 2  # blocks around the head that are neither head nor air
_FEWEST = 60  # blocks of air that a mean is taken over


def ghosting(magnitude: Float, head: Mask, grid: Grid, readout_axis: int | None = None) -> float | None:
    """Signal beside the head along the phase encoding, above that along the readout, over the head's.

    Args:
        magnitude: (X, Y, Z), one echo, finite.
        head: (X, Y, Z), its bright part: dark parts may be ghosts themselves.
        grid: geometry of both.
        readout_axis: 0 or 1, ghosts appear along the other one; if None they may appear along either.

    Returns:
        About 0 without ghosts. None where the image holds too little air to tell.
    """
    coarse = Coarse.of(grid.shape, grid.voxel_mm, BLOCK_MM)
    signal, share = coarse.mean(magnitude), coarse.mean(head.astype(np.float32))
    solid = share >= np.float32(0.5)
    if not solid.any():
        return None
    touched = scipy.ndimage.binary_dilation(share > 0, np.ones((3, 3, 3), np.bool_), iterations=_MARGIN)
    levels = []
    for axis in (0, 1):
        air = ~touched & solid.any(axis=axis, keepdims=True)
        if np.count_nonzero(air) < _FEWEST:
            return None
        levels.append(float(signal[air].mean(dtype=np.float64)))
    along_second = levels[1] - levels[0]
    if readout_axis in (0, 1):
        more = along_second if readout_axis == 0 else -along_second
    else:
        more = abs(along_second)
    return more / float(signal[solid].mean(dtype=np.float64))
