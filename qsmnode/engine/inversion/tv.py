"""Weighted total variation by the alternating direction method of multipliers: the default inversion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import in_slabs
from qsmnode.engine.dipole import dipole_kernel
from qsmnode.engine.fourier import Shape, irfftn, rfftn
from qsmnode.engine.inversion import tv_loops as loops
from qsmnode.engine.inversion.fit import fit_numbers
from qsmnode.engine.progress import ProgressCallback
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.window import Window


@dataclass(frozen=True)
class Parameters:
    """Parameters of the weighted total-variation inversion."""

    alpha: float = parameter(1e-4, "weight of the total variation", unit="ppm", low=1e-7, high=1.0)
    coupling: float = parameter(
        50.0, "penalty of the gradient split / alpha", unit="1/ppm", low=1.0, high=1e4
    )
    tolerance: float = parameter(0.005, "relative change that ends it", unit="1", low=1e-5, high=0.1)
    iterations: int = parameter(150, "most iterations", unit="1", low=1, high=1000)
    outside: float = parameter(1.0, "total variation outside the mask relative to inside", low=0.0, high=10.0)
    padding_mm: float = parameter(20.0, "space around the mask", unit="mm", low=5.0, high=60.0)


@method("inversion", "tv", doi="10.1002/mrm.27073", parameters=Parameters)
def tv(
    local_field_ppm: Float,
    mask: Mask,
    grid: Grid,
    weight: Float | None,
    parameters: Parameters,
    *,
    magnitude: Float | None = None,
    rad_per_ppm: float | None = None,
    progress: ProgressCallback | None = None,
) -> tuple[Float, dict[str, float]]:
    """Minimise 1/2 |W (D chi - f)|^2 + alpha |grad chi|_1, with W from the noise of each voxel.

    Args:
        local_field_ppm: (X, Y, Z), ppm.
        mask: (X, Y, Z), where it is known.
        grid: geometry, with the direction of B0.
        weight: (X, Y, Z), 0..1, W; 1 everywhere if None.
        parameters: regularisation and when to stop.
        magnitude: not used.
        rad_per_ppm: not used: the data term is linear in ppm.
        progress: called with the finished fraction.

    Returns:
        Susceptibility in ppm (X, Y, Z), 0 outside the mask, and numbers of quality.

    Source: 10.1002/mrm.27073, with isotropic total variation.
    """
    window = Window.around(mask, grid.voxel_mm, parameters.padding_mm)
    inside = window.cut(mask)
    square = inside.astype(np.float32)
    if weight is not None:
        square *= window.cut(weight).astype(np.float32) ** 2
    field = window.cut(np.where(mask, local_field_ppm, np.float32(0)).astype(np.float32))
    problem = _Problem(field, square, inside, grid, parameters)
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

    def __init__(self, field: Float, square: Float, inside: Mask, grid: Grid, parameters: Parameters) -> None:
        self.field, self.square, self.inside = field, square, inside
        self.parameters = parameters
        self.shape: Shape = (field.shape[0], field.shape[1], field.shape[2])
        self.inverse_edge = np.array([1.0 / v for v in grid.voxel_mm], dtype=np.float32)
        self.kernel = dipole_kernel(self.shape, grid.voxel_mm, grid.b0_direction)
        self.penalty = 1.0
        gradient_penalty = parameters.coupling * parameters.alpha
        limits = 1.0 / parameters.coupling * np.array([parameters.outside, 1.0])
        self.shrinkage = limits[inside.astype(np.int8)].astype(np.float32)
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
        state = self.field.copy()
        from_data = np.zeros(self.shape, dtype=np.float32)
        from_gradient = np.zeros(self.shape, dtype=np.float32)
        chi = np.zeros(self.shape, dtype=np.float32)
        predicted = np.zeros(self.shape, dtype=np.float32)
        sums = np.zeros((self.shape[0], 2))
        changed = np.inf
        length = self.shape[0]
        limits = self.parameters
        for iteration in range(1, limits.iterations + 1):
            in_slabs(
                loops.update_data, length, predicted, self.field, self.square, self.penalty, state, from_data
            )
            in_slabs(loops.divergence, length, gradient, self.shrinkage, self.inverse_edge, from_gradient)
            new, predicted = self._step(from_gradient, from_data)
            in_slabs(loops.update_gradient, length, new, gradient, self.shrinkage, self.inverse_edge)
            in_slabs(loops.change, length, new, chi, self.inside, sums)
            chi = new
            changed = _relative(sums)
            if progress is not None:
                progress(iteration / limits.iterations, "inversion")
            if changed < limits.tolerance:
                break
        return chi, iteration, changed

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
