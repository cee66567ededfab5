"""Order, spacing and direction of slices, against rotations that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from qsmnode.dicom.geometry import affine_of, along_normal, b0_direction, order_slices, slice_normal
from qsmnode.errors import NotEligible

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
angles = st.tuples(*[st.floats(-180, 180)] * 3)


def orientation_of(degrees: tuple[float, float, float]) -> tuple[tuple[float, ...], np.ndarray]:
    """ImageOrientationPatient of a rotated axial slice, and its axes as columns."""
    axes = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    return (*axes[:, 0], *axes[:, 1]), axes


@given(angles)
def test_b0_is_patient_z_seen_from_the_array(degrees: tuple[float, float, float]) -> None:
    orientation, axes = orientation_of(degrees)
    direction = b0_direction(orientation)
    assert axes @ np.array(direction) == pytest.approx((0, 0, 1), abs=1e-9)
    assert np.linalg.norm(direction) == pytest.approx(1)


@given(angles, st.permutations(range(7)), st.floats(0.3, 5))
def test_any_order_of_slices_is_sorted_along_row_cross_column(
    degrees: tuple[float, float, float], order: list[int], spacing: float
) -> None:
    orientation, axes = orientation_of(degrees)
    places = [tuple(np.array([5.0, -7.0, 11.0]) + axes[:, 2] * spacing * z) for z in order]
    found = order_slices(places, orientation)
    assert [order[index] for index in found.order] == list(range(7))
    assert found.spacing_mm == pytest.approx(spacing, abs=5.1e-5)


@given(angles, st.sampled_from([1.0, 1.5, 2.0, 3.0, 5.0]))
def test_a_turn_of_the_slices_is_no_other_spacing(
    degrees: tuple[float, float, float], spacing: float
) -> None:
    orientation, axes = orientation_of(degrees)
    places = [tuple(np.array([5.0, -7.0, 11.0]) + axes[:, 2] * spacing * z) for z in range(9)]
    assert order_slices(places, orientation).spacing_mm == spacing


@given(angles)
def test_the_affine_reaches_every_voxel(degrees: tuple[float, float, float]) -> None:
    orientation, axes = orientation_of(degrees)
    affine = affine_of(orientation, (1.5, 1.25), 2.0, (10.0, 20.0, 30.0))
    # x runs along a row: by the distance between columns, the second of PixelSpacing
    expected = np.array([10.0, 20.0, 30.0]) + axes @ np.array([3 * 1.25, 4 * 1.5, 5 * 2.0])
    assert affine @ (3, 4, 5, 1) == pytest.approx((*expected, 1), abs=1e-6)


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ([0, 1, 2, 4, 5], "not equally spaced"),
        ([0, 1, 2, 3.2, 4.2], "not equally spaced"),
        ([0, 1, 1.005, 2], "two slices lie at one place"),
    ],
)
def test_irregular_slices_are_refused(places: list[float], reason: str) -> None:
    with pytest.raises(NotEligible, match=reason):
        order_slices([(0, 0, place) for place in places], AXIAL)


def test_slices_shifted_sideways_are_refused() -> None:
    with pytest.raises(NotEligible, match="shifted against each other"):
        order_slices([(0.3 * z, 0, z) for z in range(6)], AXIAL)


def test_rounding_of_headers_is_no_gap() -> None:
    places = [(0, 0, round(1.7999999 * z + 0.0004 * (-1) ** z, 4)) for z in range(160)]
    assert order_slices(places, AXIAL).spacing_mm == pytest.approx(1.8, abs=1e-4)


def test_one_slice_has_no_spacing() -> None:
    assert order_slices([(0, 0, 1)], AXIAL).spacing_mm is None


@pytest.mark.parametrize(
    "orientation", [(1, 0, 0, 1, 0, 0), (2, 0, 0, 0, 1, 0), (1, 0, 0), (float("nan"), 0, 0, 0, 1, 0)]
)
def test_what_is_no_orientation_is_refused(orientation: tuple[float, ...]) -> None:
    with pytest.raises(NotEligible, match="ImageOrientationPatient"):
        slice_normal(orientation)


def test_places_along_the_normal_are_millimetres() -> None:
    assert along_normal((1, 2, 3), (0, 0.6, 0.8)) == pytest.approx(3.6)
