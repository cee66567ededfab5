"""The voxel loops of total generalised variation: each writes only the voxels of its own slabs.

Arrays have one layer of voxels outside the mask on every side, so that neighbours need no checks; there and
everywhere outside the mask they are 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from qsmnode.engine.compiled import compiled
from qsmnode.engine.inversion.tgv_steps import (
    DOWN_X,
    DOWN_Y,
    DOWN_Z,
    EQUATION,
    UP_X,
    UP_Y,
    UP_Z,
    Bytes,
    Sums,
)
from qsmnode.engine.types import Float


class Model(NamedTuple):
    """What stays the same from step to step.

    Attributes:
        near: (X, Y, Z), bits of each voxel.
        laplacian: (X, Y, Z), of the measured field.
        damping: (X, Y, Z), what the misfit's weight leaves of it in a step down.
        inverse: (3,), 1 / voxel edge.
        plain: (3,), factors of the Laplacian's second differences.
        wave: (6,), factors of the wave operator's second differences: xx, yy, zz, xy, xz, yz.
    """

    near: Bytes
    laplacian: Float
    damping: Float
    inverse: Float
    plain: Float
    wave: Float


class Primal(NamedTuple):
    """Susceptibility (X, Y, Z), the slope that costs no first order (3, X, Y, Z), misfit (X, Y, Z)."""

    chi: Float
    slope: Float
    misfit: Float


class Dual(NamedTuple):
    """Multipliers: of the first order (3, ...), the second (6, ...: xx, yy, zz, xy, xz, yz), the equation."""

    first: Float
    second: Float
    equation: Float


@compiled
def ascend(
    start: int, stop: int, model: Model, ahead: Primal, dual: Dual, sizes: Float, limits: Float
) -> None:
    """One step up of ``dual``; ``ahead`` is extrapolated, ``sizes`` are those of the three parts' steps.

    ``limits`` are the largest lengths of the first and second order's multipliers.
    """
    mixed = model.wave[3] != 0 or model.wave[4] != 0 or model.wave[5] != 0
    for x in range(max(1, start), min(stop, model.near.shape[0] - 1)):
        _first_up(x, model.near, model.inverse, ahead.chi, ahead.slope, dual.first, sizes[0], limits[0])
        _second_up(x, model.near, model.inverse, ahead.slope, dual.second, sizes[1], limits[1])
        _equation_up(x, model, ahead.chi, ahead.misfit, mixed, dual.equation, sizes[2])


@compiled
def descend(
    start: int, stop: int, model: Model, dual: Dual, primal: Primal, ahead: Primal, sizes: Float, sums: Sums
) -> None:
    """One step down of ``primal``; ``ahead`` becomes the same extrapolated.

    ``sums`` (X, 2) become per slab the squared change of the susceptibility and its square.
    """
    mixed = model.wave[3] != 0 or model.wave[4] != 0 or model.wave[5] != 0
    for x in range(max(1, start), min(stop, model.near.shape[0] - 1)):
        _chi_down(x, model, dual, mixed, primal.chi, ahead.chi, sizes[0], sums)
        _slope_down(
            x, model.near, model.inverse, dual.first, dual.second, primal.slope, ahead.slope, sizes[1]
        )
        _misfit_down(x, model, dual.equation, primal.misfit, ahead.misfit, sizes[2])


@compiled
def _first_up(
    x: int,
    near: Bytes,
    inverse: Float,
    chi: Float,
    slope: Float,
    first: Float,
    size: np.float32,
    limit: np.float32,
) -> None:
    """Along the differences of ``chi`` without ``slope``, then back into the ball of radius ``limit``."""
    _, ny, nz = near.shape
    ix, iy, iz = inverse[0], inverse[1], inverse[2]
    for y in range(1, ny - 1):
        for z in range(1, nz - 1):
            bits = near[x, y, z]
            if not bits:
                continue
            here = chi[x, y, z]
            px, py, pz = np.float32(0), np.float32(0), np.float32(0)
            if bits & UP_X:
                px = first[0, x, y, z] + size * ((chi[x + 1, y, z] - here) * ix - slope[0, x, y, z])
            if bits & UP_Y:
                py = first[1, x, y, z] + size * ((chi[x, y + 1, z] - here) * iy - slope[1, x, y, z])
            if bits & UP_Z:
                pz = first[2, x, y, z] + size * ((chi[x, y, z + 1] - here) * iz - slope[2, x, y, z])
            length = np.float32(math.sqrt(px * px + py * py + pz * pz))
            shrink = limit / length if length > limit else np.float32(1)
            first[0, x, y, z] = px * shrink
            first[1, x, y, z] = py * shrink
            first[2, x, y, z] = pz * shrink


@compiled
def _second_up(
    x: int, near: Bytes, inverse: Float, slope: Float, second: Float, size: np.float32, limit: np.float32
) -> None:
    """Along the symmetric differences of ``slope``, then back into the ball of radius ``limit``."""
    _, ny, nz = near.shape
    ix, iy, iz = inverse[0], inverse[1], inverse[2]
    half, two = np.float32(0.5) * size, np.float32(2)
    for y in range(1, ny - 1):
        for z in range(1, nz - 1):
            bits = near[x, y, z]
            if not bits:
                continue
            wx, wy, wz = slope[0, x, y, z], slope[1, x, y, z], slope[2, x, y, z]
            xx, yy, zz = second[0, x, y, z], second[1, x, y, z], second[2, x, y, z]
            xy, xz, yz = second[3, x, y, z], second[4, x, y, z], second[5, x, y, z]
            if bits & DOWN_X:
                xx += size * (wx - slope[0, x - 1, y, z]) * ix
                xy += half * (wy - slope[1, x - 1, y, z]) * ix
                xz += half * (wz - slope[2, x - 1, y, z]) * ix
            if bits & DOWN_Y:
                xy += half * (wx - slope[0, x, y - 1, z]) * iy
                yy += size * (wy - slope[1, x, y - 1, z]) * iy
                yz += half * (wz - slope[2, x, y - 1, z]) * iy
            if bits & DOWN_Z:
                xz += half * (wx - slope[0, x, y, z - 1]) * iz
                yz += half * (wy - slope[1, x, y, z - 1]) * iz
                zz += size * (wz - slope[2, x, y, z - 1]) * iz
            square = xx * xx + yy * yy + zz * zz + two * (xy * xy + xz * xz + yz * yz)
            length = np.float32(math.sqrt(square))
            shrink = limit / length if length > limit else np.float32(1)
            second[0, x, y, z], second[1, x, y, z], second[2, x, y, z] = xx * shrink, yy * shrink, zz * shrink
            second[3, x, y, z], second[4, x, y, z], second[5, x, y, z] = xy * shrink, xz * shrink, yz * shrink


@compiled
def _equation_up(
    x: int, model: Model, chi: Float, misfit: Float, mixed: bool, equation: Float, size: np.float32
) -> None:
    """Along what is missing in: Laplacian of the misfit = wave operator of chi - Laplacian of the field."""
    _, ny, nz = chi.shape
    near, laplacian = model.near, model.laplacian
    cx, cy, cz = model.plain[0], model.plain[1], model.plain[2]
    xx, yy, zz = model.wave[0], model.wave[1], model.wave[2]
    xy, xz, yz = model.wave[3], model.wave[4], model.wave[5]
    for y in range(1, ny - 1):
        for z in range(1, nz - 1):
            if not near[x, y, z] & EQUATION:
                continue
            gap = laplacian[x, y, z] + _along(misfit, x, y, z, cx, cy, cz)
            gap -= _along(chi, x, y, z, xx, yy, zz)
            if mixed:
                gap -= _across(chi, x, y, z, xy, xz, yz)
            equation[x, y, z] += size * gap


@compiled
def _chi_down(
    x: int, model: Model, dual: Dual, mixed: bool, chi: Float, ahead: Float, size: np.float32, sums: Sums
) -> None:
    """Against the adjoints of the differences and of the wave operator."""
    _, ny, nz = chi.shape
    near, first, equation = model.near, dual.first, dual.equation
    ix, iy, iz = model.inverse[0], model.inverse[1], model.inverse[2]
    xx, yy, zz = model.wave[0], model.wave[1], model.wave[2]
    xy, xz, yz = model.wave[3], model.wave[4], model.wave[5]
    changed, total = 0.0, 0.0
    for y in range(1, ny - 1):
        for z in range(1, nz - 1):
            if not near[x, y, z]:
                continue
            pull = (
                (first[0, x - 1, y, z] - first[0, x, y, z]) * ix
                + (first[1, x, y - 1, z] - first[1, x, y, z]) * iy
                + (first[2, x, y, z - 1] - first[2, x, y, z]) * iz
                - _along(equation, x, y, z, xx, yy, zz)
            )
            if mixed:
                pull -= _across(equation, x, y, z, xy, xz, yz)
            old = chi[x, y, z]
            new = old - size * pull
            chi[x, y, z] = new
            ahead[x, y, z] = np.float32(2) * new - old
            changed += (new - old) * (new - old)
            total += new * new
    sums[x, 0], sums[x, 1] = changed, total


@compiled
def _slope_down(
    x: int,
    near: Bytes,
    inverse: Float,
    first: Float,
    second: Float,
    slope: Float,
    ahead: Float,
    size: np.float32,
) -> None:
    """Along the first order's multiplier, against the adjoint of the symmetric differences."""
    _, ny, nz = near.shape
    ix, iy, iz = inverse[0], inverse[1], inverse[2]
    for y in range(1, ny - 1):
        for z in range(1, nz - 1):
            bits = near[x, y, z]
            if not bits:
                continue
            wx, wy, wz = -first[0, x, y, z], -first[1, x, y, z], -first[2, x, y, z]
            xx, yy, zz = second[0, x, y, z], second[1, x, y, z], second[2, x, y, z]
            xy, xz, yz = second[3, x, y, z], second[4, x, y, z], second[5, x, y, z]
            if bits & DOWN_X:
                wx, wy, wz = wx + xx * ix, wy + xy * ix, wz + xz * ix
            if bits & DOWN_Y:
                wx, wy, wz = wx + xy * iy, wy + yy * iy, wz + yz * iy
            if bits & DOWN_Z:
                wx, wy, wz = wx + xz * iz, wy + yz * iz, wz + zz * iz
            if bits & UP_X:
                wx -= second[0, x + 1, y, z] * ix
                wy -= second[3, x + 1, y, z] * ix
                wz -= second[4, x + 1, y, z] * ix
            if bits & UP_Y:
                wx -= second[3, x, y + 1, z] * iy
                wy -= second[1, x, y + 1, z] * iy
                wz -= second[5, x, y + 1, z] * iy
            if bits & UP_Z:
                wx -= second[4, x, y, z + 1] * iz
                wy -= second[5, x, y, z + 1] * iz
                wz -= second[2, x, y, z + 1] * iz
            for axis, value in enumerate((wx, wy, wz)):
                old = slope[axis, x, y, z]
                new = old - size * value
                slope[axis, x, y, z] = new
                ahead[axis, x, y, z] = np.float32(2) * new - old


