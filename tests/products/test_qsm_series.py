from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest

from qsmnode.config import SeriesSettings
from qsmnode.engine import Recipe
from qsmnode.engine.presets import VERSIONS
from qsmnode.errors import JobFailed, NotEligible
from qsmnode.products import qsm_series
from qsmnode.products.context import ProductContext
from qsmnode.products.storage import write

Make = Callable[..., ProductContext]


def written(context: ProductContext, folder: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in write(qsm_series.SERIES.build(context), folder, "qsm")]


@pytest.mark.parametrize("enhanced", [False, True])
def test_pixels_and_geometry_come_back(context: Make, tmp_path: Path, enhanced: bool) -> None:
    made = context(enhanced=enhanced)
    source, chi = made.source, made.maps.susceptibility
    images = written(made, tmp_path)
    assert len(images) == chi.shape[2]
    for z, image in enumerate(images):
        assert (image.Rows, image.Columns) == (chi.shape[1], chi.shape[0])
        for c, r in ((1, 1), (8, 3), (3, 7)):
            assert image.pixel_array[r, c] == round(float(chi[c, r, z]) * 1000)
        np.testing.assert_array_equal(image.pixel_array.T, np.rint(chi[:, :, z].astype(float) * 1000))
        assert image.ImagePositionPatient == pytest.approx(source.slices[z].position_mm, abs=1e-9)
        assert image.ImageOrientationPatient == pytest.approx(source.orientation, abs=1e-9)
        assert tuple(image.PixelSpacing) == source.pixel_spacing_mm
        assert image.SliceThickness == source.slice_thickness_mm
        assert image.SpacingBetweenSlices == source.slice_spacing_mm
        assert image.FrameOfReferenceUID == source.template.FrameOfReferenceUID
        assert image.InstanceNumber == z + 1


def test_it_says_what_it_is(context: Make, tmp_path: Path) -> None:
    image = written(context(), tmp_path)[2]
    assert list(image.ImageType) == ["DERIVED", "PRIMARY", "OTHER", "QSM"]
    mapping = image.RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "[ppb]"
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    assert mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0].CodeValue == "126396"
    assert "RescaleSlope" not in image
    assert (image.WindowCenter, image.WindowWidth) == (50, 300)
    assert "research use" in image.SeriesDescription
    assert "default/3" in image.DerivationDescription
    assert "mean of the whole brain +- 0" in image.DerivationDescription
    assert image.EchoTime is None
    purposes = [
        item.PurposeOfReferenceCodeSequence[0].CodeValue for item in image.ContributingEquipmentSequence
    ]
    assert purposes == ["109101", "109102"]
    assert image.ContributingEquipmentSequence[0].DeviceSerialNumber == "1234"
    assert image.SeriesNumber == 701


def test_identity_is_copied_with_its_characters(context: Make, tmp_path: Path) -> None:
    raw = pydicom.dcmread(write(qsm_series.SERIES.build(context()), tmp_path, "qsm")[0])
    assert str(raw.PatientName) == "M\u00fcller^J\u00f6rg"
    assert raw.SpecificCharacterSet == "ISO_IR 100"
    assert raw.AccessionNumber == "A17"
    assert "Laterality" not in raw
    japanese = context(
        SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName="Yamada^Tarou=\u5c71\u7530^\u592a\u90ce"
    )
    assert str(written(japanese, tmp_path)[0].PatientName) == "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce"


def test_sources_are_referenced_slice_by_slice(context: Make) -> None:
    classic = qsm_series.SERIES.build(context())[3].SourceImageSequence
    assert len(classic) == 6
    assert {str(item.ReferencedSOPInstanceUID)[-2:] for item in classic} == {".4"}
    enhanced = qsm_series.SERIES.build(context(enhanced=True))[3].SourceImageSequence
    assert len(enhanced) == 1
    assert list(enhanced[0].ReferencedFrameNumber) == [4, 11, 18, 25, 32, 39]


