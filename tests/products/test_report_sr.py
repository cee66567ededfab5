from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from qsmnode.errors import NotEligible
from qsmnode.products import qsm_series, report_sr
from qsmnode.products.context import ProductContext
from qsmnode.products.storage import write

Make = Callable[..., ProductContext]
MEASURED = {
    "373098007": "mean",
    "386136009": "sd",
    "373099004": "median",
    "371888009": "p5",
    "371889001": "p95",
}


def written(context: ProductContext, folder: Path) -> Path:
    return write(report_sr.build(context), folder, "report")[0]


def test_highdicom_reads_the_numbers_back(context: Make, tmp_path: Path) -> None:
    made = context()
    report = highdicom.sr.srread(written(made, tmp_path))
    groups = report.content.get_image_measurement_groups()
    assert len(groups) == 1
    measured = made.measurements[0]
    susceptibilities = groups[0].get_measurements(name=codes.DCM.MagneticSusceptibility)
    found = {MEASURED[item.derivation.value]: item for item in susceptibilities}
    assert set(found) == set(MEASURED.values())
    for name, item in found.items():
        assert item.value == pytest.approx(getattr(measured, f"{name}_ppb"), abs=6e-4)
        assert item.unit.value == "[ppb]"
    volume = groups[0].get_measurements(name=codes.SCT.Volume)[0]
    assert volume.value == pytest.approx(measured.volume_ml, abs=6e-4)
    assert groups[0].finding_type.value == "12738006"


def test_it_refers_to_the_qsm_series_and_not_to_every_header(context: Make, tmp_path: Path) -> None:
    made = context()
    report = highdicom.sr.srread(written(made, tmp_path))
    planned = qsm_series.SERIES.plan(made)
    evidence = report.get_evidence()
    assert {str(item[1]) for item in evidence} == {planned.series_uid}
    assert {str(item[2]) for item in evidence} == set(planned.sop_instance_uids)
    sources = report.content.get_image_measurement_groups()[0].source_images
    assert [item.referenced_sop_instance_uid for item in sources] == list(planned.sop_instance_uids[1:])
    assert "Image Library" not in str(report)


def test_status_and_identity(context: Make, tmp_path: Path) -> None:
    report = pydicom.dcmread(written(context(PatientSex="X"), tmp_path))
    assert (report.VerificationFlag, report.CompletionFlag) == ("UNVERIFIED", "COMPLETE")
    assert str(report.PatientName) == "M\u00fcller^J\u00f6rg"
    assert report.PatientSex == "X"
    assert report.Manufacturer == "qsmnode"
    assert report.ContentTime == report.InstanceCreationTime == "123015.250000"
    assert report.SeriesInstanceUID != qsm_series.SERIES.series_uid(context())


def test_equal_input_gives_equal_bytes(context: Make, tmp_path: Path) -> None:
    first, second = written(context(), tmp_path / "a"), written(context(), tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert [str(pydicom.dcmread(first).SOPInstanceUID)] == list(report_sr.plan(context()).sop_instance_uids)


def test_an_unusual_library_of_transforms_is_named(context: Make) -> None:
    unusual = context(context={"transforms": "pyfftw 0.15.0"})
    assert "Fourier transforms: pyfftw 0.15.0" in _texts(report_sr.build(unusual)[0])
    assert unusual.algorithm == f"{context().algorithm}, Fourier transforms by pyfftw 0.15.0"
    assert not any("transforms" in line for line in report_sr.parameters(context()))


def test_it_says_how_the_numbers_came_about(context: Make, made: SimpleNamespace) -> None:
    chi = made.maps(made.source()).susceptibility.copy()
    chi[3, 3, 3] = 50.0
    text = "\n".join(_texts(report_sr.build(context(maps={"susceptibility": chi}))[0]))
    for words in (
        "mean of the whole brain +- 0",
        "residual_rad = 0.125",
        "2-D acquisition",
        "voxels clipped in the QSM series = 1",
        "inversion: tv alpha=",
        "ab" * 32,
        "not for diagnosis",
    ):
        assert words in text


def test_nothing_measured_is_refused(context: Make, made: SimpleNamespace) -> None:
    with pytest.raises(NotEligible, match="empty"):
        report_sr.build(context(maps={"mask": np.zeros(made.shape, dtype=bool)}))


@pytest.mark.peers("dcmtk")
def test_dcmtk_reads_the_same_numbers(context: Make, tmp_path: Path) -> None:
    made = context()
    path = written(made, tmp_path)
    dumped = subprocess.run(
        ["/usr/bin/dsrdump", path], capture_output=True, text=True, errors="replace", check=True
    )
    assert dumped.stderr == ""
    assert "whole brain" in dumped.stdout
    listed = subprocess.run(["/usr/bin/dcm2json", path], capture_output=True, text=True, check=True)
    values: list[float] = []
    _numbers(json.loads(listed.stdout), values)
    assert round(made.measurements[0].mean_ppb, 3) in values
    assert round(made.measurements[0].p95_ppb, 3) in values


def _texts(item: pydicom.Dataset) -> list[str]:
    found = [str(item.TextValue)] if "TextValue" in item else []
    for child in item.get("ContentSequence", ()):
        found += _texts(child)
    return found


def _numbers(node: object, found: list[float]) -> None:
    if isinstance(node, dict):
        if "0040A30A" in node:
            found.append(float(node["0040A30A"]["Value"][0]))
        for value in node.values():
            _numbers(value, found)
    elif isinstance(node, list):
        for value in node:
            _numbers(value, found)
