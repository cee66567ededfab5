"""The engine: from multi-echo gradient-echo data to susceptibility, in numpy and numba.

Knows no DICOM, YAML or SQL; import it in a notebook::

    from qsmnode.engine import EchoStack, Grid, Recipe, reconstruct

    grid = Grid(shape=(X, Y, Z), voxel_mm=(1, 1, 1), b0_direction=(0, 0, 1))
    stack = EchoStack(magnitude, phase, echo_times_s, imaging_frequency_mhz, grid)
    maps = reconstruct(stack, Recipe.preset("default"))
"""

from qsmnode.engine.dipole import forward_field
from qsmnode.engine.images import (
    minimum_intensity_projection,
    r2star,
    separate_sources,
    susceptibility_weighted,
)
from qsmnode.engine.pipeline import reconstruct
from qsmnode.engine.recipe import ENGINE_VERSION, Recipe
from qsmnode.engine.registry import load_methods, methods
from qsmnode.engine.steps import invert, remove_background, unwrap
from qsmnode.engine.types import EchoStack, Grid, Maps
from qsmnode.errors import EngineInputError

# before any name is used: the step folders declare their methods when they are imported, and the folders
# `unwrap` and `r2star` must not take the place of the functions afterwards
load_methods()

__all__ = [
    "ENGINE_VERSION",
    "EchoStack",
    "EngineInputError",
    "Grid",
    "Maps",
    "Recipe",
    "forward_field",
    "invert",
    "methods",
    "minimum_intensity_projection",
    "r2star",
    "reconstruct",
    "remove_background",
    "separate_sources",
    "susceptibility_weighted",
    "unwrap",
]
