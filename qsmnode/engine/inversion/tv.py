"""Weighted total variation by the alternating direction method of multipliers: the default inversion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.background.projection import Projection
from qsmnode.engine.compiled import in_slabs
from qsmnode.engine.dipole import dipole_kernel
from qsmnode.engine.fourier import Shape, irfftn, rfftn
from qsmnode.engine.inversion import tv_loops as loops
from qsmnode.engine.inversion.edges import edge_weights
from qsmnode.engine.inversion.fit import fit_numbers
from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.progress import ProgressCallback
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.window import Window

# a map that still changes by this many tolerances is good enough to refine the field with
EARLY = 4.0
PROJECTION_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Parameters:
    """Parameters of the weighted total-variation inversion."""

    alpha: float = parameter(1e-4, "weight of the total variation", unit="ppm", low=1e-7, high=1.0)
    coupling: float = parameter(
        100.0, "penalty of the gradient split / alpha", unit="1/ppm", low=1.0, high=1e4
    )
    tolerance: float = parameter(0.005, "relative change that ends it", unit="1", low=1e-5, high=0.1)
    iterations: int = parameter(150, "most iterations", unit="1", low=1, high=1000)
    outside: float = parameter(
        0.1, "total variation outside the mask relative to inside", unit="1", low=0.0, high=10.0
    )
    edges: float = parameter(
        0.5, "share of voxels taken for edges of the magnitude", unit="1", low=0.01, high=0.99
    )
    at_edge: float = parameter(
        0.1, "total variation at edges of the magnitude, relative", unit="1", low=0.0, high=10.0
    )
    flat: float = parameter(
        3.0, "total variation where the magnitude is flat, relative", unit="1", low=0.0, high=10.0
    )
    refinements: int = parameter(
        3, "how often the field of outside sources is fitted anew", unit="1", low=0, high=20
    )
    projections: int = parameter(8, "iterations of each such fit", unit="1", low=1, high=200)
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
    at the rim may become susceptibility outside the mask, where total variation counts less. G is small at
    edges of the magnitude and large where it is flat: so folded cortex keeps its contrast, and a slow drift
    through connected white matter, which the field hardly tells, costs much.

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

    Source: 10.1002/mrm.27073, with isotropic total variation; G: 10.1002/mrm.22816; b: 10.1002/nbm.1670, and
    10.1002/mrm.26331 for the idea of estimating inside and outside sources together.
    """
    window = Window.around(mask, grid.voxel_mm, parameters.padding_mm)
    inside = window.cut(mask)
    square = inside.astype(np.float32)
    if weight is not None:
        square *= window.cut(weight).astype(np.float32) ** 2
    field = window.cut(np.where(mask, local_field_ppm, np.float32(0)).astype(np.float32))
    variation = None
    if measured.combined is not None:
        variation = edge_weights(
            window.cut(measured.combined),
            inside,
            grid,
            edges=parameters.edges,
            at_edge=parameters.at_edge,
            flat=parameters.flat,
        )
    problem = _Problem(field, square, inside, grid, parameters, variation)
    chi, iterations, changed = problem.solve(progress)
    chi[~inside] = 0
    numbers = {
        "inversion_iterations": float(iterations),
        "inversion_change": changed,
        **fit_numbers(chi, field, square, problem.kernel),
    }
    return window.paste(chi), numbers


class _Problem:
    """One inversion: what stays the same from iteration to iteration."""

    def __init__(
        self,
        field: Float,
        square: Float,
        inside: Mask,
        grid: Grid,
        parameters: Parameters,
        variation: Float | None,
    ) -> None:
        self.field, self.square, self.inside = field, square, inside
        self.parameters = parameters
        self.shape: Shape = (field.shape[0], field.shape[1], field.shape[2])
        self.inverse_edge = np.array([1.0 / v for v in grid.voxel_mm], dtype=np.float32)
        self.kernel = dipole_kernel(self.shape, grid.voxel_mm, grid.b0_direction)
        self.penalty = 1.0
        self.projection = Projection(square, ~inside, self.kernel)
        gradient_penalty = parameters.coupling * parameters.alpha
        limits = 1.0 / parameters.coupling * np.array([parameters.outside, 1.0])
        self.shrinkage = limits[inside.astype(np.int8)].astype(np.float32)
        if variation is not None:
            self.shrinkage *= variation
        denominator = (
            self.penalty * self.kernel**2 + np.float32(gradient_penalty) * self._squared_differences()
        )
        denominator[0, 0, 0] = 1.0
        self.gain_gradient = (gradient_penalty / denominator).astype(np.float32)
        self.gain_data = (self.penalty * self.kernel / denominator).astype(np.float32)
        self.gain_gradient[0, 0, 0] = 0.0

    def _squared_differences(self) -> Float:
        terms = []
        for n, inverse in zip(self.shape, self.inverse_edge, strict=True):
            terms.append((2.0 - 2.0 * np.cos(2.0 * np.pi * np.arange(n) / n)) * float(inverse) ** 2)
        terms[2] = terms[2][: self.shape[2] // 2 + 1]
        x, y, z = np.ix_(*terms)
        return (x + y + z).astype(np.float32)

    def solve(self, progress: ProgressCallback | None) -> tuple[Float, int, float]:
        """Iterate until the map changes by less than the tolerance; map, iterations, last change."""
        gradient = np.zeros((3, *self.shape), dtype=np.float32)
        state, field = self.field.copy(), self.field
        from_data, from_gradient, chi, predicted = (np.zeros_like(field) for _ in range(4))
        sums = np.zeros((self.shape[0], 2))
        changed = np.inf
        length = self.shape[0]
        limits = self.parameters
        refinements = limits.refinements
        for iteration in range(1, limits.iterations + 1):
            in_slabs(loops.update_data, length, predicted, field, self.square, self.penalty, state, from_data)
            in_slabs(loops.divergence, length, gradient, self.shrinkage, self.inverse_edge, from_gradient)
            new, predicted = self._step(from_gradient, from_data)
            in_slabs(loops.update_gradient, length, new, gradient, self.shrinkage, self.inverse_edge)
            in_slabs(loops.change, length, new, chi, self.inside, sums)
            chi = new
            changed = _relative(sums)
            if progress is not None:
                progress(iteration / limits.iterations, "inversion")
            if refinements and changed < limits.tolerance * EARLY:
                field = self._refined(chi)
                refinements -= 1
            elif changed < limits.tolerance:
                break
        return chi, iteration, changed

    def _refined(self, chi: Float) -> Float:
        """The field without what outside sources explain of it better than ``chi`` inside the mask does."""
        spectrum = rfftn(np.where(self.inside, chi, np.float32(0)))
        spectrum *= self.kernel
        explained = irfftn(spectrum, self.shape)
        rest = self.projection.removed(
            self.field - explained, self.parameters.projections, PROJECTION_TOLERANCE
        )
        return np.where(self.inside, explained + rest, np.float32(0))

    def _step(self, from_gradient: Float, from_data: Float) -> tuple[Float, Float]:
        chi_spectrum, field_spectrum = rfftn(from_gradient), rfftn(from_data)
        in_slabs(
            loops.solve,
            chi_spectrum.shape[0],
            chi_spectrum,
            field_spectrum,
            self.gain_gradient,
            self.gain_data,
            self.kernel,
        )
        return irfftn(chi_spectrum, self.shape), irfftn(field_spectrum, self.shape)


def _relative(sums: npt.NDArray[np.float64]) -> float:
    changed, square = (float(s) for s in sums.sum(axis=0))
    return float(np.sqrt(changed / square)) if square > 0 else 0.0
