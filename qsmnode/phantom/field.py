"""The magnetic field of a susceptibility distribution, computed on a fine grid without wrap-around.

The dipole kernel is split by a Gaussian into a short range and a long range, as in Ewald's summation. The
long range is smooth: it is computed on coarse cells (about 2 mm) over the whole head, padded twofold, and
spread onto the fine grid by cubic B-splines. The short range vanishes within a few widths of the Gaussian:
it is computed on the fine grid of the field of view plus that margin, where its periodic images cannot
reach the field of view. So sources outside a slab (neck, sinuses, air) count fully, and memory stays
bounded.

The kernel is 1/3 - (k.b)^2 / |k|^2 with the Lorentz sphere (doi:10.1002/cmr.b.10083).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from qsmnode.engine import fourier
from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.types import Float
from qsmnode.phantom.protocol import SliceGeometry

Triple = tuple[int, int, int]
_WIDTH_CELLS = 1.75  # the Gaussian's SD in coarse cells
_REACH = 4.5  # the short range is over after so many SD
_COARSE_MM = 2.0
_COARSEST_FINE_MM = 2.0


@dataclass(frozen=True)
class Lattice:
    """The three nested grids of one simulation; all share their axes and their cell borders.

    Attributes:
        geometry: the reported grid (the field of view).
        factor: fine voxels per reported voxel, at least 2 on each axis.
        block: reported voxels per coarse cell.
        margin: coarse cells before the field of view that the fine grid holds.
        cells: coarse cells of the fine grid.
    """

    geometry: SliceGeometry
    factor: Triple
    block: Triple
    margin: Triple
    cells: Triple

    @classmethod
    def around(cls, geometry: SliceGeometry) -> Lattice:
        """Choose them for a reported grid: fine voxels at most half a reported voxel and at most 2 mm."""
        factor = [max(2, math.ceil(v / _COARSEST_FINE_MM - 1e-9)) for v in geometry.voxel_mm]
        block = [max(1, round(_COARSE_MM / v)) for v in geometry.voxel_mm]
        cell = [b * v for b, v in zip(block, geometry.voxel_mm, strict=True)]
        reach = _REACH * _WIDTH_CELLS * max(cell)
        margin = [math.ceil(reach / c) for c in cell]
        cells = []
        for axis in range(3):
            count = math.ceil(geometry.shape[axis] / block[axis]) + 2 * margin[axis]
            step = block[axis] * factor[axis]
            while scipy.fft.next_fast_len(count * step, real=axis == 2) != count * step:
                count += 1
            cells.append(count)
        return cls(geometry, _triple(factor), _triple(block), _triple(margin), _triple(cells))

    @property
    def step(self) -> Triple:
        """Fine voxels per coarse cell."""
        return _triple([f * b for f, b in zip(self.factor, self.block, strict=True)])

    @property
    def cell_mm(self) -> tuple[float, float, float]:
        """Edges of a coarse cell in mm."""
        x, y, z = (b * v for b, v in zip(self.block, self.geometry.voxel_mm, strict=True))
        return x, y, z

    @property
    def fine_mm(self) -> tuple[float, float, float]:
        """Edges of a fine voxel in mm."""
        x, y, z = (v / f for v, f in zip(self.geometry.voxel_mm, self.factor, strict=True))
        return x, y, z

    @property
    def fine_shape(self) -> Triple:
        """Shape of the fine grid, margin included."""
        return _triple([c * s for c, s in zip(self.cells, self.step, strict=True)])

    @property
    def fine_start(self) -> Triple:
        """Fine index of the field of view's first voxel."""
        return _triple([m * s for m, s in zip(self.margin, self.step, strict=True)])

    @property
    def width_mm(self) -> float:
        """SD of the Gaussian that splits the kernel."""
        return _WIDTH_CELLS * max(self.cell_mm)

    def fine_affine(self) -> npt.NDArray[np.float64]:
        """(3, 4): fine index -> patient mm."""
        return self._affine(
            self.fine_mm, [-float(m * c) for m, c in zip(self.margin, self.cell_mm, strict=True)]
        )

    def cell_affine(self, first: Triple) -> npt.NDArray[np.float64]:
        """(3, 4): index into coarse cells from cell ``first`` on -> patient mm; cell 0 begins the view."""
        return self._affine(self.cell_mm, [f * c for f, c in zip(first, self.cell_mm, strict=True)])

    def _affine(self, size_mm: tuple[float, float, float], start_mm: list[float]) -> npt.NDArray[np.float64]:
        axes, reported = self.geometry.axes, self.geometry.affine
        corner = reported[:3, 3] - axes @ (np.array(self.geometry.voxel_mm) / 2)
        affine = np.empty((3, 4))
        affine[:, :3] = axes * np.array(size_mm)
        affine[:, 3] = corner + axes @ (np.array(start_mm) + np.array(size_mm) / 2)
        return affine

    def cells_covering(self, corners_mm: npt.NDArray[np.float64]) -> tuple[Triple, Triple]:
        """First cell and cell count of the box that holds the fine grid and these (3, N) patient points."""
        affine = self.cell_affine((0, 0, 0))
        where = np.linalg.solve(affine[:, :3], corners_mm - affine[:, 3:])
        low = np.minimum(np.floor(where.min(axis=1)).astype(int), -np.array(self.margin))
        high = np.maximum(
            np.ceil(where.max(axis=1)).astype(int), np.array(self.cells) - np.array(self.margin)
        )
        return _triple(low.tolist()), _triple((high - low).tolist())


