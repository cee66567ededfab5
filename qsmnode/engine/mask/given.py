"""The caller's own mask, and nothing in its place."""

from __future__ import annotations

from qsmnode.engine.registry import NoParameters, method
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.errors import EngineInputError


@method("mask", "given", doi="")
def given(magnitude: Float, voxel_quality: Float, grid: Grid, parameters: NoParameters) -> Mask:
    """The mask that the caller hands in; without one nothing is reconstructed.

    A mask that is handed in is used without asking this step, so that being asked means that there is none.

    Raises:
        EngineInputError: always.
    """
    raise EngineInputError("mask: the recipe wants a given mask, and none was given; hand one in")
