"""A scanner's study becomes a susceptibility map and a report in a real archive, without a human step."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest

from tests.acceptance.conftest import Scan
from tests.acceptance.running import RunningNode, qsmnode
from tests.peers.orthanc import Orthanc

MR, SR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.88.34"


def _archive(orthanc: Orthanc) -> str:
    return f"{{ae_title: {orthanc.aet}, host: 127.0.0.1, port: {orthanc.dicom_port}}}"


def _objects(orthanc: Orthanc) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(io.BytesIO(orthanc.file(uid))) for uid in orthanc.instances()]


@pytest.fixture(params=["simulated", "philips-enhanced-head-2echo"])
def study(request: pytest.FixtureRequest, scan: Scan) -> Path:
    if request.param == "simulated":
        return scan.folder
    corpus: Path = request.getfixturevalue("corpus")
    return corpus / request.param


def test_the_map_and_the_report_stand_in_the_study(
    study: Path,
    orthanc: Orthanc,
    run_node: Callable[..., RunningNode],
    storescu: Callable[..., Any],
    dciodvfy: Callable[..., Any],
    dcm2niix: Callable[..., Any],
    tmp_path: Path,
) -> None:
    node = run_node(_archive(orthanc))
    sent = storescu(study, node.port)
    assert set(sent.statuses.values()) == {0x0000}, sent.output[-2000:]
    node.until_delivered()

    source = pydicom.dcmread(next(study.rglob("*.dcm")), stop_before_pixels=True)
    objects = _objects(orthanc)
    maps = [item for item in objects if item.SOPClassUID == MR]
    reports = [item for item in objects if item.SOPClassUID == SR]
    assert len(reports) == 1
    assert len(maps) + len(reports) == len(objects)
    for item in objects:
        assert item.StudyInstanceUID == source.StudyInstanceUID
        assert item.PatientID == source.PatientID
        assert item.get("AccessionNumber", "") == source.get("AccessionNumber", "")
    assert {item.FrameOfReferenceUID for item in maps} == {source.FrameOfReferenceUID}

    _equal_through_dicomweb(orthanc, maps, reports[0])
    exported = tmp_path / "exported"
    exported.mkdir()
    for item in objects:
        path = exported / f"{item.SOPInstanceUID}.dcm"
        item.save_as(path)
        verdict = dciodvfy(path)
        assert verdict.clean, verdict
    _equal_to_the_engine(study, exported, dcm2niix, tmp_path / "offline")


def _equal_through_dicomweb(orthanc: Orthanc, maps: list[pydicom.Dataset], report: pydicom.Dataset) -> None:
    study = report.StudyInstanceUID
    listed = orthanc.dicomweb(f"/studies/{study}/series")
    assert {item["0020000E"]["Value"][0] for item in listed} == {
        report.SeriesInstanceUID,
        maps[0].SeriesInstanceUID,
    }
    by_uid = {item.SOPInstanceUID: item for item in maps}
    metadata = orthanc.dicomweb(f"/studies/{study}/series/{maps[0].SeriesInstanceUID}/metadata")
    assert len(metadata) == len(maps)
    for entry in metadata:
        there = pydicom.Dataset.from_json(entry, bulk_data_uri_handler=lambda _uri: b"")
        here = by_uid[there.SOPInstanceUID]
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImageType"):
            assert there[keyword].value == here[keyword].value
        assert there.RealWorldValueMappingSequence[0].MeasurementUnitsCodeSequence[0].CodeValue == "[ppb]"


def _equal_to_the_engine(study: Path, exported: Path, dcm2niix: Callable[..., Any], offline: Path) -> None:
    """Somebody else's converter reads the archive's series as the engine's own numbers, in the same place."""
    ended = qsmnode("reconstruct", study, "--out", offline, "--format", "nifti", "--step", "r2star=nlls")
    assert ended.returncode == 0, ended.stderr
    assert (offline / "r2star.nii.gz").is_file()
    engine = nib.Nifti1Image.from_filename(offline / "susceptibility.nii.gz")
    converted = next(item for item in dcm2niix(exported) if item.image.ndim == 3)
    own = nib.as_closest_canonical(engine)
    other = nib.as_closest_canonical(converted.image)
    assert own.shape == other.shape
    np.testing.assert_allclose(own.affine, other.affine, atol=1e-3)
    difference = np.abs(own.get_fdata() * 1000 - other.get_fdata())
    assert difference.max() <= 0.51
    assert np.abs(own.get_fdata()).max() > 0.05
