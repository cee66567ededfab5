"""The rest of an exam: one study with the QSM scan, each object what it says it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from qsmnode.phantom.documents import PRIVATE_SOP_CLASS
from qsmnode.phantom.exam import write_exam
from qsmnode.phantom.head import SimulatedHead
from qsmnode.phantom.siemens import write_classic


@pytest.fixture(scope="module")
def exam(small_head: SimulatedHead, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_exam(small_head, tmp_path_factory.mktemp("exam"))


@pytest.fixture(scope="module")
def by_description(exam: list[Path]) -> dict[str, list[pydicom.Dataset]]:
    found = defaultdict(list)
    for path in exam:
        ds = pydicom.dcmread(path)
        found[str(ds.SeriesDescription)].append(ds)
    return found


def test_same_study_as_the_qsm_scan(
    small_head: SimulatedHead, by_description: dict[str, list[pydicom.Dataset]], tmp_path: Path
) -> None:
    scan = pydicom.dcmread(write_classic(small_head, tmp_path)[0])
    everything = [ds for group in by_description.values() for ds in group]
    assert {ds.StudyInstanceUID for ds in everything} == {scan.StudyInstanceUID}
    assert {ds.PatientID for ds in everything} == {scan.PatientID}
    assert len({ds.SOPInstanceUID for ds in everything}) == len(everything)
    with_place = [ds for ds in everything if "FrameOfReferenceUID" in ds]
    assert {ds.FrameOfReferenceUID for ds in with_place} == {scan.FrameOfReferenceUID}
    assert scan.SeriesInstanceUID not in {ds.SeriesInstanceUID for ds in everything}


def test_each_part_is_what_it_says(by_description: dict[str, list[pydicom.Dataset]]) -> None:
    localiser = by_description["localizer"]
    assert len({str(ds.ImageOrientationPatient) for ds in localiser}) == len(localiser) == 3
    assert len({ds.SeriesInstanceUID for ds in localiser}) == 1
    haemo = by_description["t2_fl2d_tra_hemo"]
    assert {ds.ImageType[2] for ds in haemo} == {"M"}
    assert {ds.MRAcquisitionType for ds in haemo} == {"2D"}
    mprage = by_description["t1_mprage"]
    assert {tuple(ds.ScanningSequence) for ds in mprage} == {("GR", "IR")}
    assert {float(ds.EchoTime) for ds in mprage} == {2.98}


def test_field_map_has_two_magnitudes_and_one_difference(
    small_head: SimulatedHead, by_description: dict[str, list[pydicom.Dataset]]
) -> None:
    group = by_description["gre_field_mapping"]
    times = {kind: {float(d.EchoTime) for d in group if d.ImageType[2] == kind} for kind in "MP"}
    assert times == {"M": {4.92, 7.38}, "P": {7.38}}
    middle = min((d for d in group if d.ImageType[2] == "P"), key=lambda d: abs(float(d.SliceLocation)))
    radians = (middle.pixel_array.astype(float) * 2 - 4096) / 4096 * np.pi
    hertz = radians / (2 * np.pi * 0.00246)
    inside = np.abs(small_head.total_field_hz[small_head.brain_mask])
    half = radians.shape[0] // 2
    centre = hertz[half - 8 : half + 8, half - 8 : half + 8]
    assert np.abs(np.median(centre)) < np.percentile(inside, 99)


def test_documents(by_description: dict[str, list[pydicom.Dataset]]) -> None:
    (report,) = by_description["Report"]
    document = bytes(report.EncapsulatedDocument)[: report.EncapsulatedDocumentLength]
    assert document.startswith(b"%PDF-1.4")
    start = int(document.split(b"startxref\n")[1].split(b"\n")[0])
    assert document[start:].startswith(b"xref\n0 6\n")
    for number, line in enumerate(document[start:].split(b"\n")[3:8], 1):
        assert document[int(line[:10]) :].startswith(b"%d 0 obj" % number)
    (private,) = by_description["PhoenixZIPReport"]
    assert private.SOPClassUID == PRIVATE_SOP_CLASS
    assert "PixelData" not in private
    (capture,) = by_description["Screenshot"]
    assert capture.pixel_array.max() == 255


def test_every_standard_object_conforms(exam: list[Path], dciodvfy: Callable[..., object]) -> None:
    one_of_each = {path.name.split("-s")[0]: path for path in exam if "private" not in path.name}
    assert len(one_of_each) >= 8
    for path in one_of_each.values():
        assert dciodvfy(path).errors == (), path.name