def test_equal_input_gives_equal_bytes_and_names(context: Make, tmp_path: Path) -> None:
    first = write(qsm_series.SERIES.build(context()), tmp_path / "a", "qsm")
    second = write(qsm_series.SERIES.build(context()), tmp_path / "b", "qsm")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert [p.stat().st_mode & 0o777 for p in first] == [0o600] * len(first)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    planned = qsm_series.SERIES.plan(context())
    assert [pydicom.dcmread(p).SOPInstanceUID for p in first] == list(planned.sop_instance_uids)
    assert len(set(planned.sop_instance_uids)) == len(first)


@pytest.mark.parametrize(
    "changed",
    [
        {"context": {"revision": 2}},
        {"context": {"options": {"mask": "own"}}},
        {"context": {"transforms": "pyfftw 0.15.0"}},
        {"PatientID": "P-2"},
    ],
)
def test_changed_content_gets_new_names(context: Make, changed: dict[str, Any]) -> None:
    assert qsm_series.SERIES.series_uid(context(**changed)) != qsm_series.SERIES.series_uid(context())


def test_the_time_changes_no_name(context: Make) -> None:
    later = context(context={"created_at": datetime(2027, 1, 1, tzinfo=UTC)})
    assert qsm_series.SERIES.plan(later) == qsm_series.SERIES.plan(context())


def test_the_time_is_the_jobs_in_the_sources_zone(context: Make) -> None:
    plain = qsm_series.SERIES.build(context())[0]
    assert (plain.ContentDate, plain.ContentTime) == ("20260304", "123015.250000")
    zoned = qsm_series.SERIES.build(context(TimezoneOffsetFromUTC="-1300"))[0]
    assert (zoned.ContentDate, zoned.ContentTime) == ("20260303", "233015.250000")


def test_values_beyond_the_stored_range_are_clipped_and_counted(made: SimpleNamespace) -> None:
    chi = np.zeros(made.shape, np.float32)
    chi[1, 1, 1], chi[2, 2, 2], chi[3, 3, 3], chi[4, 4, 4] = 40, -40, 32.767, -32.768
    stored = qsm_series.stored_ppb(chi)
    assert stored[1, 1, 1] == 32767
    assert stored[2, 2, 2] == -32768
    assert (stored[3, 3, 3], stored[4, 4, 4]) == (32767, -32768)
    assert qsm_series.clipped_voxels(chi) == 2


def test_a_value_that_is_not_finite_is_refused(context: Make, made: SimpleNamespace) -> None:
    chi = np.zeros(made.shape, np.float32)
    chi[1, 1, 1] = np.nan
    with pytest.raises(JobFailed, match="1 voxels"):
        qsm_series.SERIES.build(context(maps={"susceptibility": chi}))


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "FrameOfReferenceUID"])
def test_without_a_place_in_the_study_there_is_no_product(context: Make, keyword: str) -> None:
    with pytest.raises(NotEligible, match=keyword):
        qsm_series.SERIES.build(context(**{keyword: None}))


def test_series_of_other_parameters_say_what_differs(context: Make) -> None:
    """In the list of series by their description, and whole where it is said how they were made."""
    titles, said, series = [], [], set()
    for choice in (
        "default",
        "fast",
        {"inversion": "tkd"},
        {"inversion": {"alpha": 5e-5}},
        {"r2star": "nlls"},
    ):
        image = qsm_series.SERIES.build(context(context={"recipe": Recipe.from_mapping(choice)}))[0]
        titles.append(image.SeriesDescription)
        said.append(image.DerivationDescription)
        series.add(image.SeriesInstanceUID)
    assert titles == [
        "QSM ppb (research use)",
        "QSM ppb, fast (research use)",
        "QSM ppb, inversion tkd (research use)",
        "QSM ppb, inversion alpha=5e-05 (research use)",
        "QSM ppb (research use)",
    ]
    assert len(series) == 5
    assert "preset fast" in said[1]
    assert f"other than preset {VERSIONS['default']}: inversion tkd" in said[2]
    assert "r2star nlls" in said[4]
    chosen = {"qsm": SeriesSettings.model_validate({"description": "For hanging"})}
    styled = context(context={"recipe": Recipe.preset("fast"), "styles": chosen})
    assert qsm_series.SERIES.build(styled)[0].SeriesDescription == "For hanging (research use)", "as chosen"
