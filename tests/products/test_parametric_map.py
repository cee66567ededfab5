"""The map as float32: the numbers come back to the last bit, each slice in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from qsmnode.errors import JobFailed
from qsmnode.products import parametric_map, qsm_series
from qsmnode.products.context import ProductContext
from qsmnode.products.storage import write

Make = Callable[..., ProductContext]


@pytest.mark.parametrize("enhanced", [False, True])
def test_numbers_geometry_and_unit_come_back(
    context: Make, tmp_path: Path, dciodvfy: Any, enhanced: bool
) -> None:
    made = context(enhanced=enhanced)
    (path,) = write(parametric_map.build(made), tmp_path, "map")
    image = pydicom.dcmread(path)
    chi = (made.maps.susceptibility * np.float32(1000)).transpose(2, 1, 0)
    places = np.array([one.position_mm for one in made.source.slices])
    found = []
    for frame, pixels in zip(image.PerFrameFunctionalGroupsSequence, image.pixel_array, strict=True):
        away = np.abs(places - np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)).max(
            axis=1
        )
        z = int(away.argmin())  # the library has an order of its own
        assert away[z] < 1e-6
        np.testing.assert_array_equal(pixels, chi[z])
        found.append(z)
    assert sorted(found) == list(range(len(chi)))
    shared = image.SharedFunctionalGroupsSequence[0]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == pytest.approx(
        made.source.orientation, abs=1e-6
    )
    mapping = shared.RealWorldValueMappingSequence[0]
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "[ppb]"
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    assert shared.FrameVOILUTSequence[0].WindowWidth == 300
    named = [item.ReferencedSOPInstanceUID for item in image.SourceImageSequence]
    assert tuple(named) == qsm_series.SERIES.plan(made).sop_instance_uids
    assert image.ContentQualification == "RESEARCH"
    assert (str(image.PatientID), image.FrameOfReferenceUID) == ("P-1", "1.2.3.4.9")
    verdict = dciodvfy(path)
    assert (verdict.iod, verdict.errors, verdict.warnings) == ("ParametricMap", (), ())


def test_the_same_job_makes_the_same_bytes(context: Make, tmp_path: Path) -> None:
    first, second = (write(parametric_map.build(context()), tmp_path / name, "map")[0] for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    image = pydicom.dcmread(first)
    assert image.SOPInstanceUID == parametric_map.plan(context()).sop_instance_uids[0]


def test_a_number_that_is_none_is_an_error(context: Make) -> None:
    made = context()
    chi = made.maps.susceptibility.copy()
    chi[3, 3, 3] = np.nan
    with pytest.raises(JobFailed, match="parametric_map: expected finite values"):
        parametric_map.build(replace(made, maps=replace(made.maps, susceptibility=chi)))
