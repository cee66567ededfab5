"""Least squares with operators that are only known by what they do.

Conjugate gradients (``background.conjugate``) solve symmetric equations, and know of a fit only its gradient.
Here the misfit itself is known after every iteration, so that it can be held against the noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qsmnode.engine.types import Float

Operator = Callable[[Float], Float]


@dataclass(frozen=True)
class Solution:
    """What least squares gave.

    Attributes:
        values: the unknowns.
        iterations: how many were made.
        gradient: norm of the gradient of the squared residual, relative to its first value.
    """

    values: Float
    iterations: int
    gradient: float


def lsqr(
    forward: Operator,
    adjoint: Operator,
    data: Float,
    iterations: int,
    tolerance: float,
    *,
    enough: float = 0.0,
) -> Solution:
    """Minimise |A x - data| from x = 0 (LSQR); the residual falls with every iteration.

    What the data tell well comes first. Ended early, the rest of x is hardly touched.

    Args:
        forward: x to A x; neither may keep or change its argument.
        adjoint: y to A^T y.
        data: float32, of any shape.
        iterations: most iterations.
        tolerance: norm of A^T (A x - data), relative to that of A^T data, that ends it.
        enough: norm of A x - data that ends it, so that noise is not fitted.

    Source: Paige and Saunders, 10.1145/355984.355989.
    """
    basis = _Bidiagonal(forward, adjoint, data)
    values = np.zeros_like(basis.right)
    direction = basis.right.copy()
    diagonal, rest = basis.alpha, basis.beta
    first = gradient = basis.alpha * basis.beta
    done = 0
    while done < iterations and gradient > tolerance * first and rest > enough:
        basis.advance()
        rho = math.hypot(diagonal, basis.beta)
        cosine, sine = diagonal / rho, basis.beta / rho
        values += np.float32(cosine * rest / rho) * direction
        direction *= np.float32(-sine * basis.alpha / rho)
        direction += basis.right
        diagonal, rest = -cosine * basis.alpha, sine * rest
        gradient = rest * basis.alpha * abs(cosine)
        done += 1
    return Solution(values, done, gradient / first if first > 0 else 0.0)


class _Bidiagonal:
    """Golub-Kahan: orthonormal vectors ``left`` and ``right`` in which A is bidiagonal (alpha, beta)."""

    def __init__(self, forward: Operator, adjoint: Operator, data: Float) -> None:
        self.forward, self.adjoint = forward, adjoint
        self.left, self.beta = _unit(data.copy())
        self.right, self.alpha = _unit(adjoint(self.left))

    def advance(self) -> None:
        """The next pair of vectors; 0 once there is none."""
        self.left, self.beta = _unit(self.forward(self.right) - np.float32(self.alpha) * self.left)
        self.right, self.alpha = _unit(self.adjoint(self.left) - np.float32(self.beta) * self.right)


def _unit(vector: Float) -> tuple[Float, float]:
    """The vector over its length, in place, and the length."""
    length = norm(vector)
    if length > 0:
        vector *= np.float32(1 / length)
    return vector, length


def norm(values: Float) -> float:
    """Euclidean length: in double precision, and in an order that does not depend on threads."""
    rows = values.reshape(values.shape[0], -1)
    return math.sqrt(float(np.einsum("ij,ij->i", rows, rows, dtype=np.float64).sum()))
