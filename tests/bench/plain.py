"""Plain reference implementations: short, readable, numpy only, on the whole padded grid.

They stand for what a careful textbook implementation reaches: no compiled loops, no weights from the
magnitude's edges, no crop to the brain, no stopping rule, no second look at the background. They share no
code with the engine. Each takes (X, Y, Z) arrays in ppm, voxel edges in mm, and B0's direction in array axes.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

Array = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Triple = tuple[float, float, float]
Shape = tuple[int, ...]

PADDING_MM = 20.0
TKD_THRESHOLD = 0.15
TV_ITERATIONS = 50
PDF_ITERATIONS = 30
# weight of the total variation (ppm) and penalty of its split / that weight: the least mean NRMSE of the
# weighted 50 iterations over tuning heads, see README.md
TV_ALPHA = 3e-5
TV_COUPLING = 300.0


class _Padded:
    """Zeros around an image, and transforms of the whole."""

    def __init__(self, shape: Shape, voxel_mm: Triple, b0: Triple) -> None:
        margin = [math.ceil(PADDING_MM / v) for v in voxel_mm]
        self.inner = tuple(slice(m, m + n) for m, n in zip(margin, shape, strict=True))
        self.shape = tuple(
            scipy.fft.next_fast_len(n + 2 * m, real=axis == 2)
            for axis, (n, m) in enumerate(zip(shape, margin, strict=True))
        )
        self.voxel_mm = voxel_mm
        self.workers = int(os.environ.get("QSMNODE_THREADS", "0")) or os.cpu_count() or 1
        k = self._frequencies()
        square = sum(axis**2 for axis in k)
        along = sum(axis * b for axis, b in zip(k, b0, strict=True))
        square[0, 0, 0] = 1
        self.dipole = (1 / 3 - along**2 / square).astype(np.float32)
        self.dipole[0, 0, 0] = 0

    def _frequencies(self) -> list[Any]:
        x, y, z = (np.fft.fftfreq(n, v) for n, v in zip(self.shape, self.voxel_mm, strict=True))
        return list(np.meshgrid(x, y, z[: self.shape[2] // 2 + 1], indexing="ij", sparse=True))

    def put(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        whole = np.zeros(self.shape, image.dtype)
        whole[self.inner] = image
        return whole

    def forward(self, image: Array) -> npt.NDArray[np.complex64]:
        return np.asarray(scipy.fft.rfftn(image, workers=self.workers))

    def back(self, spectrum: npt.NDArray[Any]) -> Array:
        return np.asarray(scipy.fft.irfftn(spectrum, s=self.shape, workers=self.workers))

    def times_dipole(self, image: Array) -> Array:
        return self.back(self.dipole * self.forward(image))

    def mean(self, half: npt.NDArray[Any]) -> float:
        """Mean over the whole spectrum of a quantity given on its half."""
        counts = np.full(half.shape[2], 2.0)
        counts[0] = 1
        if self.shape[2] % 2 == 0:
            counts[-1] = 1
        return float((half.mean(axis=(0, 1), dtype=np.float64) * counts).sum() / self.shape[2])


def tkd(
    field: Array, mask: Bools, voxel_mm: Triple, b0: Triple, *, threshold: float = TKD_THRESHOLD
) -> Array:
    """Thresholded k-space division over its point response (10.1002/mrm.22135, 10.1002/mrm.24135)."""
    grid = _Padded(field.shape, voxel_mm, b0)
    signs = np.where(grid.dipole < 0, np.float32(-1), np.float32(1))
    inverse = 1 / np.where(np.abs(grid.dipole) > threshold, grid.dipole, signs * np.float32(threshold))
    chi = grid.back(inverse * grid.forward(grid.put(np.where(mask, field, np.float32(0)))))
    return np.asarray(chi[grid.inner] * mask / np.float32(grid.mean(inverse * grid.dipole)))


def tv(
    field: Array,
    mask: Bools,
    voxel_mm: Triple,
    b0: Triple,
    *,
    weight: Array | None = None,
    alpha: float = TV_ALPHA,
    coupling: float = TV_COUPLING,
    iterations: int = TV_ITERATIONS,
) -> Array:
    """min 1/2 |W (D chi - f)|^2 + alpha |grad chi|_1 by ADMM, anisotropic, in a fixed number of iterations.

    W is ``weight`` in the mask, or 1 in it without a weight. Two pairs of transforms in each iteration.
    Source: 10.1002/mrm.27073.
    """
    grid = _Padded(field.shape, voxel_mm, b0)
    square = grid.put(mask.astype(np.float32) if weight is None else (weight * mask).astype(np.float32) ** 2)
    measured = square * grid.put(np.where(mask, field, np.float32(0)))
    mu = np.float32(coupling * alpha)
    limit = np.float32(1 / coupling)
    inverse = 1 / (grid.dipole**2 + mu * _laplacian(grid) + np.float32(1e-20))
    inverse[0, 0, 0] = 0
    split = [np.zeros(grid.shape, np.float32) for _ in range(3)]
    dual = [np.zeros(grid.shape, np.float32) for _ in range(3)]
    data, data_dual = grid.put(np.where(mask, field, np.float32(0))), np.zeros(grid.shape, np.float32)
    chi = np.zeros(grid.shape, np.float32)
    for _ in range(iterations):
        pulled = np.zeros(grid.shape, np.float32)
        for axis in range(3):
            pulled += _adjoint(split[axis] - dual[axis], axis, voxel_mm[axis])
        spectrum = inverse * (mu * grid.forward(pulled) + grid.dipole * grid.forward(data - data_dual))
        chi, predicted = grid.back(spectrum), grid.back(grid.dipole * spectrum)
        for axis in range(3):
            slope = _difference(chi, axis, voxel_mm[axis]) + dual[axis]
            split[axis] = np.sign(slope) * np.maximum(np.abs(slope) - limit, 0)
            dual[axis] = slope - split[axis]
        data = (measured + predicted + data_dual) / (square + 1)
        data_dual += predicted - data
    return np.asarray(chi[grid.inner] * mask)


def _difference(image: Array, axis: int, edge_mm: float) -> Array:
    """Forward difference in 1/mm, periodic."""
    return np.asarray((np.roll(image, -1, axis) - image) / np.float32(edge_mm))


def _adjoint(image: Array, axis: int, edge_mm: float) -> Array:
    return np.asarray((np.roll(image, 1, axis) - image) / np.float32(edge_mm))


def _laplacian(grid: _Padded) -> Array:
    """Sum of the squared transfer functions of the three differences."""
    terms = [
        (2 - 2 * np.cos(2 * np.pi * np.fft.fftfreq(n))) / v**2
        for n, v in zip(grid.shape, grid.voxel_mm, strict=True)
    ]
    terms[2] = terms[2][: grid.shape[2] // 2 + 1]
    return np.asarray(sum(np.meshgrid(*terms, indexing="ij", sparse=True)), np.float32)


def pdf(
    field: Array,
    mask: Bools,
    voxel_mm: Triple,
    b0: Triple,
    *,
    weight: Array | None = None,
    iterations: int = PDF_ITERATIONS,
) -> Array:
    """Local field: what sources outside the mask cannot explain of ``field`` (10.1002/nbm.1670).

    Conjugate gradients on the normal equations of min |W (f - D b)|, b outside the mask, in a fixed number of
    iterations; the weighted mean of the field is taken out first.
    """
    grid = _Padded(field.shape, voxel_mm, b0)
    square = grid.put((mask * (np.float32(1) if weight is None else weight)).astype(np.float32) ** 2)
    outside = ~grid.put(mask)
    known = grid.put(np.where(mask, field, np.float32(0)))
    known -= np.float32(_dot(known, square) / max(float(square.sum(dtype=np.float64)), 1e-30))

    def normal(sources: Array) -> Array:
        return outside * grid.times_dipole(square * grid.times_dipole(sources))

    sources = np.zeros(grid.shape, np.float32)
    residual = outside * grid.times_dipole(square * known)
    direction, energy = residual.copy(), _dot(residual, residual)
    for _ in range(iterations):
        image = normal(direction)
        curvature = _dot(direction, image)
        if curvature <= 0:
            break
        step = np.float32(energy / curvature)
        sources += step * direction
        residual -= step * image
        renewed = _dot(residual, residual)
        direction = residual + np.float32(renewed / energy) * direction
        energy = renewed
    return np.asarray((known - grid.times_dipole(sources))[grid.inner] * mask)


def _dot(a: Array, b: Array) -> float:
    return float(np.sum(a * b, dtype=np.float64))
