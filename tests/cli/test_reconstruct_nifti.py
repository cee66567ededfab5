"""``qsmnode reconstruct`` on NIfTI files: what comes out, and each way in which it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from qsmnode.cli import main
from qsmnode.engine.types import EchoStack
from qsmnode.phantom.protocol import Protocol
from qsmnode.phantom.sphere import SimulatedSphere, Sphere, simulate_sphere
from tests.bids.scans import write

Capture = pytest.CaptureFixture[str]
FAST = ("--recipe", "fast", "--step", "mask=signal")


@pytest.fixture(scope="module")
def sphere() -> SimulatedSphere:
    protocol = Protocol(echo_times_s=(0.004, 0.010, 0.016), shape=(24, 25, 22), voxel_mm=(4.0, 4.0, 4.5))
    return simulate_sphere(Sphere(radius_mm=14.0, gel_radius_mm=42.0), protocol)


def dataset(folder: Path, sphere: SimulatedSphere, *subjects: str) -> Path:
    folder.mkdir()
    (folder / "dataset_description.json").write_text('{"Name": "raw", "BIDSVersion": "1.10.0"}')
    for subject in subjects:
        stem = f"sub-{subject}_ses-b_run-1"
        write(folder / f"sub-{subject}/ses-b/anat", sphere.stack, sphere.affine, stem=stem, flips=(0,))
    return folder


def says(capsys: Capture, code: int, *arguments: object) -> str:
    assert main(["reconstruct", *map(str, arguments)]) == code
    return capsys.readouterr().err


def test_a_dataset_becomes_a_derivative_with_the_same_bytes_twice(
    sphere: SimulatedSphere, tmp_path: Path, capsys: Capture
) -> None:
    raw = dataset(tmp_path / "raw", sphere, "01")
    for name in "ab":
        out = ("--out", tmp_path / f"out-{name}", "--format", "nifti", "--bids", tmp_path / name)
        says(capsys, 0, raw, *FAST, *out)
    first, second = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in "ab"
    )
    assert first == second
    stem = tmp_path / "a/sub-01/ses-b/anat/sub-01_ses-b_run-1_Chimap"
    chi = nibabel.Nifti1Image.from_filename(f"{stem}.nii.gz")
    source = nibabel.Nifti1Image.from_filename(next((raw / "sub-01/ses-b/anat").glob("*.nii")))
    assert chi.shape == source.shape
    np.testing.assert_array_equal(chi.affine, source.affine)
    assert (int(chi.header["sform_code"]), int(chi.header["qform_code"])) == (1, 1)
    said = json.loads(Path(f"{stem}.json").read_text("utf-8"))
    assert said["Units"] == "ppm"
    for source_file in said["Sources"]:
        assert (raw / source_file.removeprefix("bids:raw:")).is_file()
    described = json.loads((tmp_path / "a/dataset_description.json").read_text("utf-8"))
    assert described["DatasetLinks"] == {"raw": "../raw"}
    plain = nibabel.Nifti1Image.from_filename(tmp_path / "out-a/susceptibility.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(plain.dataobj), np.asanyarray(chi.dataobj))


def test_one_bad_scan_keeps_no_other_from_its_map(
    sphere: SimulatedSphere, tmp_path: Path, capsys: Capture
) -> None:
    raw = dataset(tmp_path / "raw", sphere, "01", "02")
    bad = raw / "sub-01/ses-b/anat/sub-01_ses-b_run-1_echo-2_part-phase_MEGRE.json"
    said = json.loads(bad.read_text())
    bad.write_text(json.dumps({**said, "Units": "arbitrary"}))
    error = says(capsys, 3, raw, *FAST, "--bids", tmp_path / "maps")
    assert "1 of 2 scans became no map" in error
    assert f"sub-01_ses-b_run-1_MEGRE: {bad.name}: Units: expected radians" in error
    assert '"PhaseRange": [the value of -pi, the value of pi]' in error
    assert len(list((tmp_path / "maps").rglob("*_Chimap.nii.gz"))) == 1


def test_what_is_asked_for_wrongly_ends_with_2(
    sphere: SimulatedSphere, tmp_path: Path, capsys: Capture
) -> None:
    raw, out = dataset(tmp_path / "raw", sphere, "01"), tmp_path / "out"
    words = says(capsys, 2, raw, "--out", out)
    assert words.startswith("--format dicom: DICOM output has no source header")
    assert "source's own dataset; choose a folder in its derivatives" in says(capsys, 2, raw, "--bids", raw)
    write(tmp_path / "plain", sphere.stack, sphere.affine, stem="scan")
    assert "add --subject LABEL" in says(capsys, 2, tmp_path / "plain", "--bids", out)
    write(raw / "sub-01/ses-b/func", sphere.stack, sphere.affine, stem="sub-01_ses-b_run-1")
    assert "more than one scan would get this name" in says(capsys, 2, raw, "--bids", out)
    assert not out.exists()
    for arguments, wanted in (
        ((raw,), "required: --out or --bids"),
        ((raw, "--out", out, "--subject", "1"), "need"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["reconstruct", *map(str, arguments)])
        assert ended.value.code == 2
        assert wanted in capsys.readouterr().err


def test_files_without_a_subject_get_the_one_that_is_given(
    sphere: SimulatedSphere, tmp_path: Path, capsys: Capture
) -> None:
    stack = sphere.stack
    two = EchoStack(stack.magnitude[:2], stack.phase[:2], stack.echo_times_s[:2], 123.22, stack.grid)
    write(tmp_path / "plain", two, sphere.affine, stem="scan", whole=True)
    label = ("--subject", "X1", "--session", "2")
    says(capsys, 0, tmp_path / "plain", *FAST, "--bids", tmp_path / "maps", *label)
    made = tmp_path / "maps/sub-X1/ses-2/anat/sub-X1_ses-2_Chimap.json"
    assert json.loads(made.read_text("utf-8"))["Sources"] == [
        "scan_part-mag_MEGRE.nii",
        "scan_part-phase_MEGRE.nii",
    ]
