"""Projection onto dipole fields: the background is what sources outside the mask can explain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qsmnode.engine.background.conjugate import weighted_square
from qsmnode.engine.background.projection import TwoGrids
from qsmnode.engine.dipole import dipole_kernel
from qsmnode.engine.levels import factors_of
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.volumes import difference, masked, product
from qsmnode.engine.window import Window


@dataclass(frozen=True)
class Parameters:
    """Parameters of PDF."""

    iterations: int = parameter(5, "most iterations", unit="1", low=1, high=1000)
    coarse_iterations: int = parameter(
        40, "most iterations on half the resolution before", unit="1", low=0, high=1000
    )
    tolerance: float = parameter(0.002, "relative gradient that ends it", unit="1", low=1e-6, high=0.5)
    padding_mm: float = parameter(20.0, "room for sources around the mask", unit="mm", low=5.0, high=80.0)


@method("background", "pdf", doi="10.1002/nbm.1670", parameters=Parameters)
def pdf(
    field: Float, mask: Mask, grid: Grid, weight: Float | None, parameters: Parameters
) -> tuple[Float, Mask, dict[str, float]]:
    """Projection onto dipole fields (PDF), weighted.

    Finds sources b outside the mask that minimise |W (f - D b)| in the mask, by conjugate gradients on the
    normal equations; the local field is f - D b.

    Args:
        field: (X, Y, Z), any unit.
        mask: (X, Y, Z), where ``field`` is known.
        grid: geometry, with the direction of B0.
        weight: (X, Y, Z), 0..1, W; 1 everywhere if None.
        parameters: when to stop, and how much room the sources get.

    Returns:
        Local field in the unit of ``field``, 0 outside, the whole mask, and numbers of quality.

    Source: 10.1002/nbm.1670.
    """
    window = Window.around(mask, grid.voxel_mm, parameters.padding_mm, factors_of(grid.voxel_mm))
    inside = window.cut(mask)
    known = masked(window.cut(field), inside)
    square = inside.astype(np.float32)
    if weight is not None:
        trust = masked(window.cut(weight), inside)
        square = product(trust, trust)
    kernel = dipole_kernel(window.shape, grid.voxel_mm, grid.b0_direction)
    grids = TwoGrids(square, ~inside, kernel, grid.voxel_mm, grid.b0_direction)
    fine = grids.fine
    known -= np.float32(fine.mean(known))
    background, done = grids.background(
        known, parameters.coarse_iterations, parameters.iterations, parameters.tolerance
    )
    local = difference(known, background, inside)
    left, given = (math.sqrt(weighted_square(f, square) / max(fine.total, 1e-30)) for f in (local, known))
    numbers = {"background_iterations": float(done), "background_residual": left / given if given else 0.0}
    return window.paste(local), mask.copy(), numbers
