"""Morphology-enabled dipole inversion: flat where the magnitude has no edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qsmnode.engine.background.conjugate import dot, solved
from qsmnode.engine.compiled import in_slabs
from qsmnode.engine.dipole import dipole_kernel
from qsmnode.engine.fourier import Shape, irfftn, rfftn
from qsmnode.engine.inversion import medi_loops as loops
from qsmnode.engine.inversion.fit import fit_numbers
from qsmnode.engine.inversion.medi_data import Data, flat_parts
from qsmnode.engine.inversion.turns import without_lone_turns
from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.progress import ProgressCallback
from qsmnode.engine.reference.csf import fluid
from qsmnode.engine.reference.ventricles import Parameters as FluidParameters
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.window import Window
from qsmnode.errors import EngineInputError

# added to the square of a difference, (rad/mm)^2: where its absolute value is rounded off
SMOOTHING = 1e-6


@dataclass(frozen=True)
class Parameters:
    """Parameters of MEDI."""

    data_term: str = parameter(
        "nonlinear", "what differs: the complex signal, or phase", choices=("nonlinear", "linear")
    )
    fidelity: float = parameter(1000.0, "weight of the data (lambda)", unit="1/(rad mm)", low=1e-2, high=1e7)
    edges: float = parameter(
        0.9, "edges of the magnitude per voxel, of its three differences", unit="1", low=0.0, high=3.0
    )
    smv_mm: float = parameter(
        0.0,
        "radius of the spheres whose means are taken out, such as 5; 0: none",
        unit="mm",
        low=0.0,
        high=20.0,
    )
    merit: bool = parameter(False, "whether voxels that do not fit lose their weight")
    csf_zero: bool = parameter(False, "whether the ventricles' fluid is held uniform, and becomes zero")
    csf_lambda: float = parameter(
        100.0, "weight of the variance in the ventricles", unit="1/rad", low=0.0, high=1e6
    )
    tolerance: float = parameter(0.05, "relative change that ends it", unit="1", low=1e-4, high=0.5)
    iterations: int = parameter(10, "most Gauss-Newton iterations", unit="1", low=1, high=100)
    gradient_tolerance: float = parameter(
        0.03, "relative residual that ends the conjugate gradients of one iteration", low=1e-5, high=0.5
    )
    gradients: int = parameter(100, "most conjugate gradients of one iteration", unit="1", low=1, high=1000)
    padding_mm: float = parameter(12.0, "space around the mask", unit="mm", low=5.0, high=60.0)


@method("inversion", "medi", doi="10.1002/mrm.22816", parameters=Parameters)
def medi(
    local_field_ppm: Float,
    mask: Mask,
    grid: Grid,
    weight: Float | None,
    parameters: Parameters,
    *,
    measured: Measured = NOTHING,
    progress: ProgressCallback | None = None,
) -> tuple[Float, dict[str, float]]:
    """Minimise lambda/2 |W (exp(i s f) - exp(i s D chi))|^2 + |M grad s chi|_1, with M from the magnitude.

    M is 0 at edges of the magnitude and 1 elsewhere. s is the phase of 1 ppm, so that all terms are in rad; W
    has the mean 1. By Gauss-Newton steps, in each of which the absolute values are quadratic with weights of
    the step before, and which conjugate gradients solve. Means over spheres of ``smv_mm`` may be taken out of
    both f and D chi, against background that is left: then only voxels that far inside the mask tell of the
    map, and the rim is continued flat. MERIT lowers W where the phase does not fit. With ``csf_zero`` the
    variance in the ventricles' fluid is held down by csf_lambda/2 times its sum of squares, and the fluid's
    mean becomes zero (MEDI+0).

    Args:
        local_field_ppm: (X, Y, Z), f, ppm.
        mask: (X, Y, Z), where it is known.
        grid: geometry, with the direction of B0.
        weight: (X, Y, Z), 0..1, W; 1 everywhere if None.
        parameters: weight of the data, edges, options, and when to stop.
        measured: magnitude for M, ``rad_per_ppm`` for s; two echoes or more and their times for ``csf_zero``.
        progress: called with the finished fraction.

    Returns:
        Susceptibility in ppm (X, Y, Z), 0 outside the mask, and numbers of quality: beside the usual ones
        ``inversion_steps`` (conjugate gradients of all iterations), ``inversion_inconsistent_fraction``
        (voxels that MERIT holds back in the last iteration) and ``inversion_coverage`` (part of the mask
        whose phase is used).

    Raises:
        EngineInputError: the magnitude or the phase of 1 ppm is missing; with ``csf_zero`` also a second
            echo, or fluid that could be a ventricle.

    Source: 10.1002/mrm.22816; nonlinear, MERIT: 10.1002/mrm.24272; MEDI+0: 10.1002/mrm.26946.
    """
    scale, magnitude = _needed(measured)
    csf = _fluid(mask, grid, measured) if parameters.csf_zero else None
    window = Window.around(mask, grid.voxel_mm, max(parameters.padding_mm, parameters.smv_mm))
    inside = window.cut(mask)
    trust = inside.astype(np.float32) if weight is None else window.cut(weight * mask).astype(np.float32)
    phase = window.cut(np.where(mask, local_field_ppm * np.float32(scale), np.float32(0)).astype(np.float32))
    kernel = dipole_kernel(window.shape, grid.voxel_mm, grid.b0_direction)
    data = Data.of(phase, trust, kernel, inside, grid, parameters.smv_mm)
    flat = flat_parts(window.cut(magnitude), inside, grid, parameters.edges)
    problem = _Problem(data, flat, None if csf is None else window.cut(csf), inside, grid, parameters)
    numbers = problem.iterate(progress)
    chi = np.where(inside, problem.chi / np.float32(scale), np.float32(0)).astype(np.float32)
    numbers["inversion_coverage"] = float(np.mean(data.known[inside])) if mask.any() else 0.0
    numbers |= fit_numbers(chi, data.phase / np.float32(scale), data.weight**2, data.kernel)
    # without means of spheres slow changes have no power at all: that would look like streaks
    numbers["inversion_streak"] = fit_numbers(chi, phase, trust, kernel)["inversion_streak"]
    if csf is not None:
        level = np.float32(np.mean(window.paste(chi)[csf], dtype=np.float64))
        chi = np.where(inside, chi - level, np.float32(0)).astype(np.float32)
    return window.paste(chi), numbers


def _needed(measured: Measured) -> tuple[float, Float]:
    """The phase of 1 ppm in rad, and the magnitude."""
    scale, magnitude = measured.rad_per_ppm, measured.combined
    if magnitude is None:
        raise EngineInputError("medi: expected the magnitude, whose edges it looks at; pass magnitude")
    if scale is None or not scale > 0:
        raise EngineInputError(
            "medi: expected the phase of 1 ppm above 0 rad; pass rad_per_ppm (2 pi x MHz x echo time in s)"
        )
    return scale, magnitude


def _fluid(mask: Mask, grid: Grid, measured: Measured) -> Mask:
    """Where the ventricles' fluid is."""
    if measured.magnitude is None or len(measured.echo_times_s) < 2:
        raise EngineInputError(
            "medi: csf_zero needs the magnitude and times of at least 2 echoes to find the ventricles, got "
            f"{len(measured.echo_times_s)}; leave csf_zero off"
        )
    found = fluid(mask, grid, FluidParameters(), measured.magnitude, measured.echo_times_s)
    if not found.any():
        raise EngineInputError("medi: csf_zero found no fluid that could be a ventricle; leave csf_zero off")
    return found


