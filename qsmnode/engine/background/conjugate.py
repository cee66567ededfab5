"""Conjugate gradients for the symmetric equations of background removal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qsmnode.engine.types import Float


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


def solved(operator: Callable[[Float], Float], right: Float, iterations: int, tolerance: float) -> Solution:
    """Solve ``operator(x) = right`` from x = 0.

    Args:
        operator: linear, symmetric and not negative; it must not change its argument.
        right: (X, Y, Z).
        iterations: most steps.
        tolerance: relative residual that ends it.

    Source: 10.6028/jres.049.044.
    """
    values = np.zeros_like(right)
    residual = right.copy()
    direction = residual.copy()
    start = energy = dot(residual, residual)
    step = 0
    while step < iterations and energy > start * tolerance**2:
        image = operator(direction)
        curvature = dot(direction, image)
        if not curvature > 0:
            break
        length = np.float32(energy / curvature)
        values += length * direction
        residual -= length * image
        renewed = dot(residual, residual)
        direction *= np.float32(renewed / energy)
        direction += residual
        energy = renewed
        step += 1
    return Solution(values, step, float(np.sqrt(energy / start)) if start > 0 else 0.0)


def dot(a: Float, b: Float) -> float:
    """Sum of products: in double precision, and in an order that does not depend on threads."""
    return float(np.einsum("xyz,xyz->x", a, b, dtype=np.float64).sum())
