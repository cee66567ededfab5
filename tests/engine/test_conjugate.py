"""Conjugate gradients: held against a dense solution."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine.background.conjugate import dot, solved
from tests.engine.scenes import on_threads

SHAPE = (4, 3, 5)


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    rows = np.random.default_rng(1).normal(size=(60, 80))
    return (rows @ rows.T / 80 + np.eye(60)).astype(np.float32)


@pytest.fixture
def right() -> np.ndarray:
    return np.random.default_rng(2).normal(size=SHAPE).astype(np.float32)


def _times(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    return (matrix @ values.ravel()).reshape(SHAPE)


def test_it_finds_the_dense_solution_from_anywhere(matrix: np.ndarray, right: np.ndarray) -> None:
    expected = np.linalg.solve(matrix.astype(np.float64), right.ravel()).reshape(SHAPE)
    found = solved(lambda x: _times(matrix, x), right.copy(), 100, 1e-6)
    assert found.values == pytest.approx(expected, abs=1e-5)
    assert found.residual <= 1e-6
    assert 5 < found.iterations < 60
    near = (expected + 1e-3).astype(np.float32)
    again = solved(lambda x: _times(matrix, x), right.copy(), 100, 1e-6, near)
    assert again.values == pytest.approx(expected, abs=1e-5)
    assert again.iterations < found.iterations


def test_what_is_left_of_the_right_side_is_what_it_says(matrix: np.ndarray, right: np.ndarray) -> None:
    left = right.copy()
    found = solved(lambda x: _times(matrix, x), left, 4, 1e-6)
    assert found.iterations == 4
    assert left == pytest.approx(right - _times(matrix, found.values), abs=1e-5)
    assert found.residual == pytest.approx(np.linalg.norm(left) / np.linalg.norm(right), rel=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_nothing_to_solve_or_nothing_to_solve_it_with_gives_nothing(scale: float, right: np.ndarray) -> None:
    found = solved(lambda x: x * np.float32(1 - scale), right * np.float32(scale), 5, 1e-3)
    assert not found.values.any()
    assert (found.iterations, found.residual) == (0, scale)


def test_the_bytes_do_not_depend_on_threads(right: np.ndarray) -> None:
    wide = np.tile(right, (3, 2, 2))
    decay = np.linspace(1, 2, wide.size, dtype=np.float32).reshape(wide.shape)

    def call() -> list[np.ndarray]:
        found = solved(lambda x: decay * x, wide.copy(), 5, 1e-6)
        return [found.values, np.array([found.residual, dot(wide, decay)])]

    assert len(on_threads(call)) == 1