class _Problem:
    """One inversion in rad: what stays the same, and where the iteration is."""

    def __init__(
        self,
        data: Data,
        flat: Float,
        csf: Mask | None,
        inside: Mask,
        grid: Grid,
        parameters: Parameters,
    ) -> None:
        self.data, self.flat, self.csf, self.inside = data, flat, csf, inside
        self.parameters = parameters
        self.shape: Shape = (inside.shape[0], inside.shape[1], inside.shape[2])
        self.nonlinear = parameters.data_term == "nonlinear"
        if self.nonlinear:
            data.phase = without_lone_turns(data.phase, data.weight)
        self.inverse_edge = np.array([1.0 / v for v in grid.voxel_mm], dtype=np.float32)
        self.chi = np.zeros(self.shape, dtype=np.float32)
        self.diffusivity = np.empty((3, *self.shape), dtype=np.float32)

    def iterate(self, progress: ProgressCallback | None) -> dict[str, float]:
        """Gauss-Newton steps until the map changes by less than the tolerance; numbers of quality."""
        limits = self.parameters
        steps, lost, changed = 0, 0.0, 0.0
        predicted = np.zeros_like(self.chi)
        for iteration in range(1, limits.iterations + 1):
            # from nowhere near, only a linear step goes to the right turn
            slope = self._slope(predicted - self.data.phase, self.nonlinear and iteration > 1)
            found = solved(self._curved, -slope, limits.gradients, limits.gradient_tolerance)
            steps += found.iterations
            self.chi += found.values
            predicted = self._filtered(self.chi)
            changed = self._relative(found.values)
            if progress is not None:
                progress(iteration / limits.iterations, "inversion")
            if changed < limits.tolerance and (iteration > 1 or not self.nonlinear):
                break
            if limits.merit:
                lost = self.data.reweigh(predicted - self.data.phase, self.nonlinear)
        return {
            "inversion_iterations": float(iteration),
            "inversion_change": changed,
            "inversion_steps": float(steps),
            "inversion_inconsistent_fraction": lost,
        }

    def _slope(self, difference: Float, nonlinear: bool) -> Float:
        """The gradient of what is minimised, with the absolute values made quadratic here."""
        in_slabs(
            loops.diffusivity,
            self.shape[0],
            self.chi,
            self.flat,
            self.inverse_edge,
            SMOOTHING,
            self.diffusivity,
        )
        return self._with_variation(self.chi, self._weighted(np.sin(difference) if nonlinear else difference))

    def _curved(self, direction: Float) -> Float:
        """The Gauss-Newton matrix times ``direction``."""
        return self._with_variation(direction, self._weighted(self._filtered(direction)))

    def _weighted(self, phase: Float) -> Float:
        square = self.data.weight * self.data.weight
        return self._filtered(np.float32(self.parameters.fidelity) * square * phase)

    def _with_variation(self, chi: Float, added: Float) -> Float:
        """``added``, and what the variation and the fluid's variance ask of ``chi``."""
        out = np.empty_like(chi)
        in_slabs(loops.diffused, self.shape[0], chi, self.diffusivity, self.inverse_edge, added, out)
        if self.csf is not None:
            level = np.float32(np.mean(chi[self.csf], dtype=np.float64))
            out[self.csf] += np.float32(self.parameters.csf_lambda) * (chi[self.csf] - level)
        return out

    def _filtered(self, values: Float) -> Float:
        spectrum = rfftn(values)
        spectrum *= self.data.kernel
        return irfftn(spectrum, self.shape)

    def _relative(self, step: Float) -> float:
        """Norm of the last step inside the mask over that of the map."""
        kept = np.where(self.inside, self.chi, np.float32(0))
        moved = np.where(self.inside, step, np.float32(0))
        square = dot(kept, kept)
        return float(np.sqrt(dot(moved, moved) / square)) if square > 0 else 0.0
