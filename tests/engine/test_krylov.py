"""Least squares by Golub-Kahan: held against a dense solution."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine.inversion.krylov import lsqr


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(30, 12)).astype(np.float32)


def test_it_finds_the_dense_solution(matrix: np.ndarray) -> None:
    data = np.random.default_rng(2).normal(size=30).astype(np.float32)
    found = lsqr(lambda x: matrix @ x, lambda y: matrix.T @ y, data, 50, 1e-6)
    expected = np.linalg.lstsq(matrix.astype(np.float64), data, rcond=None)[0]
    assert found.values == pytest.approx(expected, abs=1e-4)
    assert found.gradient <= 1e-6
    assert found.iterations < 50


def test_the_gradient_that_it_reports_is_that_of_its_solution(matrix: np.ndarray) -> None:
    data = np.random.default_rng(2).normal(size=30).astype(np.float32)
    for iterations in (1, 3, 6):
        found = lsqr(lambda x: matrix @ x, lambda y: matrix.T @ y, data, iterations, 0.0)
        gradient = np.linalg.norm(matrix.T @ (matrix @ found.values - data)) / np.linalg.norm(matrix.T @ data)
        assert found.gradient == pytest.approx(gradient, rel=1e-3)


def test_a_misfit_that_is_enough_ends_it(matrix: np.ndarray) -> None:
    truth = np.random.default_rng(3).normal(size=12).astype(np.float32)
    data = matrix @ truth
    half = float(np.linalg.norm(data)) / 2
    found = lsqr(lambda x: matrix @ x, lambda y: matrix.T @ y, data, 50, 1e-6, enough=half)
    assert np.linalg.norm(matrix @ found.values - data) <= half
    before = lsqr(lambda x: matrix @ x, lambda y: matrix.T @ y, data, found.iterations - 1, 1e-6)
    assert np.linalg.norm(matrix @ before.values - data) > half


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_nothing_to_explain_or_nothing_to_explain_it_with_gives_nothing(scale: float) -> None:
    data = np.full((2, 3), scale, np.float32)
    found = lsqr(lambda x: x * np.float32(1 - scale), lambda y: y * np.float32(1 - scale), data, 5, 1e-3)
    assert not found.values.any()
    assert (found.iterations, found.gradient) == (0, 0.0)
