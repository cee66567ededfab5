"""What the morphology-enabled inversion is given: phase with its trust, and the magnitude's edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.background.sphere import sphere_spectrum
from qsmnode.engine.fourier import Shape, irfftn, rfftn
from qsmnode.engine.types import Float, Grid, Mask

# a sphere counts as inside the mask from this part of its volume on
WHOLE = 0.999
# voxels of less than this part of the mean weight are not looked at when means over spheres are taken
TRUSTED = 0.1
# voxels whose residual is above this many standard deviations lose weight
CONSISTENT = 6.0


@dataclass
class Data:
    """Phase with its trust; MERIT lowers the trust where it does not fit.

    Attributes:
        phase: (X, Y, Z), rad.
        weight: (X, Y, Z), W, whose mean is 1 where it is above 0.
        kernel: (X, Y, Z // 2 + 1), from susceptibility to that phase.
        known: (X, Y, Z), where the phase is meant.
    """

    phase: Float
    weight: Float
    kernel: Float
    known: Mask

    @classmethod
    def of(cls, phase: Float, weight: Float, kernel: Float, inside: Mask, grid: Grid, smv_mm: float) -> Data:
        """Data without the means over spheres of radius ``smv_mm``, where such a sphere is in the mask.

        Args:
            phase: (X, Y, Z) padded, rad, 0 outside the mask.
            weight: (X, Y, Z) padded, 0 outside the mask.
            kernel: dipole kernel.
            inside: the mask, padded.
            grid: voxel sizes.
            smv_mm: 0 leaves everything as it is.
        """
        if smv_mm == 0:
            return cls(phase, _of_mean_one(weight), kernel, inside)
        shape: Shape = (phase.shape[0], phase.shape[1], phase.shape[2])
        sphere = sphere_spectrum(shape, grid.voxel_mm, smv_mm)

        def mean(values: Float) -> Float:
            spectrum = rfftn(values)
            spectrum *= sphere
            return irfftn(spectrum, shape)

        known = inside & (mean(inside.astype(np.float32)) > WHOLE)
        trusted = weight > TRUSTED * _mean_above_zero(weight)
        share = np.maximum(mean(trusted.astype(np.float32)), np.float32(1e-3))

        def filled(values: Float) -> Float:
            inner = np.where(trusted, values, np.float32(0))
            return np.where(trusted, inner, mean(inner) / share)

        smooth = filled(phase)
        variance = filled(np.square(np.float32(1) / np.maximum(weight, np.float32(1e-6))))
        spread = np.sqrt(np.maximum(variance + mean(variance), np.float32(1e-12)))
        usable = known & trusted
        lowered = np.where(usable, 1 / spread, np.float32(0)).astype(np.float32)
        local = np.where(known, smooth - mean(smooth), np.float32(0)).astype(np.float32)
        return cls(local, _of_mean_one(lowered), kernel * (np.float32(1) - sphere), known)

    def reweigh(self, difference: Float, nonlinear: bool) -> float:
        """MERIT: lower the weight where the predicted phase is off by ``difference``.

        Args:
            difference: (X, Y, Z), predicted minus measured phase, rad.
            nonlinear: whether it counts as the distance of two complex signals.

        Returns:
            The part of the known voxels that lost weight.

        Source: 10.1002/mrm.24272.
        """
        used = self.weight > 0
        if not used.any():
            return 0.0
        apart = self.weight * (2 * np.abs(np.sin(difference / 2)) if nonlinear else np.abs(difference))
        limit = CONSISTENT * float(np.std(apart[used], dtype=np.float64))
        if limit == 0:
            return 0.0
        excess = np.maximum(apart / np.float32(limit), np.float32(1))
        self.weight = _of_mean_one((self.weight / (excess * excess)).astype(np.float32))
        return float(np.mean(excess[used] > 1))


def flat_parts(magnitude: Float, inside: Mask, grid: Grid, edges: float) -> Float:
    """(3, X, Y, Z): 0 where the magnitude's difference to the next voxel is an edge, else 1.

    Args:
        magnitude: (X, Y, Z) padded, any unit.
        inside: the mask, padded.
        grid: voxel sizes.
        edges: how many of its three differences are edges, in the mean over the mask's voxels.

    Source: 10.1002/mrm.22816.
    """
    signal = np.where(inside, magnitude, np.float32(0))
    steps: npt.NDArray[np.float32] = np.stack(
        [
            np.abs(np.roll(signal, -1, axis) - signal) / np.float32(edge)
            for axis, edge in enumerate(grid.voxel_mm)
        ]
    )
    found = steps[:, inside]
    limit = float(np.quantile(found, 1.0 - edges / 3.0)) if found.size else 0.0
    return (steps <= limit).astype(np.float32)


def _of_mean_one(weight: Float) -> Float:
    mean = _mean_above_zero(weight)
    return weight / np.float32(mean) if mean > 0 else weight


def _mean_above_zero(weight: Float) -> float:
    used = weight > 0
    return float(np.mean(weight[used], dtype=np.float64)) if used.any() else 0.0
