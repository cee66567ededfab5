"""Least-squares phase in the part around open fringe lines: continuous where whole turns cannot be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from qsmnode.engine.box import Box
from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.unwrap.edges import Weights
from qsmnode.engine.wrapping import in_one_turn

Doubles = npt.NDArray[np.float64]

# the turn of a cut is spread over about half the cut's length to either side, within these limits
LEAST_REACH, MOST_REACH = 4, 24
TOLERANCE = 1e-4
MOST_ITERATIONS = 1000


def affected_part(cut: Mask, mask: Mask) -> Mask:
    """The voxels of ``mask`` whose phase a cut through ``cut`` spoils (X, Y, Z); none for an empty cut."""
    if not cut.any():
        return cut
    labels = scipy.ndimage.label(cut, np.ones((3, 3, 3)))[0]
    affected: Mask = np.zeros_like(cut)
    for label, place in enumerate(scipy.ndimage.find_objects(labels), start=1):
        longest = max(s.stop - s.start for s in place)
        reach = max(LEAST_REACH, min(MOST_REACH, longest // 2))
        box = tuple(slice(max(0, s.start - reach), s.stop + reach) for s in place)
        apart = scipy.ndimage.distance_transform_edt(labels[box] != label)
        affected[box] |= apart <= reach
    return affected & mask


def healed(unwrapped: Float, phase: Float, weights: Weights, part: Mask, mask: Mask) -> Float:
    """The phase whose steps in ``part`` are, in weighted least squares, the wrapped phase's.

    Outside the part nothing changes, and the part joins it without a jump (Laplacian unwrapping with the
    unwrapped phase around as its border values).

    Args:
        unwrapped: (X, Y, Z), rad.
        phase: (X, Y, Z), rad, wrapped.
        weights: (X, Y, Z, 3), weights of the edges, 1..255.
        part: (X, Y, Z), where to solve, inside ``mask``.
        mask: (X, Y, Z), where the phase means something.
    """
    if not part.any():
        return unwrapped
    box = Box.around(part, 1.0, (1.0, 1.0, 1.0))
    system = _System(box.crop(part), box.crop(mask), np.ascontiguousarray(weights[box.slices]))
    change = system.solve(system.misfit(box.crop(unwrapped), box.crop(phase)))
    joined = unwrapped.copy()
    joined[box.slices] += change.astype(np.float32)
    return joined


@dataclass(frozen=True)
class _System:
    """Laplace's equation on the part's voxels; those around it stay at 0."""

    part: Mask
    mask: Mask
    weights: Weights

    def misfit(self, unwrapped: Float, phase: Float) -> Doubles:
        """What the steps of ``unwrapped`` lack of the wrapped ones, summed over each voxel's edges."""
        lacking = np.zeros(self.part.shape)
        in_slabs(_misfit, len(lacking), unwrapped, phase, self.part, self.mask, self.weights, lacking)
        return lacking

    def solve(self, right: Doubles) -> Doubles:
        """Conjugate gradients, scaled by the diagonal."""
        diagonal = np.zeros(right.shape)
        in_slabs(_diagonal, right.shape[0], self.part, self.mask, self.weights, diagonal)
        scale = np.where(diagonal > 0, 1 / np.where(diagonal > 0, diagonal, 1), 0)
        found, left = np.zeros(right.shape), right.copy()
        towards = scale * left
        power = _dot(left, towards)
        target = TOLERANCE**2 * power
        image = np.zeros(right.shape)
        for _ in range(MOST_ITERATIONS):
            if power <= target:
                break
            in_slabs(_apply, right.shape[0], towards, self.part, self.mask, self.weights, image)
            curvature = _dot(towards, image)
            if curvature <= 0:
                break
            step = power / curvature
            found += step * towards
            left -= step * image
            scaled = scale * left
            before, power = power, _dot(left, scaled)
            towards *= power / before
            towards += scaled
        return found


def _dot(a: Doubles, b: Doubles) -> float:
    """Inner product, summed in an order that does not depend on threads."""
    return float(np.sum(a * b))


@compiled
def _misfit(
    start: int,
    stop: int,
    unwrapped: Float,
    phase: Float,
    part: Mask,
    mask: Mask,
    weights: Weights,
    out: Doubles,
) -> None:
    nx, ny, nz = part.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                if not part[x, y, z]:
                    continue
                total = 0.0
                for axis in range(3):
                    dx, dy, dz = int(axis == 0), int(axis == 1), int(axis == 2)
                    for side in (-1, 1):
                        i, j, k = x + side * dx, y + side * dy, z + side * dz
                        if i < 0 or j < 0 or k < 0 or i >= nx or j >= ny or k >= nz or not mask[i, j, k]:
                            continue
                        weight = weights[i, j, k, axis] if side < 0 else weights[x, y, z, axis]
                        wanted = in_one_turn(np.float64(phase[x, y, z]) - np.float64(phase[i, j, k]))
                        there = np.float64(unwrapped[x, y, z]) - np.float64(unwrapped[i, j, k])
                        total += weight * (wanted - there)
                out[x, y, z] = total


@compiled
def _diagonal(start: int, stop: int, part: Mask, mask: Mask, weights: Weights, out: Doubles) -> None:
    nx, ny, nz = part.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                if not part[x, y, z]:
                    continue
                total = 0.0
                for axis in range(3):
                    dx, dy, dz = int(axis == 0), int(axis == 1), int(axis == 2)
                    for side in (-1, 1):
                        i, j, k = x + side * dx, y + side * dy, z + side * dz
                        if i < 0 or j < 0 or k < 0 or i >= nx or j >= ny or k >= nz or not mask[i, j, k]:
                            continue
                        total += weights[i, j, k, axis] if side < 0 else weights[x, y, z, axis]
                out[x, y, z] = total


@compiled
def _apply(
    start: int, stop: int, values: Doubles, part: Mask, mask: Mask, weights: Weights, out: Doubles
) -> None:
    """The weighted graph Laplacian of ``values``, which are 0 outside the part."""
    nx, ny, nz = part.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                if not part[x, y, z]:
                    continue
                here = values[x, y, z]
                total = 0.0
                for axis in range(3):
                    dx, dy, dz = int(axis == 0), int(axis == 1), int(axis == 2)
                    for side in (-1, 1):
                        i, j, k = x + side * dx, y + side * dy, z + side * dz
                        if i < 0 or j < 0 or k < 0 or i >= nx or j >= ny or k >= nz or not mask[i, j, k]:
                            continue
                        weight = weights[i, j, k, axis] if side < 0 else weights[x, y, z, axis]
                        total += weight * (here - values[i, j, k])
                out[x, y, z] = total
