"""What the writer writes: read back as radians, declared counts, geometry, identity, conformance."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from qsmnode.errors import UsageError
from qsmnode.phantom.head import SimulatedHead
from qsmnode.phantom.pixels import decimal, stored_phase
from qsmnode.phantom.protocol import AXIAL, Protocol, tilted
from qsmnode.phantom.siemens import slice_by_slice, write_classic
from qsmnode.phantom.sphere import SimulatedSphere, Sphere, simulate_sphere


@pytest.fixture(scope="module")
def sphere() -> SimulatedSphere:
    protocol = Protocol(
        (0.004, 0.010, 0.016),
        shape=(20, 24, 16),
        voxel_mm=(4.0, 3.5, 5.0),
        orientation=tilted(AXIAL, 20.0, -10.0),
        centre_mm=(3.0, -7.5, 12.25),
    )
    return simulate_sphere(Sphere(10.0, 0.5, (3.0, -7.0, 12.0), 40.0, seed=9), protocol)


@pytest.fixture(scope="module")
def files(sphere: SimulatedSphere, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_classic(sphere, tmp_path_factory.mktemp("siemens"))


@pytest.fixture(scope="module")
def objects(files: list[Path]) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in files]


def test_two_series_with_all_echoes(objects: list[pydicom.Dataset]) -> None:
    assert len(objects) == 2 * 3 * 16
    series = {(str(ds.SeriesInstanceUID), ds.ImageType[2]) for ds in objects}
    assert len(series) == 2
    assert {kind for _, kind in series} == {"M", "P"}
    assert len({ds.SOPInstanceUID for ds in objects}) == len(objects)
    for attribute in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "AcquisitionTime"):
        assert len({str(ds[attribute].value) for ds in objects}) == 1, attribute
    assert objects[0].PatientName == "PHANTOM^HEAD"
    assert objects[0].PatientID == "QSM-PHANTOM-9"
    numbers = [ds.InstanceNumber for ds in objects if ds.ImageType[2] == "M"]
    assert numbers == list(range(1, 17)) * 3


def test_phase_reads_back_within_one_step(sphere: SimulatedSphere, objects: list[pydicom.Dataset]) -> None:
    """With nothing but pydicom: stored x slope + intercept, over 4096, times pi."""
    places = sorted({round(float(ds.SliceLocation), 3) for ds in objects})
    seen = set()
    for ds in objects:
        echo = int(ds.EchoNumbers) - 1
        index = places.index(round(float(ds.SliceLocation), 3))
        assert float(ds.EchoTime) == pytest.approx(1000 * sphere.stack.echo_times_s[echo])
        seen.add((ds.ImageType[2], echo, index))
        plane = ds.pixel_array.astype(np.float64).T
        if ds.ImageType[2] == "P":
            radians = (plane * float(ds.RescaleSlope) + float(ds.RescaleIntercept)) / 4096 * np.pi
            error = np.angle(np.exp(1j * (radians - sphere.stack.phase[echo, :, :, index])))
            assert np.abs(error).max() <= np.pi / 4096 * 1.001
        else:
            assert "RescaleSlope" not in ds
            magnitude = sphere.stack.magnitude[echo, :, :, index]
            assert np.corrcoef(plane.ravel(), magnitude.ravel())[0, 1] > 0.999
        assert ds.LargestImagePixelValue == plane.max() < 4096
    assert len(seen) == len(objects)


def test_geometry_is_that_of_the_affine(sphere: SimulatedSphere, objects: list[pydicom.Dataset]) -> None:
    places = sorted({round(float(ds.SliceLocation), 3) for ds in objects})
    for ds in objects:
        index = places.index(round(float(ds.SliceLocation), 3))
        expected = sphere.affine[:3] @ [0, 0, index, 1]
        np.testing.assert_allclose(np.array(ds.ImagePositionPatient, float), expected, atol=1e-6)
        row, column = np.array(ds.ImageOrientationPatient, float).reshape(2, 3)
        np.testing.assert_allclose(row * float(ds.PixelSpacing[1]), sphere.affine[:3, 0], atol=1e-6)
        np.testing.assert_allclose(column * float(ds.PixelSpacing[0]), sphere.affine[:3, 1], atol=1e-6)
        np.testing.assert_allclose(np.cross(row, column) * 5.0, sphere.affine[:3, 2], atol=1e-6)
        assert (ds.Columns, ds.Rows) == sphere.geometry.shape[:2]


def parse_sv10(raw: bytes) -> dict[str, list[str]]:
    """An independent reading of the private layout, strict about every marker."""
    assert raw[:8] == b"SV10\x04\x03\x02\x01"
    count, mark = (int.from_bytes(raw[at : at + 4], "little") for at in (8, 12))
    assert mark == 77
    found, at = {}, 16
    for _ in range(count):
        name = raw[at : at + 64].split(b"\0")[0].decode()
        items = int.from_bytes(raw[at + 76 : at + 80], "little")
        assert int.from_bytes(raw[at + 80 : at + 84], "little") == (77 if items else 205)
        at += 84
        values = []
        for _ in range(items):
            length, again, state, _ = np.frombuffer(raw[at : at + 16], "<i4")
            assert length == again
            assert state == (77 if length else 205)
            if length:
                values.append(raw[at + 16 : at + 16 + length].rstrip(b"\0 ").decode("latin-1"))
            at += 16 + (length + 3) // 4 * 4
        found[name] = values
    assert raw[at:] in (b"\0" * 4, b"\0" * 5)
    return found


def test_private_headers_declare_the_counts(objects: list[pydicom.Dataset]) -> None:
    for ds in objects:
        assert ds[0x0029, 0x0010].value == "SIEMENS CSA HEADER"
        header = parse_sv10(bytes(ds[0x0029, 0x1020].value))
        (text,) = header["MrPhoenixProtocol"]
        lines = dict(
            line.split("\t = \t")
            for line in text.split("### ASCCONV BEGIN ###\n")[1].split("\n### ASCCONV END")[0].split("\n")
        )
        assert lines["lContrasts"] == "3"
        assert lines["sSliceArray.lSize"] == "1"
        assert lines["sKSpace.lImagesPerSlab"] == "16"
        assert lines["sKSpace.ucDimension"] == "0x4"
        assert [lines[f"alTE[{n}]"] for n in range(3)] == ["4000", "10000", "16000"]
        image = parse_sv10(bytes(ds[0x0029, 0x1010].value))
        position = [float(v) for v in image["SlicePosition_PCS"]]
        np.testing.assert_allclose(position, np.array(ds.ImagePositionPatient, float), atol=1e-6)


def test_same_input_gives_the_same_bytes(sphere: SimulatedSphere, files: list[Path], tmp_path: Path) -> None:
    again = write_classic(sphere, tmp_path)
    assert [p.name for p in again] == [p.name for p in files]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(again, files, strict=True))
    assert stat.S_IMODE(again[0].stat().st_mode) == 0o600


def test_salt_patient_and_repeat_change_the_identity(
    sphere: SimulatedSphere, objects: list[pydicom.Dataset], tmp_path: Path
) -> None:
    first = objects[0]
    salted = pydicom.dcmread(write_classic(sphere, tmp_path / "a", salt="x")[0])
    assert salted.StudyInstanceUID != first.StudyInstanceUID
    assert salted.SOPInstanceUID != first.SOPInstanceUID
    named = pydicom.dcmread(write_classic(sphere, tmp_path / "b", patient_id="P1")[0])
    assert named.PatientID == "P1"
    assert named.StudyInstanceUID != first.StudyInstanceUID
    repeated = pydicom.dcmread(write_classic(sphere, tmp_path / "c", repeat=2)[0])
    assert repeated.StudyInstanceUID == first.StudyInstanceUID
    assert repeated.FrameOfReferenceUID == first.FrameOfReferenceUID
    assert repeated.SeriesInstanceUID != first.SeriesInstanceUID
    assert repeated.AcquisitionTime > first.AcquisitionTime


def test_running_instance_numbers(sphere: SimulatedSphere, tmp_path: Path) -> None:
    numbers = [
        pydicom.dcmread(p).InstanceNumber for p in write_classic(sphere, tmp_path, numbering="running")
    ]
    assert numbers == list(range(1, 49)) * 2
    with pytest.raises(UsageError, match="numbering"):
        write_classic(sphere, tmp_path, numbering="random")


def test_slice_by_slice_order(files: list[Path]) -> None:
    ordered = [pydicom.dcmread(path) for path in slice_by_slice(files)]
    assert len(ordered) == len(files)
    assert len({float(ds.SliceLocation) for ds in ordered[:6]}) == 1
    assert {(int(ds.EchoNumbers), ds.ImageType[2]) for ds in ordered[:6]} == {
        (echo, kind) for echo in (1, 2, 3) for kind in "MP"
    }


def test_written_objects_conform(
    small_head: SimulatedHead, files: list[Path], tmp_path: Path, dciodvfy: Callable[..., object]
) -> None:
    of_head = write_classic(small_head, tmp_path)
    for path in (files[0], files[-1], of_head[0], of_head[-1]):
        verdict = dciodvfy(path)
        assert verdict.iod == "MRImage"
        assert verdict.errors == ()


def test_phase_wraps_to_the_first_step() -> None:
    phase = np.array([-np.pi, 0.0, np.pi - 1e-4, np.pi, np.pi / 2], np.float32)
    assert stored_phase(phase).tolist() == [0, 2048, 0, 0, 3072]


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, -104.58104822146, 1 / 3, -1e-9, 123456.789, 5e-324])
def test_decimals_fit_and_keep_their_value(value: float) -> None:
    assert len(decimal(value)) <= 16
    assert float(decimal(value)) == pytest.approx(value, abs=1e-8)
