"""Conjugate gradients for the symmetric equations of background removal and of inversions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float
from qsmnode.engine.volumes import product

Sums = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Solution:
    """What the iteration ended with.

    Attributes:
        values: (X, Y, Z).
        iterations: steps taken.
        residual: norm of what is left of the right side, relative to the right side.
    """

    values: Float
    iterations: int
    residual: float


def solved(
    operator: Callable[[Float], Float],
    right: Float,
    iterations: int,
    tolerance: float,
    start: Float | None = None,
) -> Solution:
    """Solve ``operator(x) = right``.

    Args:
        operator: linear, symmetric and not negative; it must not change its argument.
        right: (X, Y, Z); afterwards it holds what is left of it.
        iterations: most steps.
        tolerance: residual, relative to the right side, that ends it.
        start: (X, Y, Z), x to begin with, which becomes the solution; 0 if None.

    Source: 10.6028/jres.049.044.
    """
    length = right.shape[0]
    first = energy = dot(right, right)
    values, residual = np.zeros_like(right) if start is None else start, right
    if start is not None:
        residual -= operator(start)
        energy = dot(residual, residual)
    direction = residual.copy()
    sums = np.zeros(length)
    step = 0
    while step < iterations and energy > first * tolerance**2:
        image = operator(direction)
        curvature = dot(direction, image)
        if not curvature > 0:
            break
        in_slabs(_advance, length, values, residual, direction, image, energy / curvature, sums)
        renewed = float(sums.sum())
        in_slabs(_turn, length, direction, residual, renewed / energy)
        energy = renewed
        step += 1
    return Solution(values, step, math.sqrt(energy / first) if first > 0 else 0.0)


@dataclass(frozen=True)
class Fit:
    """What :func:`fitted` ended with.

    Attributes:
        values: (X, Y, Z), x.
        left: (X, Y, Z), what x does not explain of the target.
        iterations: steps taken.
        first: squared norm of the gradient at x = 0, which the tolerance is relative to.
    """

    values: Float
    left: Float
    iterations: int
    first: float


def fitted(
    forward: Callable[[Float], Float],
    backward: Callable[[Float], Float],
    square: Float,
    target: Float,
    iterations: int,
    tolerance: float,
    start: tuple[Float, float] | None = None,
) -> Fit:
    """Minimise the sum of ``square`` (target - forward(x))^2.

    The same steps as of :func:`solved` on the normal equations, with one application less for the start, one
    for the last step and one for the field of the solution.

    Args:
        forward: linear; it must not change its argument.
        backward: its adjoint; it may change its argument.
        square: (X, Y, Z), >= 0.
        target: (X, Y, Z).
        iterations: most steps.
        tolerance: norm of the gradient, relative to that at x = 0, that ends it.
        start: x to begin with, which becomes the solution, and ``first`` of a fit to the same target; x is 0
            if None.

    Source: 10.6028/jres.049.044, section 10.
    """
    length = target.shape[0]
    values, left = np.zeros_like(target), target.copy()
    if start is not None:
        values = start[0]
        left -= forward(values)
    gradient = backward(product(square, left))
    energy = dot(gradient, gradient)
    first = energy if start is None else start[1]
    direction = gradient
    sums, step = np.zeros(length), 0
    while step < iterations and energy > first * tolerance**2:
        image = forward(direction)
        curvature = weighted_square(image, square)
        if not curvature > 0:
            break
        in_slabs(_advance, length, values, left, direction, image, energy / curvature, sums)
        step += 1
        if step < iterations:
            gradient = backward(product(square, left))
            renewed = dot(gradient, gradient)
            in_slabs(_turn, length, direction, gradient, renewed / energy)
            energy = renewed
    return Fit(values, left, step, first)


def dot(a: Float, b: Float) -> float:
    """Sum of products: in double precision, and in an order that does not depend on threads."""
    sums = np.zeros(a.shape[0])
    in_slabs(_products, a.shape[0], a, b, sums)
    return float(sums.sum())


def weighted_square(values: Float, square: Float) -> float:
    """Sum of ``square`` x ``values``^2, as precise and as independent of threads."""
    sums = np.zeros(values.shape[0])
    in_slabs(_curvature, values.shape[0], values, square, sums)
    return float(sums.sum())


@compiled
def _products(start: int, stop: int, a: Float, b: Float, sums: Sums) -> None:
    """Sum of products per slab, in double precision."""
    _, ny, nz = a.shape
    for x in range(start, stop):
        total = 0.0
        for y in range(ny):
            for z in range(nz):
                total += np.float64(a[x, y, z]) * b[x, y, z]
        sums[x] = total


@compiled
def _curvature(start: int, stop: int, image: Float, square: Float, sums: Sums) -> None:
    """Weighted sum of squares per slab, in double precision."""
    _, ny, nz = image.shape
    for x in range(start, stop):
        total = 0.0
        for y in range(ny):
            for z in range(nz):
                total += np.float64(square[x, y, z]) * image[x, y, z] * image[x, y, z]
        sums[x] = total


@compiled
def _advance(
    start: int,
    stop: int,
    values: Float,
    residual: Float,
    direction: Float,
    image: Float,
    step: float,
    sums: Sums,
) -> None:
    """Go along ``direction``; ``sums`` gets the squared residual per slab."""
    _, ny, nz = values.shape
    length = np.float32(step)
    for x in range(start, stop):
        total = 0.0
        for y in range(ny):
            for z in range(nz):
                values[x, y, z] += length * direction[x, y, z]
                left = residual[x, y, z] - length * image[x, y, z]
                residual[x, y, z] = left
                total += np.float64(left) * left
        sums[x] = total


@compiled
def _turn(start: int, stop: int, direction: Float, residual: Float, share: float) -> None:
    """The next direction."""
    _, ny, nz = direction.shape
    part = np.float32(share)
    for x in range(start, stop):
        for y in range(ny):
            for z in range(nz):
                direction[x, y, z] = residual[x, y, z] + part * direction[x, y, z]
