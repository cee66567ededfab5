"""Which files make a scan, by their names alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from qsmnode.bids.name import parsed
from qsmnode.bids.scan import holds_nifti, scans_under
from qsmnode.errors import NotEligible, UsageError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def pair(stem: str, echoes: int = 2, suffix: str = "MEGRE") -> list[str]:
    return [
        f"{stem}_echo-{echo}_part-{part}_{suffix}.nii.gz"
        for part in ("phase", "mag")
        for echo in range(echoes, 0, -1)
    ]


def test_a_name_in_its_pieces() -> None:
    name = parsed("sub-01_acq-a-b_echo-2_part-mag_MEGRE.nii.gz")
    assert name is not None
    assert name.suffix == "MEGRE"
    assert name.entities == {"sub": "01", "acq": "a-b", "echo": "2", "part": "mag"}
    assert name.scan == ("sub-01", "acq-a-b")
    assert parsed("sub-01_MEGRE.json") is None


def test_echoes_come_in_order_with_magnitude_beside_phase(tmp_path: Path) -> None:
    names = pair("sub-01_ses-a_run-1", 11)
    (scan,) = scans_under([touch(tmp_path, *names)])
    assert scan.label == "sub-01_ses-a_run-1_MEGRE"
    assert [image.name.entities["echo"] for image in scan.magnitude] == [str(n) for n in range(1, 12)]
    for one, other in zip(scan.magnitude, scan.phase, strict=True):
        assert one.path.name.replace("part-mag", "part-phase") == other.path.name
    assert set(scan.files) == {tmp_path / name for name in names}
    assert scan.dataset is None


def test_every_scan_of_a_dataset_but_no_derivative(tmp_path: Path) -> None:
    touch(tmp_path, "dataset_description.json", ".hidden/sub-0_part-mag_MEGRE.nii.gz")
    for subject in ("sub-02", "sub-01"):
        touch(tmp_path / subject / "anat", *pair(subject), f"{subject}_T1w.nii.gz")
    touch(tmp_path / "sub-01" / "ses-b" / "anat", *pair("sub-01_ses-b", suffix="GRE"))
    touch(tmp_path / "derivatives" / "other" / "sub-01", *pair("sub-01"))
    touch(tmp_path / "sourcedata", *pair("sub-01"))
    scans = scans_under([tmp_path])
    assert [scan.label for scan in scans] == ["sub-01_MEGRE", "sub-01_ses-b_GRE", "sub-02_MEGRE"]
    assert {scan.dataset for scan in scans} == {tmp_path}
    named = scans_under([tmp_path / "sub-02" / "anat" / name for name in pair("sub-02")])
    assert [(scan.label, scan.dataset) for scan in named] == [("sub-02_MEGRE", tmp_path)]


def test_files_and_folders_that_overlap_count_once(tmp_path: Path) -> None:
    touch(tmp_path, *pair("scan"))
    (scan,) = scans_under([tmp_path, tmp_path / pair("scan")[0]])
    assert len(scan.files) == 4


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["IM0001", "maps/susceptibility.nii.gz"], False),
        (["IM0001.dcm"], False),
        (["dataset_description.json"], True),
        (["deep/er/scan_part-mag_MEGRE.nii"], True),
    ],
)
def test_what_counts_as_nifti_input(names: list[str], found: bool, tmp_path: Path) -> None:
    assert holds_nifti([touch(tmp_path, *names)]) is found


def test_a_file_that_somebody_names_counts_as_nifti_input(tmp_path: Path) -> None:
    assert holds_nifti([tmp_path / "phase.nii.gz"])
    assert not holds_nifti([tmp_path / "IM0001"])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["dataset_description.json"], "no scan in NIfTI files; expected *_part-mag_MEGRE.nii.gz"),
        (["a_part-phase_MEGRE.nii"], "a_MEGRE: missing: part-mag; expected"),
        ([*pair("a"), "a_echo-3_part-mag_MEGRE.nii"], "a_MEGRE: missing: part-phase of echo-3; expected"),
        ([*pair("a", 1), "a_echo-01_part-mag_MEGRE.nii"], "is the same echo and part; keep one"),
        ([*pair("a", 1), "a_echo-1_part-mag_MEGRE.nii"], "is the same echo and part; keep one"),
        (["a_part-real_MEGRE.nii"], "a_part-real_MEGRE.nii: part: expected mag or phase, got 'real'"),
        (["a_echo-1_MEGRE.nii"], "a_echo-1_MEGRE.nii: part: expected mag or phase, got ''"),
        (["a_echo-x_part-mag_MEGRE.nii"], "echo: expected a number from 1, got 'x'; rename the file"),
        (
            [*pair("a", 1), "a_part-mag_MEGRE.nii", "a_part-phase_MEGRE.nii"],
            "a_part-phase_MEGRE.nii: echo: expected a number, as its neighbours have one; name every echo",
        ),
    ],
)
def test_files_that_make_no_scan_are_named(names: list[str], words: str, tmp_path: Path) -> None:
    with pytest.raises(NotEligible) as caught:
        scans_under([touch(tmp_path, *names)])
    assert words in str(caught.value)


def test_a_named_file_has_to_be_a_scans(tmp_path: Path) -> None:
    touch(tmp_path, "brain.nii.gz")
    with pytest.raises(NotEligible, match=r"brain.nii.gz: no name of a scan's image; expected \*_part-mag"):
        scans_under([tmp_path / "brain.nii.gz"])
    with pytest.raises(UsageError, match=r"absent_part-mag_MEGRE.nii: no such file or folder"):
        scans_under([tmp_path / "absent_part-mag_MEGRE.nii"])


def test_a_dataset_above_the_working_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "dataset_description.json", *(f"sub-01/anat/{name}" for name in pair("sub-01")))
    monkeypatch.chdir(tmp_path / "sub-01" / "anat")
    (scan,) = scans_under([Path()])
    assert scan.dataset == tmp_path