def _triple(values: list[int]) -> Triple:
    return int(values[0]), int(values[1]), int(values[2])


def _frequencies(shape: Triple, size_mm: tuple[float, float, float]) -> tuple[Float, Float, Float]:
    kx, ky = (np.fft.fftfreq(n, d).astype(np.float32) for n, d in zip(shape[:2], size_mm[:2], strict=True))
    return kx, ky, np.fft.rfftfreq(shape[2], size_mm[2]).astype(np.float32)


@compiled
def _times_near_kernel(
    first: int,
    last: int,
    spectrum: npt.NDArray[np.complex64],
    kx: Float,
    ky: Float,
    kz: Float,
    b: Float,
    width: float,
) -> None:
    decay = -2.0 * math.pi * math.pi * width * width
    for i in range(first, last):
        for j in range(ky.size):
            for k in range(kz.size):
                k2 = kx[i] * kx[i] + ky[j] * ky[j] + kz[k] * kz[k]
                value = 0.0
                if k2 > 0.0:
                    along = kx[i] * b[0] + ky[j] * b[1] + kz[k] * b[2]
                    value = 1.0 / 3.0 - along * along / k2
                    damped = decay * k2
                    if damped > -30.0:
                        value *= 1.0 - math.exp(damped)
                spectrum[i, j, k] *= np.float32(value)


@compiled
def _times_far_kernel(
    first: int,
    last: int,
    spectrum: npt.NDArray[np.complex64],
    kx: Float,
    ky: Float,
    kz: Float,
    b: Float,
    width: float,
    sharpen_x: Float,
    sharpen_y: Float,
    sharpen_z: Float,
) -> None:
    decay = -2.0 * math.pi * math.pi * width * width
    for i in range(first, last):
        for j in range(ky.size):
            for k in range(kz.size):
                k2 = kx[i] * kx[i] + ky[j] * ky[j] + kz[k] * kz[k]
                value = 0.0
                if k2 > 0.0 and decay * k2 > -50.0:
                    along = kx[i] * b[0] + ky[j] * b[1] + kz[k] * b[2]
                    value = (1.0 / 3.0 - along * along / k2) * math.exp(decay * k2)
                    value *= sharpen_x[i] * sharpen_y[j] * sharpen_z[k]
                spectrum[i, j, k] *= np.float32(value)


def near_field(chi_fine: Float, lattice: Lattice) -> Float:
    """Short-range part of the field (ppm) on the fine grid."""
    spectrum = fourier.rfftn(chi_fine)
    b = np.array(lattice.geometry.grid().b0_direction, np.float32)
    k = _frequencies(lattice.fine_shape, lattice.fine_mm)
    in_slabs(_times_near_kernel, spectrum.shape[0], spectrum, *k, b, lattice.width_mm)
    return fourier.irfftn(spectrum, lattice.fine_shape)


def far_coefficients(chi_cells: Float, lattice: Lattice) -> Float:
    """B-spline coefficients of the long-range part (ppm) on coarse cells; beyond the cells is zero chi."""
    x, y, z = chi_cells.shape
    shape = fourier.fast_shape((x, y, z), (x, y, z))
    padded = np.zeros(shape, np.float32)
    padded[:x, :y, :z] = chi_cells
    spectrum = fourier.rfftn(padded)
    k = _frequencies(shape, lattice.cell_mm)
    b = np.array(lattice.geometry.grid().b0_direction, np.float32)
    # undo the averaging over a cell, and turn samples into B-spline coefficients
    turns = [n * size for n, size in zip(k, lattice.cell_mm, strict=True)]
    sharpen = [3.0 / (np.sinc(t) * (2.0 + np.cos(2.0 * math.pi * t))) for t in turns]
    in_slabs(_times_far_kernel, shape[0], spectrum, *k, b, lattice.width_mm, *sharpen)
    return np.ascontiguousarray(fourier.irfftn(spectrum, shape)[:x, :y, :z])


