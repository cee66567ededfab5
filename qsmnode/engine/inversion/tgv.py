"""Total generalised variation: from wrapped phase to susceptibility in one step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qsmnode.engine.box import Box
from qsmnode.engine.compiled import in_slabs
from qsmnode.engine.dipole import dipole_kernel
from qsmnode.engine.fourier import irfftn, rfftn
from qsmnode.engine.inversion import tgv_loops as loops
from qsmnode.engine.inversion.fit import fit_numbers
from qsmnode.engine.inversion.tgv_grids import INNER, Level, coarser, continued, finest
from qsmnode.engine.inversion.tgv_loops import Dual, Model, Primal
from qsmnode.engine.inversion.tgv_steps import EQUATION, laplacian_of_steps
from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.progress import ProgressCallback
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.engine.window import Window
from qsmnode.errors import EngineInputError

# sizes of the unknowns relative to chi in ppm, lengths in voxels: they balance the steps, and do not change
# what comes out in the end
FIRST_SCALE, EQUATION_SCALE, MISFIT_SCALE = 0.01, 0.1, 0.3
PADDING_MM = 12.0


@dataclass(frozen=True)
class Parameters:
    """Parameters of the inversion by total generalised variation."""

    alpha1: float = parameter(0.001, "weight of the first order", unit="ppm mm", low=1e-7, high=1.0)
    alpha0: float = parameter(0.003, "weight of the second order", unit="ppm mm^2", low=1e-7, high=1.0)
    tolerance: float = parameter(
        5e-4, "relative change in a step that ends a grid", unit="1", low=1e-7, high=0.1
    )
    iterations: int = parameter(1000, "most iterations on a grid", unit="1", low=1, high=100000)
    coarsest_mm: float = parameter(
        4.0, "coarser grids are used first as long as their voxels fit in", unit="mm", low=0.1, high=20.0
    )


@method(
    "inversion",
    "tgv",
    doi="10.1016/j.neuroimage.2015.02.041",
    parameters=Parameters,
    replaces=("background",),
)
def tgv(
    local_field_ppm: Float,
    mask: Mask,
    grid: Grid,
    weight: Float | None,
    parameters: Parameters,
    *,
    measured: Measured = NOTHING,
    progress: ProgressCallback | None = None,
) -> tuple[Float, dict[str, float]]:
    """Minimise 1/2 |W psi|^2 + alpha1 |grad chi - w|_1 + alpha0 |sym grad w|_1 from wrapped phase.

    The misfit psi obeys: Laplacian of psi = (1/3 Laplacian - (b grad)^2) chi - Laplacian of the field. The
    field's Laplacian needs no unwrapping, and knows nothing of sources outside the mask: their field is
    harmonic inside. So unwrapping, background removal and inversion are one problem, solved by steps that
    look at neighbours only. The equation holds where its stencil lies in the mask; in the rim beyond, chi is
    what generalised variation continues. Voxels whose phase lacks turns count little, and are kept from
    disturbing others.

    Args:
        local_field_ppm: (X, Y, Z); the field that other methods start from, not used here.
        mask: (X, Y, Z), where the phase is known.
        grid: geometry, with the direction of B0.
        weight: (X, Y, Z), 0..1, W; 1 everywhere if None. Where it is 0 the phase is not believed.
        parameters: regularisation and when to stop. The published weights suit one noisy echo; several good
            echoes bear a third of them.
        measured: phase (E, X, Y, Z), echo times and imaging frequency; the magnitude weighs the echoes.
        progress: called with the finished fraction.

    Returns:
        Susceptibility in ppm (X, Y, Z), 0 outside the mask, and numbers of quality: ``inversion_coverage`` is
        the part of the mask where the equation holds.

    Raises:
        EngineInputError: the phase, its echo times or the imaging frequency are missing or do not fit.

    Source: 10.1016/j.neuroimage.2015.02.041; steps: 10.1007/s10851-010-0251-1, with sizes after
    10.1109/ICCV.2011.6126441.
    """
    phase, rad_per_ppm = _phase_of(measured, grid)
    if not mask.any():
        return np.zeros(grid.shape, dtype=np.float32), _numbers_of_nothing()
    box = Box.around(mask, 0.0, grid.voxel_mm)
    magnitude = None if measured.magnitude is None else box.crop(measured.magnitude)
    trust = np.ones(grid.shape, dtype=np.float32) if weight is None else weight
    levels = [
        finest(box.crop(mask), box.crop(trust), box.grid(grid), (box.crop(phase), magnitude, rad_per_ppm))
    ]
    while (following := coarser(levels[-1], parameters.coarsest_mm)) is not None:
        levels.append(following)
    primal, iterations, changed = _solve(levels, parameters, progress)
    level = levels[0]
    numbers = {
        "inversion_iterations": float(iterations),
        "inversion_change": changed,
        "inversion_coverage": float(np.mean((level.near & EQUATION)[level.near > 0] > 0)),
        **_fit(primal, level),
    }
    return box.paste(primal.chi[INNER]), numbers


def _phase_of(measured: Measured, grid: Grid) -> tuple[Float, Float]:
    """The measured phase, and the phase of 1 ppm in each echo.

    Raises:
        EngineInputError: names what is missing.
    """
    phase, times, frequency = measured.phase, measured.echo_times_s, measured.imaging_frequency_mhz
    parts = {"phase": phase is not None, "echo_times_s": times, "imaging_frequency_mhz": frequency}
    missing = [name for name, part in parts.items() if not part]
    if phase is None or frequency is None or missing:
        names = ", ".join(missing)
        raise EngineInputError(f"measured: tgv starts from wrapped phase and needs {names}; use reconstruct")
    expected = (len(times), *grid.shape)
    for name, values in (("phase", phase), ("magnitude", measured.magnitude)):
        if values is not None and values.shape != expected:
            raise EngineInputError(f"measured.{name}: expected shape {expected}, got {values.shape}")
    return phase, np.array([2 * math.pi * frequency * t for t in times], dtype=np.float32)


def _solve(
    levels: list[Level], parameters: Parameters, progress: ProgressCallback | None
) -> tuple[Primal, int, float]:
    """From the coarsest grid to the finest: its unknowns, iterations and last change."""
    work = sum(level.near.size for level in levels)
    done = 0
    primal, dual = _nothing(levels[-1])
    for index in range(len(levels) - 1, -1, -1):
        level = levels[index]
        if index + 1 < len(levels):
            primal, dual = continued(primal, dual, levels[index + 1], level)

        def report(fraction: float, done: int = done, size: int = level.near.size) -> None:
            if progress is not None:
                progress((done + fraction * size) / work, "inversion")

        descent = _Descent(level, parameters)
        iterations, changed = descent.run(primal, dual, report)
        done += level.near.size
    return primal, iterations, changed


def _nothing(level: Level) -> tuple[Primal, Dual]:
    """All unknowns 0."""
    volume, vector, tensor = (np.zeros((*n, *level.near.shape), np.float32) for n in ((), (3,), (6,)))
    return (
        Primal(volume, vector, volume.copy()),
        Dual(vector.copy(), tensor, volume.copy()),
    )


class _Descent:
    """The primal-dual steps on one grid. Inside, its shortest voxel edge is the unit of length."""

    def __init__(self, level: Level, parameters: Parameters) -> None:
        self.parameters = parameters
        self.unit = min(level.voxel_mm)
        edges = [edge / self.unit for edge in level.voxel_mm]
        inverse = np.array([1 / edge for edge in edges], dtype=np.float32)
        wave = _wave(edges, level.b0_direction, level.is_mixed)
        self.up, self.down = _sizes(inverse, wave)
        self.model = Model(
            near=level.near,
            laplacian=laplacian_of_steps(level.steps, level.near, inverse**2),
            damping=(1 / (1 + self.down[2] * level.square)).astype(np.float32),
            inverse=inverse,
            plain=inverse**2,
            wave=wave,
        )
        self.limits = np.array(
            [parameters.alpha1 / self.unit, parameters.alpha0 / self.unit**2], dtype=np.float32
        )

    def run(self, primal: Primal, dual: Dual, report: Callable[[float], None]) -> tuple[int, float]:
        """Change ``primal`` and ``dual`` until the tolerance is reached; iterations and last change."""
        self._scale(primal, dual, self.unit)
        length = self.model.near.shape[0]
        ahead = Primal(*(part.copy() for part in primal))
        sums = np.zeros((length, 2))
        most = self.parameters.iterations
        for iteration in range(1, most + 1):
            in_slabs(loops.ascend, length, self.model, ahead, dual, self.up, self.limits)
            in_slabs(loops.descend, length, self.model, dual, primal, ahead, self.down, sums)
            changed, square = (float(s) for s in sums.sum(axis=0))
            change = math.sqrt(changed / square) if square > 0 else 0.0
            report(iteration / most)
            if change < self.parameters.tolerance:
                break
        self._scale(primal, dual, 1 / self.unit)
        return iteration, change

    @staticmethod
    def _scale(primal: Primal, dual: Dual, unit: float) -> None:
        """Lengths in mm become lengths in ``unit`` mm, in place."""
        primal.slope[...] *= np.float32(unit)
        dual.first[...] /= np.float32(unit)
        dual.second[...] /= np.float32(unit**2)
        dual.equation[...] /= np.float32(unit**2)


def _wave(edges: list[float], direction: tuple[float, float, float], mixed: bool) -> Float:
    """Factors of second differences xx, yy, zz, xy, xz, yz in 1/3 Laplacian - (b grad)^2."""
    along = [(1 / 3 - b * b) / edge**2 for b, edge in zip(direction, edges, strict=True)]
    across = [
        -direction[i] * direction[j] / (2 * edges[i] * edges[j]) if mixed else 0.0
        for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    return np.array(along + across, dtype=np.float32)


def _sizes(inverse: Float, wave: Float) -> tuple[Float, Float]:
    """Step sizes up (first, second, equation) and down (chi, slope, misfit).

    Each is the inverse of the sum of the operator's entries along that row or column: then steps of these
    sizes converge.
    """
    steepest, gradient = 2 * float(inverse.max()), 2 * float(inverse.sum())
    laplacian, dipole = 4 * float(np.sum(inverse**2)), 4 * float(np.abs(wave).sum())
    up = (
        FIRST_SCALE / (steepest + 1),
        FIRST_SCALE / (math.sqrt(2) * steepest),
        EQUATION_SCALE / (dipole + MISFIT_SCALE * laplacian),
    )
    down = (
        1 / (FIRST_SCALE * gradient + EQUATION_SCALE * dipole),
        1 / (FIRST_SCALE * (gradient + 1)),
        MISFIT_SCALE / (EQUATION_SCALE * laplacian),
    )
    return np.array(up, dtype=np.float32), np.array(down, dtype=np.float32)


def _fit(primal: Primal, level: Level) -> dict[str, float]:
    """Numbers of the fit to what the map and its misfit say that the local field is."""
    inside = level.near[INNER] > 0
    window = Window.around(inside, level.voxel_mm, PADDING_MM)
    chi, misfit, square = (window.cut(part[INNER]) for part in (primal.chi, primal.misfit, level.square))
    kernel = dipole_kernel(window.shape, level.voxel_mm, level.b0_direction)
    field = irfftn(rfftn(chi) * kernel, window.shape) - misfit
    return fit_numbers(chi, field * (square > 0), square, kernel)


def _numbers_of_nothing() -> dict[str, float]:
    names = ("iterations", "change", "coverage", "residual", "streak")
    return {f"inversion_{name}": 0.0 for name in names}
