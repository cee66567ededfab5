"""The voxel loops of the nonlinear total-variation inversion: each is one pass over memory.

A split variable ``z`` with its scaled multiplier ``s`` is kept as one array. For the gradient it is
``g = gradient + s``: ``z = shrink(g)`` and ``s = g - z`` follow from it. For the phase it is ``s`` itself,
because there ``z`` costs several sines.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled
from qsmnode.engine.fourier import Spectrum
from qsmnode.engine.types import Float, Mask

NEWTON_STEPS = 8
NEWTON_END = 1e-5
# the curvature of the cosine may be negative: Newton's denominator stays at least this part of the penalty
LEAST_CURVATURE = 0.1
# the terms of the data: a square; one that grows linearly beyond a quarter turn; the cosine
LINEAR, ROBUST, NONLINEAR = 0, 1, 2
QUARTER = 0.5 * math.pi

Sums = npt.NDArray[np.float64]


@compiled
def nearest_phase(aim: float, weight: float, penalty: float) -> float:
    """The ``d`` that makes ``weight (1 - cos d) + penalty / 2 (d - aim)^2`` least.

    Newton's steps, kept between bounds that hold a minimum. While ``weight <= penalty`` there is only one.
    """
    low, high = aim - weight / penalty, aim + weight / penalty
    found = aim * penalty / (penalty + weight)
    found = min(high, max(low, found))
    for _ in range(NEWTON_STEPS):
        slope = weight * math.sin(found) + penalty * (found - aim)
        if slope > 0:
            high = found
        else:
            low = found
        curvature = weight * math.cos(found) + penalty
        step = slope / max(curvature, LEAST_CURVATURE * penalty)
        new = found - step
        if new < low or new > high:
            new = 0.5 * (low + high)
        if abs(new - found) < NEWTON_END:
            return new
        found = new
    return found


@compiled
def nearest_robust(aim: float, weight: float, penalty: float) -> float:
    """The same for the square that goes on linearly beyond a quarter turn: it has one minimum only."""
    inner = aim * penalty / (penalty + weight)
    if abs(inner) <= QUARTER:
        return inner
    return aim - math.copysign(weight * QUARTER / penalty, aim)


@compiled
def update_phase(
    start: int,
    stop: int,
    predicted: Float,
    phase: Float,
    square: Float,
    penalty: float,
    term: int,
    multiplier: Float,
    out: Float,
) -> None:
    """``multiplier`` follows the predicted phase, ``out`` becomes split minus multiplier."""
    _, ny, nz = phase.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                w, f = square[x, y, z], phase[x, y, z]
                aim = predicted[x, y, z] + multiplier[x, y, z]
                if w <= 0:
                    split = aim
                elif term == NONLINEAR:
                    split = f + np.float32(nearest_phase(aim - f, w, penalty))
                elif term == ROBUST:
                    split = f + np.float32(nearest_robust(aim - f, w, penalty))
                else:
                    split = np.float32((w * f + penalty * aim) / (w + penalty))
                multiplier[x, y, z] = aim - split
                out[x, y, z] = split - multiplier[x, y, z]


@compiled
def update_gradient(
    start: int, stop: int, chi: Float, gradient: Float, limit: float, inverse_edge: Float
) -> None:
    """``gradient`` (3, X, Y, Z) becomes the periodic differences of ``chi`` plus the multiplier."""
    nx, ny, nz = chi.shape
    for x in range(start, stop):
        x1 = x + 1 if x + 1 < nx else 0
        for y in range(ny):
            y1 = y + 1 if y + 1 < ny else 0
            for z in range(nz):
                z1 = z + 1 if z + 1 < nz else 0
                gx, gy, gz = gradient[0, x, y, z], gradient[1, x, y, z], gradient[2, x, y, z]
                length = math.sqrt(gx * gx + gy * gy + gz * gz)
                # what shrinking takes away is the multiplier
                removed = np.float32(limit / length) if length > limit else np.float32(1)
                here = chi[x, y, z]
                gradient[0, x, y, z] = (chi[x1, y, z] - here) * inverse_edge[0] + gx * removed
                gradient[1, x, y, z] = (chi[x, y1, z] - here) * inverse_edge[1] + gy * removed
                gradient[2, x, y, z] = (chi[x, y, z1] - here) * inverse_edge[2] + gz * removed


@compiled
def adjoint(start: int, stop: int, gradient: Float, limit: float, inverse_edge: Float, out: Float) -> None:
    """``out`` becomes the adjoint differences of ``z - s``; index -1 is the last voxel, as it should."""
    _, _, ny, nz = gradient.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                here = _reflection(gradient, limit, x, y, z)
                in_x = _reflection(gradient, limit, x - 1, y, z) * gradient[0, x - 1, y, z]
                in_y = _reflection(gradient, limit, x, y - 1, z) * gradient[1, x, y - 1, z]
                in_z = _reflection(gradient, limit, x, y, z - 1) * gradient[2, x, y, z - 1]
                out[x, y, z] = (
                    (in_x - here * gradient[0, x, y, z]) * inverse_edge[0]
                    + (in_y - here * gradient[1, x, y, z]) * inverse_edge[1]
                    + (in_z - here * gradient[2, x, y, z]) * inverse_edge[2]
                )


@compiled
def _reflection(gradient: Float, limit: float, x: int, y: int, z: int) -> np.float32:
    """The factor between ``gradient`` and ``z - s`` = 2 shrink(gradient) - gradient."""
    gx, gy, gz = gradient[0, x, y, z], gradient[1, x, y, z], gradient[2, x, y, z]
    length = math.sqrt(gx * gx + gy * gy + gz * gz)
    if length > limit:
        return np.float32(1.0 - 2.0 * limit / length)
    return np.float32(-1)


@compiled
def update_laplacian(
    start: int, stop: int, laplacian: Float, inside: Mask, share: float, multiplier: Float, out: Float
) -> None:
    """The same as :func:`update_phase` for the Laplacian of the harmonic phase, whose square costs inside.

    ``share`` is muh / (beta + muh): what is left of the Laplacian inside the mask.
    """
    _, ny, nz = laplacian.shape
    keep = np.float32(share)
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                aim = laplacian[x, y, z] + multiplier[x, y, z]
                split = keep * aim if inside[x, y, z] else aim
                multiplier[x, y, z] = aim - split
                out[x, y, z] = split - multiplier[x, y, z]


@compiled
def solve(
    start: int,
    stop: int,
    from_gradient: Spectrum,
    from_phase: Spectrum,
    gain_gradient: Float,
    gain_phase: Float,
    kernel: Float,
) -> None:
    """``from_gradient`` becomes the spectrum of chi, ``from_phase`` that of its field."""
    _, ny, nz = kernel.shape
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                value = (
                    gain_gradient[x, y, z] * from_gradient[x, y, z]
                    + gain_phase[x, y, z] * from_phase[x, y, z]
                )
                from_gradient[x, y, z] = value
                from_phase[x, y, z] = value * kernel[x, y, z]


@compiled
def solve_both(
    start: int,
    stop: int,
    from_gradient: Spectrum,
    from_phase: Spectrum,
    from_laplacian: Spectrum,
    kernel: Float,
    squared_differences: Float,
    penalties: Float,
) -> None:
    """Chi and the harmonic phase at once, two equations for each frequency.

    ``from_gradient`` becomes the spectrum of chi, ``from_phase`` that of the whole phase and
    ``from_laplacian`` that of the harmonic phase's Laplacian. ``penalties`` are those of the gradient, of the
    phase and of the Laplacian. The Laplacian is minus the ``squared_differences``.
    """
    _, ny, nz = kernel.shape
    m_gradient, m_phase, m_laplacian = penalties[0], penalties[1], penalties[2]
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                d, e = kernel[x, y, z], squared_differences[x, y, z]
                aim = m_phase * from_phase[x, y, z]
                steep = m_gradient * from_gradient[x, y, z]
                bent = m_laplacian * e * from_laplacian[x, y, z]
                own = m_phase + m_laplacian * e * e
                # Cramer's rule with everything left out that cancels
                determinant = m_gradient * e * own + m_phase * d * d * m_laplacian * e * e
                if determinant > 0:
                    chi = (own * steep + d * (m_laplacian * e * e * aim + m_phase * bent)) / determinant
                    curved = m_gradient * e + m_phase * d * d
                    harmonic = (m_gradient * e * aim - curved * bent - m_phase * d * steep) / determinant
                else:
                    chi, harmonic = np.complex64(0), (aim - bent) / own
                from_gradient[x, y, z] = chi
                from_phase[x, y, z] = d * chi + harmonic
                from_laplacian[x, y, z] = -e * harmonic
