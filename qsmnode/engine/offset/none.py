"""Leave the phase as it is."""

from __future__ import annotations

from collections.abc import Sequence

from qsmnode.engine.registry import NoParameters, method
from qsmnode.engine.types import Float, Grid, Mask


@method("offset", "none", doi="", parameters=NoParameters)
def none(
    phase: Float,
    magnitude: Float,
    echo_times_s: Sequence[float],
    grid: Grid,
    mask: Mask,
    parameters: NoParameters,
) -> tuple[Float, dict[str, float]]:
    """Keep the phase at echo time 0 in the data; for phase that has none, and for a single echo.

    Args:
        phase: (E, X, Y, Z), rad, wrapped.
        magnitude, echo_times_s, grid, mask, parameters: not looked at.

    Returns:
        The phase as it came, and ``offset_corrected`` = 0.
    """
    return phase, {"offset_corrected": 0.0}
