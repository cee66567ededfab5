"""Hybrid data fidelity: absolute misfit first, which bears bad voxels; then squares without those voxels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qsmnode.engine.compiled import in_slabs
from qsmnode.engine.fourier import irfftn, rfftn
from qsmnode.engine.inversion import admm_loops as loops
from qsmnode.engine.inversion.fit import fit_numbers
from qsmnode.engine.inversion.padded import Padded
from qsmnode.engine.inversion.variation import Variation, relative_change
from qsmnode.engine.measured import NOTHING, Measured
from qsmnode.engine.progress import ProgressCallback
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask

# from the multiplier (changed) and the predicted field to what the field is drawn to (changed)
Split = Callable[[Float, Float], None]

# ppm: no voxel loses all weight for less, however well the others fit
_HARMLESS = 1e-3


@dataclass(frozen=True)
class Parameters:
    """Parameters of HD-QSM."""

    alpha: float = parameter(
        1e-4, "weight of the total variation beside squares", unit="ppm", low=1e-7, high=1.0
    )
    alpha_absolute: float = parameter(
        0.03, "weight of the total variation beside absolute values", unit="mm", low=1e-4, high=10.0
    )
    bound: float = parameter(
        0.1,
        "misfit up to which the first stage takes a voxel along in one step",
        unit="ppm",
        low=1e-4,
        high=10.0,
    )
    coupling: float = parameter(
        100.0,
        "penalty of the gradient split / weight of the total variation",
        unit="mm/ppm",
        low=1.0,
        high=1e4,
    )
    medians: float = parameter(
        100.0,
        "misfit, in medians, at which a voxel has lost all weight at the latest",
        unit="1",
        low=3.0,
        high=1e6,
    )
    outside: float = parameter(
        0.3, "total variation outside the mask relative to inside", unit="1", low=0.0, high=10.0
    )
    tolerance: float = parameter(0.005, "relative change that ends a stage", unit="1", low=1e-5, high=0.1)
    first_iterations: int = parameter(20, "most iterations of the first stage", unit="1", low=1, high=1000)
    iterations: int = parameter(80, "most iterations of the second stage", unit="1", low=1, high=1000)
    padding_mm: float = parameter(12.0, "space around the mask", unit="mm", low=5.0, high=60.0)


@method("inversion", "hd_qsm", doi="10.1002/mrm.29218", parameters=Parameters)
def hd_qsm(
    local_field_ppm: Float,
    mask: Mask,
    grid: Grid,
    weight: Float | None,
    parameters: Parameters,
    *,
    measured: Measured = NOTHING,
    progress: ProgressCallback | None = None,
) -> tuple[Float, dict[str, float]]:
    """Hybrid data fidelity (HD-QSM): total variation with |W (D chi - f)|_1, then with |V (D chi - f)|^2 / 2.

    A voxel whose field is wrong pulls at the first map no harder than any other. What that map leaves
    unexplained there is the discrepancy r; V = W (1 - r / R), R being the largest r or so many medians of it,
    whichever is less: else one very bad voxel would acquit all others. The second stage goes on from the
    first map with squares, which fit Gaussian noise better.

    Args:
        local_field_ppm: (X, Y, Z), ppm.
        mask: (X, Y, Z), where it is known.
        grid: geometry, with the direction of B0.
        weight: (X, Y, Z), 0..1, W; 1 everywhere if None.
        parameters: regularisation and when to stop.
        measured: not used.
        progress: called with the finished fraction.

    Returns:
        Susceptibility in ppm (X, Y, Z), 0 outside the mask, and numbers of quality.

    Source: 10.1002/mrm.29218, with isotropic total variation.
    """
    given = Padded.of(local_field_ppm, mask, grid, weight, parameters.padding_mm)
    stages = _Stages(given, grid, parameters, progress)
    first, first_iterations = stages.absolute(given.trust)
    discrepancy = _discrepancy(stages.predicted - given.field, given.trust, parameters.medians)
    square = (given.trust * (1 - discrepancy)) ** 2
    chi, iterations, changed = stages.squares(first, square)
    chi[~given.inside] = 0
    known = given.trust > 0
    numbers = {
        "inversion_iterations": float(first_iterations + iterations),
        "inversion_first_iterations": float(first_iterations),
        "inversion_change": changed,
        "inversion_discrepancy": float(discrepancy[known].mean(dtype=np.float64)) if known.any() else 0.0,
        **fit_numbers(chi, given.field, square, given.kernel),
    }
    return given.window.paste(chi), numbers


def _discrepancy(misfit: Float, trust: Float, medians: float) -> Float:
    """|misfit| relative to its largest value, or to so many medians if that is less; 0..1."""
    size = np.abs(misfit)
    known = size[trust > 0]
    if not known.size:
        return np.zeros_like(size)
    most = min(float(known.max()), medians * float(np.median(known)))
    return np.minimum(size / np.float32(max(most, _HARMLESS)), np.float32(1))


class _Stages:
    """Both stages by the alternating direction method of multipliers; the second starts at the first map."""

    def __init__(
        self, given: Padded, grid: Grid, parameters: Parameters, progress: ProgressCallback | None
    ) -> None:
        self.field, self.inside, self.kernel = given.field, given.inside, given.kernel
        self.shape = given.window.shape
        self.parameters, self.progress = parameters, progress
        self.voxel_mm = grid.voxel_mm
        self.predicted = np.zeros_like(self.field)
        self.relative = np.where(self.inside, np.float32(1), np.float32(parameters.outside))

    def absolute(self, trust: Float) -> tuple[Float, int]:
        """Map of the first stage, and its iterations."""
        # the misfit's penalty is 1 / bound, everything is multiplied by bound: multipliers stay within it
        limit = trust * np.float32(self.parameters.bound)

        def split(multiplier: Float, target: Float) -> None:
            in_slabs(
                loops.split_absolute,
                self.shape[0],
                self.predicted,
                self.field,
                limit,
                multiplier,
                target,
            )

        weight = self.parameters.alpha_absolute * self.parameters.bound
        most = self.parameters.first_iterations
        chi, iterations, _ = self._run(np.zeros_like(self.field), weight, split, 0, most)
        return chi, iterations

    def squares(self, start: Float, square: Float) -> tuple[Float, int, float]:
        """Map of the second stage, its iterations, and its last change."""

        def split(multiplier: Float, target: Float) -> None:
            in_slabs(
                loops.split_square,
                self.shape[0],
                self.predicted,
                self.field,
                square,
                multiplier,
                target,
            )

        before, most = self.parameters.first_iterations, self.parameters.iterations
        return self._run(start, self.parameters.alpha, split, before, most)

    def _run(
        self, chi: Float, weight: float, split: Split, before: int, most: int
    ) -> tuple[Float, int, float]:
        """Iterate until the map changes by less than the tolerance; map, iterations, last change."""
        variation = Variation(
            np.float32(weight) * self.relative, self.voxel_mm, self.parameters.coupling * weight
        )
        variation.update(chi)
        inverse = self.kernel**2 + np.float32(variation.penalty) * variation.differences.squared()
        inverse[0, 0, 0] = np.inf  # no field tells the constant
        np.reciprocal(inverse, out=inverse)
        multiplier, target = np.zeros_like(self.field), np.zeros_like(self.field)
        whole = before + most if before else most + self.parameters.iterations
        changed = np.inf
        for iteration in range(1, most + 1):
            split(multiplier, target)
            spectrum = rfftn(target)
            spectrum *= self.kernel
            spectrum += np.float32(variation.penalty) * rfftn(variation.pull())
            spectrum *= inverse
            self.predicted = irfftn(spectrum * self.kernel, self.shape)
            new = irfftn(spectrum, self.shape)
            changed = relative_change(new, chi, self.inside)
            chi = new
            variation.update(chi)
            if self.progress is not None:
                self.progress((before + iteration) / whole, "inversion")
            if changed < self.parameters.tolerance:
                break
        return chi, iteration, changed
