"""Weighted total variation by the alternating direction method of multipliers: the default inversion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmnode.engine.inversion.edges import edge_weights
from qsmnode.engine.inversion.fit import fit_numbers
from qsmnode.engine.inversion.noise import uncertainty_factor
from qsmnode.engine.inversion.tv_problem import Plan, Problem, Scene
from qsmnode.engine.levels import factors_of
from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.progress import ProgressCallback
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.volumes import masked, product
from qsmnode.engine.window import Window


@dataclass(frozen=True)
class Parameters:
    """Parameters of the weighted total-variation inversion."""

    alpha: float = parameter(
        7.5e-5,
        "weight of the total variation per ppb of the field's uncertainty",
        unit="ppm mm",
        low=1e-7,
        high=1.0,
    )
    model_error_ppm: float = parameter(
        2e-4, "uncertainty of the field beside its noise", unit="ppm", low=0.0, high=1.0
    )
    coupling: float = parameter(
        250.0, "penalty of the gradient split / alpha", unit="1/ppm", low=1.0, high=1e4
    )
    data_coupling: float = parameter(
        1.0, "penalty of the data split / the largest W^2", unit="1", low=0.01, high=100.0
    )
    tolerance: float = parameter(0.003, "relative change that ends it", unit="1", low=1e-5, high=0.1)
    iterations: int = parameter(150, "most iterations", unit="1", low=1, high=1000)
    outside: float = parameter(
        0.5, "total variation outside the mask relative to inside", unit="1", low=0.0, high=10.0
    )
    edges: float = parameter(
        0.6, "share of the magnitude's differences taken for edges", unit="1", low=0.01, high=0.99
    )
    at_edge: float = parameter(
        0.1, "total variation across edges of the magnitude, relative", unit="1", low=0.0, high=10.0
    )
    flat: float = parameter(
        2.0, "total variation where the magnitude is flat, relative", unit="1", low=0.0, high=10.0
    )
    refinements: int = parameter(
        0, "how often the field of outside sources is fitted anew", unit="1", low=0, high=20
    )
    projections: int = parameter(
        8,
        "iterations of each such fit on half the resolution, before one on the fine grid",
        unit="1",
        low=1,
        high=200,
    )
    padding_mm: float = parameter(12.0, "space around the mask", unit="mm", low=5.0, high=60.0)


@method("inversion", "tv", doi="10.1002/mrm.27073", parameters=Parameters)
def tv(
    local_field_ppm: Float,
    mask: Mask,
    grid: Grid,
    weight: Float | None,
    parameters: Parameters,
    *,
    measured: Measured = NOTHING,
    progress: ProgressCallback | None = None,
) -> tuple[Float, dict[str, float]]:
    """Minimise 1/2 |W (D chi + b - f)|^2 + alpha |G grad chi|_1, with W from the noise of each voxel.

    Background removal cannot tell the smooth part of the local field from background, and takes some of it
    away or leaves some background. Once a map is there, the field that it does not explain is projected onto
    the fields of sources outside the mask; that part, b, is taken out and the iteration goes on. What is left
    at the rim may become susceptibility outside the mask, where total variation counts less. G is small
    across edges of the magnitude and large along them and where it is flat: so folded cortex keeps its
    contrast, and a slow drift through connected white matter, which the field hardly tells, costs much.

    Args:
        local_field_ppm: (X, Y, Z), ppm.
        mask: (X, Y, Z), where it is known.
        grid: geometry, with the direction of B0.
        weight: (X, Y, Z), 0..1, W; 1 everywhere if None.
        parameters: regularisation and when to stop.
        measured: its magnitude gives G, which is 1 without it.
        progress: called with the finished fraction.

    Returns:
        Susceptibility in ppm (X, Y, Z), 0 outside the mask, and numbers of quality.

    Source: 10.1002/mrm.27073; G: 10.1002/mrm.22816; b: 10.1002/nbm.1670, and
    10.1002/mrm.26331 for the idea of estimating inside and outside sources together.
    """
    window = Window.around(mask, grid.voxel_mm, parameters.padding_mm, factors_of(grid.voxel_mm))
    scene = scene_of(window, local_field_ppm, mask, grid, weight, parameters, measured)

    def report(fraction: float) -> None:
        if progress is not None:
            progress(fraction, "inversion")

    uncertainty = uncertainty_factor(local_field_ppm, mask, weight, measured, parameters.model_error_ppm)
    plan = Plan(
        parameters.alpha * uncertainty,
        parameters.coupling,
        parameters.data_coupling,
        parameters.tolerance,
        parameters.iterations,
        parameters.refinements,
        parameters.projections,
    )
    problem = Problem(scene, plan)
    solution = problem.solve(report)
    chi = solution.chi
    chi[~scene.inside] = 0
    numbers = {
        "inversion_iterations": float(solution.iterations),
        "inversion_change": solution.change,
        "inversion_alpha": plan.alpha,
        **fit_numbers(chi, scene.field, scene.square, problem.kernel),
    }
    return window.paste(chi), numbers


def scene_of(
    window: Window,
    local_field_ppm: Float,
    mask: Mask,
    grid: Grid,
    weight: Float | None,
    parameters: Parameters,
    measured: Measured,
) -> Scene:
    """The padded arrays of an inversion on the finest grid."""
    inside = window.cut(mask)
    square = inside.astype(np.float32)
    if weight is not None:
        trust = masked(window.cut(weight), inside)
        square = product(trust, trust)
    # a value that nothing trusts would only stand in the way of the first steps
    field = masked(window.cut(local_field_ppm), square > 0)
    limits = np.empty((3, *inside.shape), np.float32)
    limits[:] = np.where(inside, np.float32(1), np.float32(parameters.outside))
    if measured.combined is not None:
        limits *= edge_weights(
            window.cut(measured.combined),
            inside,
            grid,
            edges=parameters.edges,
            at_edge=parameters.at_edge,
            flat=parameters.flat,
        )
    limits /= np.float32(parameters.coupling)
    return Scene(field, square, inside, limits, grid.voxel_mm, grid.b0_direction)
