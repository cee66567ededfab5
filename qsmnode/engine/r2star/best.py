"""R2* by whichever method suits the echo times, for steps that need a map of it."""

from __future__ import annotations

from collections.abc import Sequence

from qsmnode.engine.r2star import arlo, nlls
from qsmnode.engine.r2star.decay import is_equidistant
from qsmnode.engine.types import Float, Mask


def best(magnitude: Float, echo_times_s: Sequence[float], mask: Mask, noise: float = 0.0) -> Float:
    """R2* by ARLO where the echoes are equally far apart, else by non-linear least squares.

    Args:
        magnitude: (E, X, Y, Z), arbitrary units, >= 0, E >= 2.
        echo_times_s: E echo times in s, ascending.
        mask: (X, Y, Z), where to fit.
        noise: standard deviation of the signal's real and imaginary parts; 0 where not known.

    Returns:
        (X, Y, Z), 1/s, 0 to 500, 0 outside the mask.

    Raises:
        EngineInputError: there is only one echo.
    """
    if is_equidistant(echo_times_s):
        return arlo.arlo(magnitude, echo_times_s, mask, noise, arlo.Parameters())[0]
    return nlls.nlls(magnitude, echo_times_s, mask, noise, nlls.Parameters())[0]
