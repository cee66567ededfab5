"""Total variation with a term in the angle of the signal, and a harmonic part for what background is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmnode.engine.compiled import in_slabs
from qsmnode.engine.dipole import dipole_kernel
from qsmnode.engine.fourier import Shape, irfftn, rfftn
from qsmnode.engine.inversion import fansi_loops as loops
from qsmnode.engine.inversion.fit import fit_numbers
from qsmnode.engine.inversion.turns import without_lone_turns
from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.progress import ProgressCallback
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.window import Window
from qsmnode.errors import EngineInputError

PHASE_PENALTY = 1.0
# iterations in which a robust convex term leads every voxel near its minimum: the cosine has others as well
START = 10


@dataclass(frozen=True)
class Parameters:
    """Parameters of the nonlinear total-variation inversion."""

    data_term: str = parameter(
        "nonlinear", "what differs: the angle of the signal, or phase", choices=("nonlinear", "linear")
    )
    alpha: float = parameter(1e-3, "weight of the total variation", unit="rad mm", low=1e-8, high=10.0)
    coupling: float = parameter(
        100.0, "penalty of the gradient split / alpha", unit="1/rad", low=1.0, high=1e4
    )
    weak_harmonics: bool = parameter(True, "whether a harmonic part takes the background that is left")
    beta: float = parameter(
        150.0, "weight of the harmonic part's Laplacian inside the mask", unit="mm^4", low=1e-3, high=1e6
    )
    muh: float = parameter(3.0, "penalty of the Laplacian's split", unit="mm^4", low=1e-4, high=1e4)
    tolerance: float = parameter(0.005, "relative change that ends it", unit="1", low=1e-5, high=0.1)
    iterations: int = parameter(150, "most iterations", unit="1", low=1, high=1000)
    padding_mm: float = parameter(12.0, "space around the mask", unit="mm", low=5.0, high=60.0)


@method("inversion", "fansi", doi="10.1002/mrm.27073", parameters=Parameters)
def fansi(
    local_field_ppm: Float,
    mask: Mask,
    grid: Grid,
    weight: Float | None,
    parameters: Parameters,
    *,
    measured: Measured = NOTHING,
    progress: ProgressCallback | None = None,
) -> tuple[Float, dict[str, float]]:
    """Minimise sum W^2 (1 - cos(s (D chi + h - f))) + alpha |grad s chi|_1 + beta/2 |lap s h|^2 in the mask.

    s is the phase of 1 ppm, so that all terms are in rad. A voxel whose phase is off by a whole turn does no
    harm, and one that is far off less than with a linear term, W^2/2 (s (D chi + h - f))^2. The harmonic part
    h takes what background removal has left, and may be left out.

    Args:
        local_field_ppm: (X, Y, Z), f, ppm.
        mask: (X, Y, Z), where it is known.
        grid: geometry, with the direction of B0.
        weight: (X, Y, Z), 0..1, W; 1 everywhere if None.
        parameters: regularisation, data term, harmonic part, and when to stop.
        measured: its ``rad_per_ppm`` is s.
        progress: called with the finished fraction.

    Returns:
        Susceptibility in ppm (X, Y, Z), 0 outside the mask, and numbers of quality;
        ``inversion_harmonic_ppm`` is the standard deviation of h in the mask.

    Raises:
        EngineInputError: the phase of 1 ppm is not known.

    Source: 10.1002/mrm.27073, with isotropic total variation; h: 10.1002/mrm.27483.
    """
    scale = measured.rad_per_ppm
    if scale is None or not scale > 0:
        raise EngineInputError(
            "fansi: expected the phase of 1 ppm above 0 rad; pass rad_per_ppm (2 pi x MHz x echo time in s)"
        )
    window = Window.around(mask, grid.voxel_mm, parameters.padding_mm)
    inside = window.cut(mask)
    square = inside.astype(np.float32)
    if weight is not None:
        square *= window.cut(weight).astype(np.float32) ** 2
    field = window.cut(np.where(mask, local_field_ppm, np.float32(0)).astype(np.float32))
    problem = _Problem(field * np.float32(scale), square, inside, grid, parameters)
    iterations, changed = problem.iterate(progress)
    chi = problem.chi / np.float32(scale)
    harmonic = problem.harmonic() / np.float32(scale)
    chi[~inside] = 0
    numbers = {
        "inversion_iterations": float(iterations),
        "inversion_change": changed,
        "inversion_harmonic_ppm": float(np.std(harmonic[inside], dtype=np.float64)) if mask.any() else 0.0,
        **fit_numbers(chi, problem.phase / np.float32(scale) - harmonic, square, problem.kernel),
    }
    return window.paste(chi), numbers


class _Problem:
    """One inversion in rad: what stays the same, and where the iteration is."""

    def __init__(self, phase: Float, square: Float, inside: Mask, grid: Grid, parameters: Parameters) -> None:
        self.square, self.inside, self.parameters = square, inside, parameters
        self.shape: Shape = (phase.shape[0], phase.shape[1], phase.shape[2])
        self.nonlinear = parameters.data_term == "nonlinear"
        self.phase = without_lone_turns(phase, square) if self.nonlinear else phase
        self.kernel = dipole_kernel(self.shape, grid.voxel_mm, grid.b0_direction)
        self.inverse_edge = np.array([1.0 / v for v in grid.voxel_mm], dtype=np.float32)
        self.differences = self._squared_differences()
        self.gradient_penalty = parameters.coupling * parameters.alpha
        denominator = PHASE_PENALTY * self.kernel**2 + np.float32(self.gradient_penalty) * self.differences
        denominator[0, 0, 0] = 1.0
        self.gain_gradient = np.float32(self.gradient_penalty) / denominator
        self.gain_gradient[0, 0, 0] = 0.0
        self.gain_phase = np.float32(PHASE_PENALTY) * self.kernel / denominator
        self.penalties = np.array([self.gradient_penalty, PHASE_PENALTY, parameters.muh], dtype=np.float32)
        self.chi = np.zeros_like(phase)
        self.predicted = np.where(square > 0, self.phase, np.float32(0))
        self.gradient = np.zeros((3, *self.shape), dtype=np.float32)
        self.multiplier, self.from_phase, self.from_gradient = (np.zeros_like(phase) for _ in range(3))
        if parameters.weak_harmonics:
            self.laplacian, self.bend, self.from_laplacian = (np.zeros_like(phase) for _ in range(3))

    def _squared_differences(self) -> Float:
        terms = []
        for n, inverse in zip(self.shape, self.inverse_edge, strict=True):
            terms.append((2.0 - 2.0 * np.cos(2.0 * np.pi * np.arange(n) / n)) * float(inverse) ** 2)
        terms[2] = terms[2][: self.shape[2] // 2 + 1]
        x, y, z = np.ix_(*terms)
        return (x + y + z).astype(np.float32)

    def iterate(self, progress: ProgressCallback | None) -> tuple[int, float]:
        """Go on until the map changes by less than the tolerance; iterations and the last change."""
        limits = self.parameters
        changed = np.inf
        for iteration in range(1, limits.iterations + 1):
            before = self.chi
            started = not self.nonlinear or iteration > START
            self._update_splits(started)
            self._update_maps()
            changed = self._change(before)
            if progress is not None:
                progress(iteration / limits.iterations, "inversion")
            if changed < limits.tolerance and started:
                break
        return iteration, changed

    def _update_splits(self, started: bool) -> None:
        length, limits = self.shape[0], self.parameters
        goal = loops.NONLINEAR if self.nonlinear else loops.LINEAR
        in_slabs(
            loops.update_phase,
            length,
            self.predicted,
            self.phase,
            self.square,
            PHASE_PENALTY,
            goal if started else loops.ROBUST,
            self.multiplier,
            self.from_phase,
        )
        shrinkage = 1.0 / limits.coupling
        in_slabs(loops.adjoint, length, self.gradient, shrinkage, self.inverse_edge, self.from_gradient)
        if limits.weak_harmonics:
            share = limits.muh / (limits.beta + limits.muh)
            in_slabs(
                loops.update_laplacian,
                length,
                self.laplacian,
                self.inside,
                share,
                self.bend,
                self.from_laplacian,
            )

    def _update_maps(self) -> None:
        chi, phase = rfftn(self.from_gradient), rfftn(self.from_phase)
        length = chi.shape[0]
        if self.parameters.weak_harmonics:
            bent = rfftn(self.from_laplacian)
            in_slabs(
                loops.solve_both,
                length,
                chi,
                phase,
                bent,
                self.kernel,
                self.differences,
                self.penalties,
            )
            self.laplacian = irfftn(bent, self.shape)
        else:
            in_slabs(loops.solve, length, chi, phase, self.gain_gradient, self.gain_phase, self.kernel)
        self.chi, self.predicted = irfftn(chi, self.shape), irfftn(phase, self.shape)
        shrinkage = 1.0 / self.parameters.coupling
        in_slabs(loops.update_gradient, self.shape[0], self.chi, self.gradient, shrinkage, self.inverse_edge)

    def _change(self, before: Float) -> float:
        """Norm of the last change of the map inside the mask over that of the map."""
        kept = np.where(self.inside, self.chi, np.float32(0))
        step = np.where(self.inside, self.chi - before, np.float32(0))
        square = _square(kept)
        return float(np.sqrt(_square(step) / square)) if square > 0 else 0.0

    def harmonic(self) -> Float:
        """The harmonic phase (X, Y, Z), rad: what is predicted beyond the field of the map."""
        if not self.parameters.weak_harmonics:
            return np.zeros_like(self.chi)
        spectrum = rfftn(self.chi)
        spectrum *= self.kernel
        return self.predicted - irfftn(spectrum, self.shape)


def _square(values: Float) -> float:
    """Sum of squares, in an order that does not depend on threads."""
    return float(np.einsum("xyz,xyz->x", values, values, dtype=np.float64).sum())
