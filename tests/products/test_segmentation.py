from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest

from qsmnode.errors import Finding, NotEligible
from qsmnode.measure import segmentation_file
from qsmnode.measure.grids import Box
from qsmnode.measure.statistics import whole_brain
from qsmnode.products import qsm_series, segmentation
from qsmnode.products.context import ProductContext
from qsmnode.products.revision import Replaced
from qsmnode.products.storage import write
from tests.products.regions import MEASURED, TRACKED, with_regions

Make = Callable[..., ProductContext]


@pytest.fixture
def regions(context: Make) -> ProductContext:
    plain = context()
    return context(context=with_regions(plain.maps, plain.measurements))


def written(made: ProductContext, folder: Path) -> Path:
    (path,) = write(segmentation.build(made), folder, "segmentation")
    return path


def test_every_measured_region_is_a_segment_of_the_voxels_that_were_measured(
    regions: ProductContext, tmp_path: Path
) -> None:
    read = highdicom.seg.segread(written(regions, tmp_path))
    assert [segment.SegmentLabel for segment in read.SegmentSequence] == ["whole brain", *MEASURED]
    uids = qsm_series.SERIES.plan(regions).sop_instance_uids
    pixels = read.get_pixels_by_source_instance(source_sop_instance_uids=uids)
    expected = {one.title: one.voxels for one in regions.regions}
    for index, segment in enumerate(read.SegmentSequence):
        volume = pixels[..., index].transpose(2, 1, 0).astype(bool)
        np.testing.assert_array_equal(volume, expected.get(segment.SegmentLabel, regions.maps.mask))
    counted = pixels.sum(axis=(0, 1, 2)) * regions.maps.grid.voxel_volume_mm3 / 1000
    assert counted == pytest.approx([item.volume_ml for item in regions.measurements])


def test_it_is_read_back_as_regions_of_the_same_voxels_and_names_without_the_brain(
    regions: ProductContext, tmp_path: Path
) -> None:
    box = Box(regions.source.stack.grid.shape, regions.source.affine)
    found = segmentation_file.read(written(regions, tmp_path), box, "1.2.3.4", "1.2.3.4.9")
    drawn = [one for one in regions.regions if one.measurement is not None]
    for region, measured in zip(found, drawn, strict=True):
        np.testing.assert_array_equal(region.mask, measured.voxels)
        assert region.structure == measured.region.structure
        assert region.side == measured.region.side
        named = segmentation.tracking(regions, measured)
        assert (region.tracking_id, region.tracking_uid) == (named.identifier, named.uid)


def test_segments_say_what_they_are_who_made_them_and_how_to_show_them(
    regions: ProductContext, tmp_path: Path
) -> None:
    made = pydicom.dcmread(written(regions, tmp_path))
    brain, left, right, red, lesion = made.SegmentSequence
    kinds = [one.SegmentedPropertyTypeCodeSequence[0] for one in made.SegmentSequence]
    assert [kind.CodeValue for kind in kinds] == ["12738006", "14738005", "14738005", "ST-101", "ST-199"]
    sides = [kind.get("SegmentedPropertyTypeModifierCodeSequence") for kind in kinds]
    assert [side and side[0].CodeMeaning for side in sides] == [None, "Left", "Right", None, "Left"]
    assert made.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99QSMNODE"
    algorithms = [one.SegmentAlgorithmType for one in made.SegmentSequence]
    assert algorithms == ["AUTOMATIC", "SEMIAUTOMATIC", "SEMIAUTOMATIC", "AUTOMATIC", "SEMIAUTOMATIC"]
    assert left.RecommendedDisplayCIELabValue == right.RecommendedDisplayCIELabValue
    colours = {tuple(one.RecommendedDisplayCIELabValue) for one in (brain, left, red, lesion)}
    assert len(colours) == 4
    assert (lesion.TrackingID, lesion.TrackingUID) == tuple(TRACKED.values())
    assert len({one.TrackingUID for one in made.SegmentSequence}) == 5
    (algorithm,) = left.SegmentationAlgorithmIdentificationSequence
    assert "drawn by=a reader" in "".join(algorithm.AlgorithmParameters)
    assert made.SeriesDescription == "QSM regions (research use)"
    (series,) = made.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == qsm_series.SERIES.series_uid(regions)
    assert str(made.PatientName) == "M\u00fcller^J\u00f6rg"


def test_equal_input_gives_equal_bytes_and_other_regions_other_names(
    regions: ProductContext, context: Make, tmp_path: Path
) -> None:
    first, second = written(regions, tmp_path / "a"), written(regions, tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    plain = context()
    assert segmentation.plan(plain) != segmentation.plan(regions)
    assert qsm_series.SERIES.plan(plain) == qsm_series.SERIES.plan(regions)


def test_without_regions_it_holds_the_brain_and_without_a_brain_there_is_none(context: Make) -> None:
    (made,) = segmentation.build(context())
    assert [segment.SegmentLabel for segment in made.SegmentSequence] == ["whole brain"]
    empty = context(maps={"mask": np.zeros(context().maps.mask.shape, dtype=bool)})
    with pytest.raises(NotEligible, match="the map's mask is empty"):
        segmentation.build(empty)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"enhanced": True},
        {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "\u0141uk\u00e1\u0161^\u5c71"},
        {**dict.fromkeys(("PatientBirthDate", "PatientSex", "StudyTime", "StudyID", "AccessionNumber")),
         "PatientName": "Nobody^Ann", "ReferringPhysicianName": None, "PositionReferenceIndicator": None},
    ],
)  # fmt: skip
def test_dciodvfy_has_nothing_to_say(context: Make, tmp_path: Path, dciodvfy: Any, changes: Any) -> None:
    plain = context(**changes)
    more = with_regions(plain.maps, (whole_brain(plain.maps),))
    replaced = {"segmentation": Replaced("2.25.31", "1.2.840.10008.5.1.4.1.1.66.4", "2.25.32")}
    made = context(context={**more, "revision": 2, "replaces": replaced}, **changes)
    verdict = dciodvfy(written(made, tmp_path))
    warnings = [line for line in verdict.warnings if "needed to build DICOMDIR" not in line or not changes]
    assert (verdict.iod, verdict.errors, warnings) == ("Segmentation", (), [])


def test_doubts_about_the_map_stand_in_its_description(context: Make, made: Any) -> None:
    source = replace(made.source(), findings=(Finding("streaks", "withhold", "", "streaks"),))
    (segments,) = segmentation.build(context(context={"source": source}))
    assert segments.SeriesDescription == "QSM regions NUMBERS WITHHELD (research use)"
