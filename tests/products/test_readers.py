"""Other people's readers find our numbers and voxels in report and segmentation, and notice a wrong one."""

from __future__ import annotations

import csv
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from qsmnode.measure.statistics import whole_brain
from qsmnode.products import report_sr, segmentation, table
from qsmnode.products.context import ProductContext
from qsmnode.products.storage import write
from tests.peers.readers import REPORTS, SEGMENTATIONS, Numbers, Places
from tests.products.conftest import FixedRecipe, make_maps, make_source
from tests.products.regions import MEASURED, with_regions

pytestmark = pytest.mark.peers("dcmtk", "dcmqi")

COLUMNS = ("volume_ml", "mean_ppb", "sd_ppb", "median_ppb", "p5_ppb", "p95_ppb")


@pytest.fixture(scope="module")
def regions() -> ProductContext:
    source = make_source()
    maps = make_maps(source)
    brain = whole_brain(maps)
    assert brain is not None
    return ProductContext(
        source=source,
        maps=maps,
        recipe=FixedRecipe(),
        created_at=datetime(2026, 3, 4, 12, 30, 15, 250000, UTC),
        **with_regions(maps, (brain,)),
    )


@pytest.fixture(scope="module")
def built(regions: ProductContext, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files that stay as they are."""
    folder = tmp_path_factory.mktemp("built")
    products = {"report": report_sr, "segmentation": segmentation}
    return {name: write(product.build(regions), folder, name)[0] for name, product in products.items()}


@pytest.fixture
def report(built: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copy2(built["report"], tmp_path)


@pytest.fixture
def segments(built: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copy2(built["segmentation"], tmp_path)


def in_table(made: ProductContext, folder: Path) -> Numbers:
    """What the CSV says of every region with numbers."""
    path, _ = table.write(made, folder)
    with path.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kind"] == "region" and row["mean_ppb"]]
    return {row["tracking_uid"]: {name: float(row[name]) for name in COLUMNS} for row in rows}


def in_context(made: ProductContext) -> dict[str, set[tuple[int, ...]]]:
    """The voxels behind the numbers."""
    drawn = [one for one in made.regions if one.measurement is not None]
    masks = [(None, made.maps.mask), *((one, one.voxels) for one in drawn)]
    return {segmentation.tracking(made, one).uid: _indices(np.argwhere(mask)) for one, mask in masks}


def on_grid(places: Places, made: ProductContext) -> dict[str, set[tuple[int, ...]]]:
    """Places in the patient as voxels of the map; an error where one is no voxel's centre."""
    inverse = np.linalg.inv(made.source.affine)
    found = {}
    for uid, points in places.items():
        voxels = points @ inverse[:3, :3].T + inverse[:3, 3]
        np.testing.assert_allclose(voxels, np.rint(voxels), atol=1e-3)
        found[uid] = _indices(np.rint(voxels).astype(int))
        assert len(found[uid]) == len(points), "a voxel twice"
    return found


def _indices(voxels: Any) -> set[tuple[int, ...]]:
    return {tuple(int(value) for value in voxel) for voxel in voxels}


@pytest.mark.parametrize("reader", REPORTS)
def test_every_reader_of_reports_gives_the_numbers_of_the_table(
    regions: ProductContext, report: Path, tmp_path: Path, reader: str
) -> None:
    stated = in_table(regions, tmp_path)
    assert len(stated) == 1 + len(MEASURED)
    assert REPORTS[reader](report, tmp_path) == stated


@pytest.mark.parametrize("column", ["mean_ppb", "volume_ml"])
@pytest.mark.parametrize("reader", REPORTS)
def test_a_single_changed_number_is_noticed(
    regions: ProductContext, report: Path, tmp_path: Path, reader: str, column: str
) -> None:
    broken = pydicom.dcmread(report)
    numbers = [item for item in _descendants(broken) if item.ValueType == "NUM"]
    wanted = 5 if column == "volume_ml" else COLUMNS.index(column) - 1
    # the last region: of six numbers each, in the order of the report
    value = numbers[-6 + wanted].MeasuredValueSequence[0]
    value.NumericValue = str(round(float(value.NumericValue) + 0.001, 3))
    value.pop("FloatingPointValue", None)
    broken.save_as(report)
    read, stated = REPORTS[reader](report, tmp_path), in_table(regions, tmp_path)
    assert [
        (uid, name) for uid, found in stated.items() for name in found if read[uid][name] != found[name]
    ] == [(list(stated)[-1], column)]


@pytest.mark.parametrize("reader", SEGMENTATIONS)
def test_every_reader_of_segmentations_finds_the_measured_voxels_in_their_place(
    regions: ProductContext, segments: Path, tmp_path: Path, reader: str
) -> None:
    assert on_grid(SEGMENTATIONS[reader](segments, tmp_path), regions) == in_context(regions)


@pytest.mark.parametrize("reader", SEGMENTATIONS)
def test_a_single_changed_voxel_is_noticed(
    regions: ProductContext, segments: Path, tmp_path: Path, reader: str
) -> None:
    broken = pydicom.dcmread(segments)
    packed = np.frombuffer(broken.PixelData, np.uint8).copy()
    place = int(np.flatnonzero(packed)[-1])
    packed[place] &= packed[place] - 1  # without its lowest bit that is set
    broken.PixelData = packed.tobytes()
    broken.save_as(segments)
    read, measured = on_grid(SEGMENTATIONS[reader](segments, tmp_path), regions), in_context(regions)
    changed = {uid: voxels ^ read[uid] for uid, voxels in measured.items() if voxels != read[uid]}
    assert [len(voxels) for voxels in changed.values()] == [1]
    assert list(changed) == list(measured)[-1:]


@pytest.mark.parametrize("reader", SEGMENTATIONS)
def test_segments_in_another_place_are_noticed(
    regions: ProductContext, segments: Path, tmp_path: Path, reader: str
) -> None:
    broken = pydicom.dcmread(segments)
    step = np.array(regions.source.affine[:3, 0])
    for frame in broken.PerFrameFunctionalGroupsSequence:
        plane = frame.PlanePositionSequence[0]
        moved = np.array(plane.ImagePositionPatient, float) + step
        plane.ImagePositionPatient = [f"{value:.10g}" for value in moved]
    broken.save_as(segments)
    read, measured = on_grid(SEGMENTATIONS[reader](segments, tmp_path), regions), in_context(regions)
    assert read == {uid: {(x + 1, y, z) for x, y, z in voxels} for uid, voxels in measured.items()}


def _descendants(item: pydicom.Dataset) -> list[pydicom.Dataset]:
    found = [item] if "ValueType" in item else []
    return found + [one for child in item.get("ContentSequence", ()) for one in _descendants(child)]
