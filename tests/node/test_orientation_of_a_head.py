"""A head is the same head however its slices lie: as alike as when it is measured twice with axial slices."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import map_coordinates

from qsmnode.dicom.source import load
from qsmnode.engine import Recipe
from qsmnode.node.offline import eligible, look_at
from qsmnode.node.reconstruction import reconstructed
from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import AXIAL, CORONAL, SAGITTAL, Protocol, tilted
from qsmnode.phantom.siemens import write_classic
from qsmnode.products.context import ProductContext

VOXEL_MM = 4.0
LEFT, BACK, UP = 48, 54, 45  # voxels over 192 x 216 x 180 mm
Chi = npt.NDArray[np.float64]


def measured(folder: Path, shape: tuple[int, int, int], **changes: object) -> ProductContext:
    """The same head through Siemens' files and the default recipe."""
    protocol = Protocol(shape=shape, voxel_mm=(VOXEL_MM,) * 3, **changes)  # type: ignore[arg-type]
    write_classic(simulate(HeadShape(seed=3), protocol), folder)
    found = look_at([folder])
    (acquisition,) = eligible(found)
    source = load(acquisition, found.paths)
    return reconstructed(source, Recipe.preset("default"), datetime(2026, 1, 1))  # noqa: DTZ001


def difference_ppb(one: ProductContext, axial: ProductContext) -> float:
    """Root mean square over the voxels of ``axial`` that lie well inside both masks."""
    index = np.indices(axial.maps.mask.shape).reshape(3, -1)
    points = axial.source.affine @ np.vstack([index, np.ones(index.shape[1])])
    there = (np.linalg.inv(one.source.affine) @ points)[:3]

    def moved(values: npt.NDArray[np.generic]) -> Chi:
        found: Chi = map_coordinates(values.astype(np.float64), there, order=1, mode="constant")
        return found.reshape(axial.maps.mask.shape)

    both = (moved(one.maps.mask) > 0.99) & axial.maps.mask
    assert np.count_nonzero(both) > 0.8 * np.count_nonzero(axial.maps.mask)
    apart = moved(one.maps.susceptibility)[both] - axial.maps.susceptibility[both]
    return 1000 * float(np.sqrt(np.mean(apart.astype(np.float64) ** 2)))


@pytest.fixture(scope="module")
def axial(tmp_path_factory: pytest.TempPathFactory) -> ProductContext:
    return measured(tmp_path_factory.mktemp("axial"), (LEFT, BACK, UP))


@pytest.fixture(scope="module")
def repeatability_ppb(axial: ProductContext, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Of axial slices: other noise, and a head that lies half a voxel elsewhere."""
    half = (VOXEL_MM / 2,) * 3
    again = measured(tmp_path_factory.mktemp("again"), (LEFT, BACK, UP), noise_seed=2, centre_mm=half)
    found = difference_ppb(again, axial)
    spread = 1000 * float(axial.maps.susceptibility[axial.maps.mask].std())
    assert 0 < found < spread  # else everything would be repeatable
    return found


@pytest.mark.parametrize(
    ("shape", "orientation"),
    [
        ((BACK, UP, LEFT), SAGITTAL),
        ((LEFT, UP, BACK), CORONAL),
        ((LEFT + 6, BACK + 6, UP + 6), tilted(AXIAL, 30.0, 20.0)),
    ],
    ids=["sagittal", "coronal", "double oblique"],
)
def test_another_orientation_is_as_good_as_another_measurement(
    axial: ProductContext,
    repeatability_ppb: float,
    tmp_path: Path,
    shape: tuple[int, int, int],
    orientation: tuple[float, ...],
) -> None:
    other = measured(tmp_path, shape, orientation=orientation)
    assert difference_ppb(other, axial) <= repeatability_ppb
