"""One total-variation inversion on one grid, by the alternating direction method of multipliers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.background.projection import TwoGrids
from qsmnode.engine.compiled import in_slabs, slab_edges
from qsmnode.engine.dipole import dipole_kernel
from qsmnode.engine.fourier import Shape, irfftn, rfftn
from qsmnode.engine.inversion import tv_loops as loops
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.volumes import difference, masked, scale

# between 1 and 2; 1.9 ends with a smaller error than 1.7 after as many iterations
RELAXATION = 1.9
# a map that still changes by this many tolerances is good enough to refine the field with
EARLY = 6.0
PROJECTION_TOLERANCE = 1e-4
# each fit's iterations on the fine grid, after the plan's on half the resolution
FINE_PROJECTIONS = 1


@dataclass(frozen=True)
class Scene:
    """What is known on one grid; every array is padded.

    Attributes:
        field: (X, Y, Z), ppm, 0 outside the mask.
        square: (X, Y, Z), W^2, 0 outside the mask.
        inside: (X, Y, Z), the mask.
        limits: (3, X, Y, Z), what a difference is shrunk by: the variation's weight on each axis / coupling.
        voxel_mm: voxel edges.
        b0_direction: unit vector in array axes.
    """

    field: Float
    square: Float
    inside: Mask
    limits: Float
    voxel_mm: tuple[float, float, float]
    b0_direction: tuple[float, float, float]


@dataclass(frozen=True)
class Plan:
    """How hard to regularise and when to stop."""

    alpha: float
    coupling: float
    data_coupling: float
    tolerance: float
    iterations: int
    refinements: int
    projections: int


@dataclass(frozen=True)
class Solution:
    """Where an iteration ended."""

    chi: Float
    iterations: int
    change: float


class Problem:
    """Minimise 1/2 |W (D chi - f)|^2 + alpha |G grad chi|_1 on one grid, axis by axis."""

    def __init__(self, scene: Scene, plan: Plan) -> None:
        self.scene, self.plan = scene, plan
        x, y, z = scene.field.shape
        self.shape: Shape = (x, y, z)
        self.inverse_edge = np.array([1.0 / v for v in scene.voxel_mm], dtype=np.float32)
        self.kernel = dipole_kernel(self.shape, scene.voxel_mm, scene.b0_direction)
        self.differences = self._squared_differences()
        self.projection: TwoGrids | None = None

    def _squared_differences(self) -> tuple[Float, Float, Float]:
        terms = []
        for n, inverse in zip(self.shape, self.inverse_edge, strict=True):
            step = (2.0 - 2.0 * np.cos(2.0 * np.pi * np.arange(n) / n)) * float(inverse) ** 2
            terms.append(step.astype(np.float32))
        return terms[0], terms[1], terms[2][: self.shape[2] // 2 + 1]

    def solve(self, report: Callable[[float], None]) -> Solution:
        """Iterate until the map changes by less than the tolerance."""
        scene, plan, length = self.scene, self.plan, self.shape[0]
        field = scene.field
        gradient = np.zeros((3, *self.shape), dtype=np.float32)
        chi, predicted, state = np.zeros_like(field), field, field.copy()
        from_gradient, from_data = np.empty_like(field), np.empty_like(field)
        sums = np.zeros((length, 2))
        refinements, changed, iteration = plan.refinements, np.inf, 0
        old = chi
        while True:
            self._gradient_step(chi, old, gradient, from_gradient, sums)
            changed = _relative(sums) if iteration else np.inf
            if iteration:
                report(iteration / plan.iterations)
            if refinements and changed < plan.tolerance * EARLY:
                field = self.refined(chi, field)
                refinements -= 1
            elif changed < plan.tolerance:
                break
            if iteration == plan.iterations:
                break
            in_slabs(
                loops.data_step, length, predicted, field, scene.square, plan.data_coupling, RELAXATION,
                state, from_data,
            )  # fmt: skip
            old = chi
            chi, predicted = self._step(from_gradient, from_data)
            iteration += 1
        return Solution(chi, iteration, float(changed))

    def _gradient_step(self, chi: Float, old: Float, state: Float, out: Float, sums: loops.Sums) -> None:
        scene, length = self.scene, self.shape[0]
        starts = np.array(slab_edges(length)[:-1])
        below = np.empty((starts.size, *self.shape[1:]), np.float32)
        loops.planes_below(starts, chi, scene.limits, self.inverse_edge, RELAXATION, state, below)
        in_slabs(
            loops.gradient_step, length, chi, old, scene.inside, scene.limits, self.inverse_edge,
            RELAXATION, state, starts, below, out, sums,
        )  # fmt: skip

    def field_of(self, chi: Float) -> Float:
        """D chi."""
        spectrum = rfftn(chi)
        scale(spectrum, self.kernel)
        return irfftn(spectrum, self.shape)

    def refined(self, chi: Float, field: Float) -> Float:
        """The field without what outside sources explain of it better than ``chi`` inside the mask does."""
        inside, scene = self.scene.inside, self.scene
        if self.projection is None:
            self.projection = TwoGrids(scene.square, ~inside, self.kernel, scene.voxel_mm, scene.b0_direction)
        explained = self.field_of(masked(chi, inside))
        rest = difference(field, explained, inside)
        background, _ = self.projection.background(
            rest, self.plan.projections, FINE_PROJECTIONS, PROJECTION_TOLERANCE
        )
        return difference(field, background, inside)

    def _step(self, from_gradient: Float, from_data: Float) -> tuple[Float, Float]:
        chi_spectrum, field_spectrum = rfftn(from_gradient), rfftn(from_data)
        in_slabs(
            loops.solve, self.shape[0], chi_spectrum, field_spectrum, self.kernel,
            self.plan.coupling * self.plan.alpha, self.plan.data_coupling, self.differences,
        )  # fmt: skip
        return irfftn(chi_spectrum, self.shape), irfftn(field_spectrum, self.shape)


def _relative(sums: npt.NDArray[np.float64]) -> float:
    changed, square = (float(s) for s in sums.sum(axis=0))
    return float(np.sqrt(changed / square)) if square > 0 else 0.0