@compiled
def _spline_weights(t: float, weights: npt.NDArray[np.float64]) -> None:
    weights[0] = (1.0 - t) ** 3 / 6.0
    weights[1] = (4.0 - 6.0 * t * t + 3.0 * t**3) / 6.0
    weights[2] = (1.0 + 3.0 * t + 3.0 * t * t - 3.0 * t**3) / 6.0
    weights[3] = t**3 / 6.0


@compiled
def _add_splines(
    first: int,
    last: int,
    coefficients: Float,
    offset: npt.NDArray[np.int64],
    step: npt.NDArray[np.int64],
    start: npt.NDArray[np.int64],
    stop: npt.NDArray[np.int64],
    field: Float,
) -> None:
    wx, wy, wz = np.empty(4), np.empty(4), np.empty(4)
    line = np.empty(coefficients.shape[2])
    for i in range(start[0] + first, start[0] + last):
        u = (i + 0.5) / step[0] - 0.5 + offset[0]
        cx = math.floor(u)
        _spline_weights(u - cx, wx)
        for j in range(start[1], stop[1]):
            u = (j + 0.5) / step[1] - 0.5 + offset[1]
            cy = math.floor(u)
            _spline_weights(u - cy, wy)
            line[:] = 0.0
            for p in range(4):
                for q in range(4):
                    for n in range(line.size):
                        line[n] += wx[p] * wy[q] * coefficients[cx - 1 + p, cy - 1 + q, n]
            for k in range(start[2], stop[2]):
                u = (k + 0.5) / step[2] - 0.5 + offset[2]
                cz = math.floor(u)
                _spline_weights(u - cz, wz)
                total = 0.0
                for n in range(4):
                    total += wz[n] * line[cz - 1 + n]
                field[i, j, k] += total


def add_far_field(field: Float, coefficients: Float, first_cell: Triple, lattice: Lattice) -> None:
    """Add the long-range part to ``field`` in place, inside the field of view."""
    offset = np.array([-m - f for m, f in zip(lattice.margin, first_cell, strict=True)])
    start = np.array(lattice.fine_start)
    stop = start + np.array(lattice.geometry.shape) * np.array(lattice.factor)
    in_slabs(
        _add_splines,
        int(stop[0] - start[0]),
        coefficients,
        offset,
        np.array(lattice.step),
        start,
        stop,
        field,
    )


def field_of_sources(chi_fine: Float, chi_cells: Float, first_cell: Triple, lattice: Lattice) -> Float:
    """The field (ppm) of a susceptibility (ppm); valid inside the field of view of the fine grid.

    Args:
        chi_fine: on ``lattice.fine_shape``.
        chi_cells: averages over coarse cells from ``first_cell`` on, covering the fine grid and every source;
            zero is what lies beyond.
        first_cell: see :meth:`Lattice.cells_covering`.
        lattice: the grids.

    Returns:
        field in ppm on the fine grid; in the margin it means nothing.
    """
    field = near_field(chi_fine, lattice)
    add_far_field(field, far_coefficients(chi_cells, lattice), first_cell, lattice)
    return field


@compiled
def _mean_blocks(
    first: int,
    last: int,
    fine: Float,
    start: npt.NDArray[np.int64],
    factor: npt.NDArray[np.int64],
    out: Float,
) -> None:
    count = factor[0] * factor[1] * factor[2]
    for i in range(first, last):
        for j in range(out.shape[1]):
            for k in range(out.shape[2]):
                total = 0.0
                for p in range(factor[0]):
                    for q in range(factor[1]):
                        for r in range(factor[2]):
                            total += fine[
                                start[0] + i * factor[0] + p,
                                start[1] + j * factor[1] + q,
                                start[2] + k * factor[2] + r,
                            ]
                out[i, j, k] = total / count


def mean_blocks(fine: Float, start: Triple, factor: Triple, shape: Triple) -> Float:
    """Averages of ``fine`` over blocks of ``factor`` voxels from ``start`` on, as an array of ``shape``."""
    out = np.empty(shape, np.float32)
    in_slabs(_mean_blocks, shape[0], fine, np.array(start), np.array(factor), out)
    return out
