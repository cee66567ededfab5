"""Where slices lie: orientation, order and spacing along the slice normal, B0 in array axes.

Array axes are X = column index (along a row), Y = row index, Z = along row x column, ascending. Positions and
directions are in the patient's LPS axes and mm (DICOM PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.errors import NotEligible

Vector = tuple[float, float, float]

ORIENTATION_TOLERANCE = 1e-3
"""Largest difference of two direction cosines of one orientation, and of a unit length from 1."""
POSITION_TOLERANCE_MM = 0.02
"""Slice positions closer than this are one position: headers round finer, slices are never so thin."""
SPACING_TOLERANCE = 0.01
"""Part of the slice spacing by which a slice may lie off its place in the regular grid."""
_SPACING_DECIMALS = 4  # of a millimetre: 10 micrometres over 200 slices


@dataclass(frozen=True)
class SliceOrder:
    """Slices in ascending order along the normal, all equally far apart."""

    order: tuple[int, ...]  # indices into the positions that were given
    spacing_mm: float | None  # None for a single slice: its neighbours' distance cannot be seen


def slice_normal(orientation: Sequence[float]) -> Vector:
    """Unit vector row x column of an ImageOrientationPatient.

    Raises:
        NotEligible: not six finite cosines of two perpendicular unit vectors.
    """
    values = tuple(float(value) for value in orientation)
    if len(values) != 6 or not all(math.isfinite(value) for value in values):
        raise NotEligible(f"ImageOrientationPatient: expected 6 direction cosines, got {values}")
    row, column = np.array(values[:3]), np.array(values[3:])
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    skew = abs(float(row @ column))
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), skew) > 10 * ORIENTATION_TOLERANCE:
        raise NotEligible(
            f"ImageOrientationPatient: expected two perpendicular unit vectors, got {values} "
            f"(lengths {lengths[0]:.4f}, {lengths[1]:.4f}; scalar product {skew:.4f})"
        )
    normal = np.cross(row, column)
    normal = normal / np.linalg.norm(normal)
    return (float(normal[0]), float(normal[1]), float(normal[2]))


def along_normal(position: Sequence[float], normal: Sequence[float]) -> float:
    """Place of a slice along the normal, in mm."""
    return float(position[0] * normal[0] + position[1] * normal[1] + position[2] * normal[2])


def b0_direction(orientation: Sequence[float]) -> Vector:
    """Unit vector of the patient's z axis in array axes: B0 of a horizontal bore.

    Raises:
        NotEligible: the orientation is none.
    """
    normal = slice_normal(orientation)
    direction = np.array([float(orientation[2]), float(orientation[5]), normal[2]])
    length = float(np.linalg.norm(direction))
    unit = direction / length
    return (float(unit[0]), float(unit[1]), float(unit[2]))


def order_slices(positions: Sequence[Sequence[float]], orientation: Sequence[float]) -> SliceOrder:
    """Sort distinct slice positions along the normal and prove that they make a regular grid.

    Args:
        positions: ImagePositionPatient of each slice, mm; every slice once.
        orientation: ImageOrientationPatient of all of them.

    Raises:
        NotEligible: two slices at one place, a gap, unequal spacing, or slices shifted within their plane.
    """
    normal = slice_normal(orientation)
    points = np.asarray([[float(value) for value in position] for position in positions], dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or not np.all(np.isfinite(points)):
        raise NotEligible(
            "ImagePositionPatient: expected three finite coordinates in mm for every slice", check="slices"
        )
    if len(points) == 1:
        return SliceOrder((0,), None)
    places = points @ np.asarray(normal)
    order = np.argsort(places, kind="stable")
    steps = np.diff(places[order])
    _refuse_irregular(steps)
    # an oblique scan's positions say 5.00000000000001: such a voxel is another one to the engine's filters
    spacing = round(float(places[order[-1]] - places[order[0]]) / (len(points) - 1), _SPACING_DECIMALS)
    _refuse_shear(points[order], np.asarray(normal), places[order], spacing)
    return SliceOrder(tuple(int(index) for index in order), spacing)


def _refuse_irregular(steps: npt.NDArray[np.float64]) -> None:
    """Compare every step with the median: one missing slice doubles one step."""
    if float(steps.min()) < POSITION_TOLERANCE_MM:
        raise NotEligible(
            f"two slices lie at one place (slice {int(steps.argmin()) + 1} and the next)", check="slices"
        )
    typical = float(np.median(steps))
    tolerance = max(SPACING_TOLERANCE * typical, POSITION_TOLERANCE_MM)
    wrong = int(np.argmax(np.abs(steps - typical)))
    if abs(float(steps[wrong]) - typical) > tolerance:
        raise NotEligible(
            f"slices are not equally spaced: {float(steps[wrong]):.3f} mm after slice {wrong + 1}, "
            f"{typical:.3f} mm elsewhere (a gap or a missing slice)",
            check="slices",
        )


def _refuse_shear(
    points: npt.NDArray[np.float64],
    normal: npt.NDArray[np.float64],
    places: npt.NDArray[np.float64],
    spacing: float,
) -> None:
    """A slice stack whose slices are shifted sideways is no box of voxels."""
    sideways = points - points[0] - np.outer(places - places[0], normal)
    worst = float(np.linalg.norm(sideways, axis=1).max())
    if worst > max(0.1 * spacing, 5 * POSITION_TOLERANCE_MM):
        raise NotEligible(
            f"slices are shifted against each other within their plane by up to {worst:.3f} mm",
            check="slices",
        )


def affine_of(
    orientation: Sequence[float],
    pixel_spacing_mm: tuple[float, float],
    slice_spacing_mm: float,
    first_position_mm: Sequence[float],
) -> npt.NDArray[np.float64]:
    """Matrix (4, 4) from array index (X, Y, Z, 1) to patient LPS coordinates in mm.

    Args:
        orientation: ImageOrientationPatient.
        pixel_spacing_mm: DICOM order, (between rows, between columns).
        slice_spacing_mm: distance of neighbouring slices along the normal.
        first_position_mm: ImagePositionPatient of the slice with Z = 0.
    """
    matrix = np.eye(4)
    matrix[:3, 0] = np.asarray(orientation[:3], dtype=np.float64) * pixel_spacing_mm[1]
    matrix[:3, 1] = np.asarray(orientation[3:], dtype=np.float64) * pixel_spacing_mm[0]
    matrix[:3, 2] = np.asarray(slice_normal(orientation)) * slice_spacing_mm
    matrix[:3, 3] = np.asarray(first_position_mm, dtype=np.float64)
    return matrix
