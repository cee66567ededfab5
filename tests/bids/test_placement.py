"""How voxels lie: the engine has a scanner's axes, B0 is the scanner's z, every voxel stays in its place."""

from __future__ import annotations

import itertools
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.bids.placement import Affine, Placement, placement_of
from qsmnode.errors import NotEligible
from qsmnode.phantom.protocol import AXIAL, CORONAL, SAGITTAL, SliceGeometry, tilted
from tests.bids.scans import TO_RAS, turned_affine

SHAPE = (5, 6, 7)
LAYOUTS = [
    (order, flips)
    for order in itertools.permutations(range(3))
    for count in range(4)
    for flips in itertools.combinations(range(3), count)
]


def header(affine: Affine, sform: int = 1, qform: int = 0, shape: tuple[int, ...] = SHAPE) -> Any:
    made: Any = nibabel.Nifti1Header()
    made.set_data_shape(shape)
    made.set_xyzt_units("mm")
    made.set_sform(affine, code=sform)
    if qform:
        made.set_qform(affine, code=qform)
    return made


def placed(affine: Affine, **codes: Any) -> Placement:
    return placement_of("a.nii", header(affine, **codes))


@given(
    st.sampled_from(LAYOUTS),
    st.sampled_from([AXIAL, SAGITTAL, CORONAL]),
    st.floats(-40, 40),
    st.floats(-40, 40),
    st.tuples(*[st.floats(0.3, 5)] * 3),
)
def test_b0_and_places_hold_for_every_affine(
    layout: Any, base: Any, first: float, second: float, voxel: Any
) -> None:
    geometry = SliceGeometry(SHAPE, voxel, tilted(base, first, second))
    affine = turned_affine(TO_RAS @ geometry.affine, SHAPE, *layout)
    shape = tuple(SHAPE[axis] for axis in layout[0])
    found = placement_of("a.nii", header(affine, shape=shape))
    # the scanner's z, seen from the file's axes and back
    for grid, flipped in ((found.file_grid, ()), (found.engine_grid, found.flipped)):
        np.testing.assert_allclose(np.linalg.norm(found.affine[:3, :3], axis=0), grid.voxel_mm, atol=1e-5)
        signs = np.array([-1 if axis in flipped else 1 for axis in range(3)])
        order = found.order if flipped else (0, 1, 2)
        axes = (found.affine[:3, :3] / np.linalg.norm(found.affine[:3, :3], axis=0) * signs)[:, order]
        scanner = axes @ grid.b0_direction
        np.testing.assert_allclose(scanner, (0, 0, 1), atol=1e-6)
    row, column = np.array(found.orientation[:3]), np.array(found.orientation[3:])
    normal = np.cross(row, column)
    third = (TO_RAS @ found.affine)[:3, 2] / np.linalg.norm(found.affine[:3, 2])
    np.testing.assert_allclose(normal, third * (-1 if 2 in found.flipped else 1), atol=1e-6)
    values = np.arange(np.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(found.back(found.turned(values)), values)


@pytest.mark.parametrize(
    "orientation", [AXIAL, SAGITTAL, CORONAL, tilted(AXIAL, 20, 15), tilted(SAGITTAL, 10)]
)
@pytest.mark.parametrize("flips", [(), (0,), (1,), (2,), (0, 1), (0, 1, 2)])
def test_the_engine_sees_what_it_sees_in_dicom(orientation: Any, flips: tuple[int, ...]) -> None:
    geometry = SliceGeometry(SHAPE, (1.0, 1.5, 2.0), orientation)
    found = placed(turned_affine(TO_RAS @ geometry.affine, SHAPE, (0, 1, 2), flips))
    assert found.flipped == flips
    np.testing.assert_allclose(found.engine_grid.b0_direction, geometry.grid().b0_direction, atol=1e-6)
    np.testing.assert_allclose(found.engine_grid.voxel_mm, geometry.voxel_mm, rtol=1e-6)
    np.testing.assert_allclose(found.orientation, orientation, atol=1e-6)


def test_the_scanners_own_transform_is_taken() -> None:
    scanner, other = np.diag([2.0, 2.0, 2.0, 1.0]), np.diag([-1.0, 1.0, 3.0, 1.0])
    made = header(other, sform=4)
    made.set_qform(scanner, code=1)
    np.testing.assert_allclose(placement_of("a.nii", made).affine, scanner)
    aligned = placed(scanner, sform=2)
    assert aligned.remark == "a.nii: sform_code 2 (aligned): its axes are taken as the scanner's"
    assert placed(scanner).remark == ""


def sheared() -> Affine:
    made = np.diag([1.0, 1.0, 1.0, 1.0])
    made[0, 1] = 0.1
    return made


@pytest.mark.parametrize(
    ("affine", "codes", "words"),
    [
        (sheared(), {}, "a.nii: affine: expected perpendicular axes, found a sheared grid"),
        (np.diag([1.0, 0.0, 1.0, 1.0]), {}, "a.nii: affine: expected three axes of finite length"),
        (np.eye(4), {"sform": 0}, "a.nii: sform_code 0, qform_code 0: expected 1 (the scanner's axes)"),
        (np.eye(4), {"sform": 4}, "a.nii: sform_code 4, qform_code 0: expected 1 (the scanner's axes)"),
    ],
)
def test_a_grid_that_lies_nowhere_is_refused(affine: Affine, codes: Any, words: str) -> None:
    with pytest.raises(NotEligible) as caught:
        placed(affine, **codes)
    assert str(caught.value).startswith(words)
    assert "resample it to the scanner's axes" in str(caught.value)


def test_another_unit_is_refused() -> None:
    made = header(np.eye(4))
    made.set_xyzt_units("micron")
    with pytest.raises(
        NotEligible, match=r"a.nii: xyzt_units: expected mm, found micron; write the affine in mm"
    ):
        placement_of("a.nii", made)


@given(st.sampled_from(LAYOUTS), st.sampled_from([AXIAL, SAGITTAL, CORONAL, tilted(AXIAL, 25, 20)]))
def test_a_converter_that_names_the_scanners_rows_gives_the_scanners_axes(
    layout: Any, orientation: Any
) -> None:
    geometry = SliceGeometry(SHAPE, (1.0, 1.5, 2.0), orientation)
    affine = turned_affine(TO_RAS @ geometry.affine, SHAPE, *layout)
    shape = tuple(SHAPE[axis] for axis in layout[0])
    found = placement_of("a.nii", header(affine, shape=shape)).as_scanned(orientation)
    assert found is not None
    assert found.engine_grid.shape == SHAPE
    assert found.engine_grid.voxel_mm == geometry.voxel_mm
    np.testing.assert_allclose(found.engine_grid.b0_direction, geometry.grid().b0_direction, atol=1e-6)
    np.testing.assert_allclose(found.orientation, orientation, atol=1e-6)
    values = np.arange(np.prod(shape)).reshape(shape)
    assert found.turned(values).shape == SHAPE
    np.testing.assert_array_equal(found.back(found.turned(values)), values)


def test_rows_that_a_resampled_file_does_not_have_are_left_alone() -> None:
    assert placed(np.eye(4)).as_scanned(tilted(AXIAL, 25)) is None
