"""The map as one Enhanced MR object holds what the classic series holds, slice by slice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest

from qsmnode.config import SeriesSettings
from qsmnode.errors import JobFailed, NotEligible
from qsmnode.products import qsm_enhanced, qsm_series
from qsmnode.products.context import ProductContext
from qsmnode.products.storage import write

Make = Callable[..., ProductContext]
BARE = ("PositionReferenceIndicator", "PatientPosition", "BodyPartExamined", "MagneticFieldStrength")


@pytest.mark.parametrize("enhanced", [False, True])
def test_every_frame_is_an_image_of_the_classic_series(context: Make, tmp_path: Path, enhanced: bool) -> None:
    made = context(enhanced=enhanced)
    image = pydicom.dcmread(write(qsm_enhanced.build(made), tmp_path, "map")[0])
    classic = qsm_series.SERIES.build(made)
    shared = image.SharedFunctionalGroupsSequence[0]
    frames = image.PerFrameFunctionalGroupsSequence
    assert (image.NumberOfFrames, image.pixel_array.dtype) == (len(classic), np.int16)
    for number, (frame, pixels, one) in enumerate(zip(frames, image.pixel_array, classic, strict=True), 1):
        stored = np.frombuffer(one.PixelData, "<i2").reshape(one.Rows, one.Columns)
        np.testing.assert_array_equal(pixels, stored)
        content = frame.FrameContentSequence[0]
        assert (content.InStackPositionNumber, list(content.DimensionIndexValues)) == (number, [1, number])
        for held, keyword in (
            (frame.PlanePositionSequence, "ImagePositionPatient"),
            (shared.PlaneOrientationSequence, "ImageOrientationPatient"),
            (shared.PixelMeasuresSequence, "PixelSpacing"),
            (shared.PixelMeasuresSequence, "SliceThickness"),
            (shared.PixelMeasuresSequence, "SpacingBetweenSlices"),
            (shared.FrameVOILUTSequence, "WindowCenter"),
            (shared.FrameVOILUTSequence, "WindowWidth"),
            (frame.DerivationImageSequence, "DerivationDescription"),
            (frame.DerivationImageSequence, "DerivationCodeSequence"),
            (frame.DerivationImageSequence, "SourceImageSequence"),
        ):
            assert held[0][keyword].value == one[keyword].value, keyword
        assert shared.RealWorldValueMappingSequence == one.RealWorldValueMappingSequence
    for keyword in ("FrameOfReferenceUID", "StudyInstanceUID", "PatientID", "PatientName", "AccessionNumber"):
        assert image[keyword] == classic[0][keyword]
    assert list(image.ImageType[:2]) == ["DERIVED", "PRIMARY"]
    assert image.ContentQualification == "RESEARCH"


@pytest.mark.parametrize("enhanced", [False, True])
def test_the_evidence_names_every_source_image_once(context: Make, enhanced: bool) -> None:
    made = context(enhanced=enhanced)
    (image,) = qsm_enhanced.build(made)
    (study,) = image.SourceImageEvidenceSequence
    named = [
        (series.SeriesInstanceUID, one.ReferencedSOPInstanceUID)
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    ]
    sources = {
        (one.series_instance_uid, one.sop_instance_uid)
        for place in made.source.slices
        for one in place.references
    }
    assert len(named) == len(set(named))
    assert set(named) == sources
    assert study.StudyInstanceUID == made.template.StudyInstanceUID


@pytest.mark.parametrize(
    "changes", [{}, {"enhanced": True}, dict.fromkeys(BARE)], ids=["classic", "enhanced", "bare"]
)
def test_dciodvfy_has_nothing_to_say(
    context: Make, tmp_path: Path, dciodvfy: Any, changes: dict[str, Any]
) -> None:
    verdict = dciodvfy(write(qsm_enhanced.build(context(**changes)), tmp_path, "map")[0])
    assert (verdict.iod, verdict.errors, verdict.warnings) == ("EnhancedMRImage", (), ())


def test_dcm2niix_makes_the_classic_series_volume_of_it(context: Make, tmp_path: Path, dcm2niix: Any) -> None:
    made = context()
    found = []
    for name, module in (("classic", qsm_series.SERIES), ("enhanced", qsm_enhanced)):
        write(module.build(made), tmp_path / name, name)
        (converted,) = dcm2niix(tmp_path / name)
        found.append(nibabel.as_closest_canonical(converted.image))  # it turns columns of the one only
    np.testing.assert_allclose(found[1].affine, found[0].affine, atol=1e-4)
    values = [np.asanyarray(image.dataobj) for image in found]
    np.testing.assert_array_equal(values[1], values[0])
    assert values[0].min() < 0 < values[0].max()


def test_the_same_job_makes_the_same_bytes_and_the_sites_window_another_object(
    context: Make, tmp_path: Path
) -> None:
    first, second = (write(qsm_enhanced.build(context()), tmp_path / name, "map")[0] for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    plan = qsm_enhanced.plan(context())
    assert pydicom.dcmread(first).SOPInstanceUID == plan.sop_instance_uids[0]
    narrow = context(context={"styles": {"qsm": SeriesSettings.model_validate({"window": [10, 100]})}})
    (image,) = qsm_enhanced.build(narrow)
    assert image.SharedFunctionalGroupsSequence[0].FrameVOILUTSequence[0].WindowWidth == 100
    assert image.SOPInstanceUID not in plan.sop_instance_uids


def test_what_no_object_can_be_made_of_is_refused(context: Make) -> None:
    made = context()
    chi = made.maps.susceptibility.copy()
    chi[3, 3, 3] = np.nan
    with pytest.raises(JobFailed, match="susceptibility: expected finite values"):
        qsm_enhanced.build(replace(made, maps=replace(made.maps, susceptibility=chi)))
    with pytest.raises(NotEligible, match="FrameOfReferenceUID"):
        qsm_enhanced.build(context(FrameOfReferenceUID=None))
