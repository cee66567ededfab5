"""Deep nuclei by the atlas, which a site may not have installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from qsmnode.engine.types import Float, Maps
from qsmnode.measure.grids import Affine
from qsmnode.node.regions.drawn import Drawn, failed

_FINDER = "qsmnode.measure.nuclei"


def why_unavailable() -> str:
    """Why nuclei cannot be found on this machine, "" where they can."""
    try:
        return str(_finder().available())
    except ImportError as error:
        return f"the finder cannot be loaded ({error}); install the extra [atlas]"


def draw_nuclei(maps: Maps, affine: Affine, magnitude: Float, echo_times_s: Sequence[float]) -> Drawn:
    """Find them.

    Args:
        maps: finished.
        affine: (4, 4), index of the maps to patient LPS in mm.
        magnitude: (E, X, Y, Z) on the same grid, and its E echo times.
    """
    why = why_unavailable()
    if why:
        return failed("regions_unavailable", f"nuclei: {why}")
    return Drawn(tuple(_finder().find_nuclei(maps, affine, magnitude, echo_times_s)))


def _finder() -> Any:
    """Loaded only where it is asked for: its libraries are large, and an extra."""
    return import_module(_FINDER)
