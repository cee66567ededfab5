"""Whether a map has the sign that anatomy demands: deep nuclei are paramagnetic."""

from __future__ import annotations

import numpy as np

from qsmnode.engine.box import Box
from qsmnode.engine.measured import Measured
from qsmnode.engine.r2star.best import best
from qsmnode.engine.r2star.decay import is_equidistant
from qsmnode.engine.reference.ventricles import central_part
from qsmnode.engine.types import Float, Grid, Mask

_RADIUS_MM = 35.0
# of the middle of the brain: nuclei rich in iron, veins
_SHARE = 0.03
_FEWEST = 50


def sign_numbers(chi: Float, mask: Mask, grid: Grid, measured: Measured) -> dict[str, float]:
    """Susceptibility where the signal decays fastest in the middle of the brain, against the middle's median.

    Args:
        chi: (X, Y, Z), ppm.
        mask: (X, Y, Z), where ``chi`` is meant.
        grid: voxel sizes.
        measured: magnitude and echo times.

    Returns:
        ``susceptibility_at_fast_decay_ppm``, positive in every head; nothing where R2* is not known cheaply
        (three or more equidistant echoes) or the middle holds too few voxels.
    """
    if measured.magnitude is None or not is_equidistant(measured.echo_times_s):
        return {}
    middle = central_part(mask, grid, _RADIUS_MM)
    if np.count_nonzero(middle) * _SHARE < _FEWEST:
        return {}
    box = Box.around(middle, 0.0, grid.voxel_mm)
    inside = box.crop(middle)
    r2star = best(box.crop(measured.magnitude), measured.echo_times_s, inside, 0.0)
    rates, values = r2star[inside], box.crop(chi)[inside]
    fast = rates >= np.quantile(rates, 1 - _SHARE)
    contrast = float(np.median(values[fast]) - np.median(values))
    return {"susceptibility_at_fast_decay_ppm": contrast}
