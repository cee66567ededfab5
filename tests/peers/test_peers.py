"""The real peers' support code, checked on the real programs: each check passes, and can fail."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from tests.peers import dicom3tools, programs
from tests.peers.ports import is_listening

_COLUMNS, _ROWS, _SLICES = 6, 5, 4


def _image(index: int, study: str, series: str, frame: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(None, [study, str(index)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID = MRImageStorage
    image.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    image.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    image.StudyDate = image.SeriesDate = image.ContentDate = "20200102"
    image.StudyTime = image.SeriesTime = image.ContentTime = "101112"
    image.Modality = "MR"
    image.Manufacturer = "Nobody"
    image.SeriesDescription = "four slices"
    image.PatientName, image.PatientID = "TEST^PEERS", "PEERS"
    image.BodyPartExamined = "BRAIN"
    image.PatientPosition = "HFS"
    image.ScanningSequence, image.SequenceVariant, image.MRAcquisitionType = "GR", "SP", "3D"
    image.RepetitionTime, image.EchoTime, image.EchoTrainLength = "30", "10", "1"
    image.SliceThickness = "2"
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, series, frame
    image.StudyID, image.SeriesNumber, image.InstanceNumber = "1", "3", str(index + 1)
    image.AcquisitionNumber = "1"
    image.ImagePositionPatient = ["0", "0", str(2 * index)]
    image.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    image.PixelSpacing = ["1", "1"]
    for empty in (
        "AccessionNumber",
        "ReferringPhysicianName",
        "PatientBirthDate",
        "PatientSex",
        "PositionReferenceIndicator",
        "ScanOptions",
    ):
        setattr(image, empty, "")
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = _ROWS, _COLUMNS
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
    values = np.arange(_ROWS * _COLUMNS, dtype=np.uint16).reshape(_ROWS, _COLUMNS) + 100 * index
    image.PixelData = values.tobytes()
    return image


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    """Four slices of one small MR series, as files."""
    study, series_uid, frame = (str(generate_uid(None, [str(tmp_path), name])) for name in "abc")
    folder = tmp_path / "series"
    folder.mkdir()
    paths = [folder / f"{index}.dcm" for index in range(_SLICES)]
    for index, path in enumerate(paths):
        _image(index, study, series_uid, frame).save_as(path, enforce_file_format=True)
    return paths


@pytest.mark.peers("dcmtk", "dicom3tools", "orthanc", "dcm2niix", "dcmqi")
def test_programs_are_the_real_ones() -> None:
    for names in programs.PROGRAMS.values():
        for name in names:
            assert ".venv/bin" not in str(programs.find(name))
    with pytest.raises(ValueError, match="no such peers"):
        programs.missing(["dcm4che"])
    with pytest.raises(FileNotFoundError, match="storesomething"):
        programs.find("storesomething")


def test_orthanc_keeps_what_storescu_sends(orthanc, storescu, series) -> None:
    sent = storescu(series, orthanc.dicom_port, called=orthanc.aet)
    assert sent.returncode == 0
    assert sent.statuses == dict.fromkeys(series, 0x0000)

    source = dcmread(series[0])
    assert [study["MainDicomTags"]["StudyInstanceUID"] for study in orthanc.studies()] == [
        source.StudyInstanceUID
    ]
    (only,) = orthanc.series_of(source.StudyInstanceUID)
    assert only["MainDicomTags"]["SeriesDescription"] == "four slices"
    assert set(orthanc.instances()) == {dcmread(path).SOPInstanceUID for path in series}

    (found,) = orthanc.dicomweb("/studies?PatientID=PEERS")
    assert found["0020000D"]["Value"] == [source.StudyInstanceUID]
    assert orthanc.dicomweb("/studies?PatientID=NOBODY") == []
    assert len(orthanc.dicomweb(f"/studies/{source.StudyInstanceUID}/metadata")) == _SLICES


def test_orthanc_gives_back_the_same_pixels(orthanc, storescu, series, tmp_path) -> None:
    storescu(series[0].parent, orthanc.dicom_port, called=orthanc.aet)
    source = dcmread(series[2])
    returned = tmp_path / "returned.dcm"
    returned.write_bytes(orthanc.file(source.SOPInstanceUID))
    assert dcmread(returned).PixelData == source.PixelData


def test_orthanc_holds_its_archive_over_stop_and_start(orthanc, storescu, echoscu, series) -> None:
    storescu(series, orthanc.dicom_port, called=orthanc.aet)
    orthanc.stop()
    assert not is_listening(orthanc.dicom_port)
    assert not is_listening(orthanc.http_port)
    assert echoscu(orthanc.dicom_port, called=orthanc.aet)[0] != 0
    orthanc.start()
    assert echoscu(orthanc.dicom_port, called=orthanc.aet)[0] == 0
    assert len(orthanc.instances()) == _SLICES
    orthanc.clear()
    assert orthanc.instances() == {}


def test_orthanc_refuses_other_titles_and_no_password(orthanc, echoscu) -> None:
    code, output = echoscu(orthanc.dicom_port, called="SOMEONE")
    assert code != 0
    assert "Called AE Title Not Recognized" in output
    orthanc.password, right = "wrong", orthanc.password
    try:
        with pytest.raises(Exception, match="401"):
            orthanc.studies()
    finally:
        orthanc.password = right


def test_orthanc_that_knows_nobody_stores_nothing(start_orthanc, storescu, series) -> None:
    archive = start_orthanc(aet="CLOSED", settings={"DicomAlwaysAllowStore": False})
    sent = storescu(series, archive.dicom_port, called="CLOSED")
    assert sent.returncode != 0
    assert set(sent.statuses.values()) == {None}
    assert archive.instances() == {}


def test_orthanc_leaves_no_process(start_orthanc) -> None:
    archive = start_orthanc()
    pid = archive.pid
    os.kill(pid, 0)
    archive.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("status", [0xA700, 0x0122])
def test_archive_answers_with_the_status_it_was_given(archive_answering, storescu, series, status) -> None:
    archive = archive_answering(status)
    sent = storescu(series, archive.port, called=archive.aet)
    assert sent.statuses == dict.fromkeys(series, status)
    assert [answered for _uid, answered in archive.attempts] == [status] * _SLICES
    assert archive.stored == {}


def test_archive_answers_as_a_function_of_the_object(archive_answering, storescu, series) -> None:
    archive = archive_answering(lambda dataset: 0xA700 if dataset.InstanceNumber == 2 else 0x0000)
    sent = storescu(series, archive.port, called=archive.aet)
    assert list(sent.statuses.values()) == [0x0000, 0xA700, 0x0000, 0x0000]
    assert len(archive.stored) == _SLICES - 1
    assert archive.associations == 1


def test_dciodvfy_finds_nothing_in_a_good_object(dciodvfy, series) -> None:
    assert dciodvfy(series[0]) == dicom3tools.Verdict((), (), (), iod="MRImage")


def _without_orientation(image: FileDataset) -> None:
    del image.ImageOrientationPatient


def _with_bad_code(image: FileDataset) -> None:
    image.ScanningSequence = "NONSENSE"


@pytest.mark.parametrize("spoil", [_without_orientation, _with_bad_code])
def test_dciodvfy_finds_what_is_wrong(dciodvfy, series, spoil: Callable[[FileDataset], None]) -> None:
    image = dcmread(series[0])
    spoil(image)
    image.save_as(series[0])
    verdict = dciodvfy(series[0])
    assert verdict.errors
    assert not verdict.clean


def test_dciodvfy_does_not_pass_a_file_that_is_not_dicom(dciodvfy, tmp_path) -> None:
    path = tmp_path / "text.dcm"
    path.write_text("not DICOM")
    assert dciodvfy(path).errors


def test_dcentvfy_finds_a_second_patient_in_a_study(dcentvfy, series) -> None:
    assert dcentvfy(series).clean
    image = dcmread(series[1])
    image.PatientID = "SOMEBODY ELSE"
    image.save_as(series[1])
    assert dcentvfy(series).errors


def test_allowed_messages_are_counted_apart(tmp_path) -> None:
    reviewed = tmp_path / "allowed.txt"
    reviewed.write_text("# the tool is older than this term\n^Warning - .*NEWTERM\n")
    allowances = dicom3tools.read_allowances(reviewed)
    lines = ["MRImage", "Warning - value NEWTERM", "Warning - other", "Error - bad", "something unheard of"]
    verdict = dicom3tools.judge(lines, allowances)
    assert verdict.allowed == ("Warning - value NEWTERM",)
    assert verdict.warnings == ("Warning - other",)
    assert verdict.errors == ("Error - bad", "something unheard of")


def test_an_allowance_needs_a_reason(tmp_path) -> None:
    reviewed = tmp_path / "allowed.txt"
    reviewed.write_text("# a reason\n^Warning - one\n\n^Warning - two\n")
    with pytest.raises(ValueError, match=r"allowed\.txt:4"):
        dicom3tools.read_allowances(reviewed)


def test_the_reviewed_list_can_be_read() -> None:
    assert all(allowance.reason for allowance in dicom3tools.read_allowances())


def test_dcm2niix_converts_with_geometry_and_values(dcm2niix, series) -> None:
    (conversion,) = dcm2niix(series[0].parent)
    assert conversion.image.shape == (_COLUMNS, _ROWS, _SLICES)
    assert conversion.image.header.get_zooms() == pytest.approx((1, 1, 2))
    assert conversion.sidecar["EchoTime"] == pytest.approx(0.010)
    values = np.asarray(conversion.image.dataobj)
    for index in np.ndindex(values.shape):
        right, anterior, superior = nib.affines.apply_affine(conversion.image.affine, index)
        column, row, slice_ = -right, -anterior, superior / 2
        assert values[index] == 100 * slice_ + _COLUMNS * row + column


def test_dcm2niix_says_what_it_could_not_do(dcm2niix, tmp_path) -> None:
    with pytest.raises(RuntimeError, match="dcm2niix ended with"):
        dcm2niix(tmp_path)


def test_free_ports_are_free(free_port) -> None:
    assert not is_listening(free_port())