@compiled
def _misfit_down(
    x: int, model: Model, equation: Float, misfit: Float, ahead: Float, size: np.float32
) -> None:
    """Against the adjoint of the Laplacian, then towards 0 as its weight says."""
    _, ny, nz = misfit.shape
    near, damping = model.near, model.damping
    cx, cy, cz = model.plain[0], model.plain[1], model.plain[2]
    for y in range(1, ny - 1):
        for z in range(1, nz - 1):
            if not near[x, y, z]:
                continue
            old = misfit[x, y, z]
            new = (old - size * _along(equation, x, y, z, cx, cy, cz)) * damping[x, y, z]
            misfit[x, y, z] = new
            ahead[x, y, z] = np.float32(2) * new - old


@compiled
def _along(a: Float, x: int, y: int, z: int, xx: np.float32, yy: np.float32, zz: np.float32) -> np.float32:
    """Second differences of ``a`` along the axes, each with its factor."""
    twice = np.float32(2) * a[x, y, z]
    return np.float32(
        xx * (a[x + 1, y, z] + a[x - 1, y, z] - twice)
        + yy * (a[x, y + 1, z] + a[x, y - 1, z] - twice)
        + zz * (a[x, y, z + 1] + a[x, y, z - 1] - twice)
    )


@compiled
def _across(a: Float, x: int, y: int, z: int, xy: np.float32, xz: np.float32, yz: np.float32) -> np.float32:
    """Second differences of ``a`` across pairs of axes, each with its factor."""
    return np.float32(
        xy * (a[x + 1, y + 1, z] + a[x - 1, y - 1, z] - a[x + 1, y - 1, z] - a[x - 1, y + 1, z])
        + xz * (a[x + 1, y, z + 1] + a[x - 1, y, z - 1] - a[x + 1, y, z - 1] - a[x - 1, y, z + 1])
        + yz * (a[x, y + 1, z + 1] + a[x, y - 1, z - 1] - a[x, y + 1, z - 1] - a[x, y - 1, z + 1])
    )
