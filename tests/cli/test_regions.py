"""``qsmnode reconstruct --roi``: from a scanner's files and drawn regions to numbers in every form."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from qsmnode.cli import main
from qsmnode.phantom.head import HeadShape, SimulatedHead, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.siemens import write_classic
from qsmnode.phantom.tissues import NUCLEUS_NAMES

Capture = pytest.CaptureFixture[str]
NUMBERS = ("voxels", "volume_ml", "mean_ppb", "sd_ppb", "median_ppb", "p5_ppb", "p95_ppb")


@pytest.fixture(scope="module")
def head() -> SimulatedHead:
    return simulate(HeadShape(2), quick_protocol(5.0, echo_times_s=(0.005, 0.015, 0.025)))


@pytest.fixture(scope="module")
def place(head: SimulatedHead, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scan/ with the head, rois.nii.gz with its true nuclei and rois.tsv that names them."""
    folder = tmp_path_factory.mktemp("regions")
    write_classic(head, folder / "scan")
    drawn = np.where(head.labels >= 20, head.labels, 0).astype(np.uint8)
    to_ras = np.diag([-1.0, -1, 1, 1])
    nibabel.save(nibabel.Nifti1Image(drawn, to_ras @ head.geometry.affine), folder / "rois.nii.gz")
    lines = ["number\tname\tlaterality"]
    for index, name in enumerate(NUCLEUS_NAMES):
        lines += [f"{20 + 2 * index + side}\t{name}\t{'LR'[side]}" for side in (0, 1)]
    (folder / "rois.tsv").write_text("\n".join([*lines, "90\tlesion\t"]) + "\n")
    return folder


@pytest.fixture(scope="module")
def out(place: Path) -> Path:
    assert _reconstruct(place, place / "rois.nii.gz", place / "maps") == 0
    return place / "maps"


def _reconstruct(place: Path, roi: Path, out: Path, *more: str) -> int:
    asked = ("reconstruct", place / "scan", "--out", out, "--recipe", "fast", "--roi", roi, "--iron", *more)
    return main([str(word) for word in asked])


def _rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "measurements.csv").open(newline="") as stream:
        return {row["region"]: row for row in csv.DictReader(stream) if row["kind"] == "region"}


def test_every_nucleus_that_was_drawn_has_its_numbers_in_every_form(head: SimulatedHead, out: Path) -> None:
    rows = _rows(out)
    assert rows.keys() - {"whole brain", "lesion"} <= set(head.label_names.values())
    measured = {name for name, row in rows.items() if row["mean_ppb"]}
    assert {"globus pallidus left", "globus pallidus right", "putamen left", "whole brain"} <= measured
    counted = {name: np.count_nonzero(head.labels == label) for label, name in head.label_names.items()}
    for name in measured - {"whole brain"}:
        assert int(rows[name]["voxels"]) + int(rows[name]["voxels_left_out"]) == counted[name]
    assert float(rows["globus pallidus left"]["mean_ppb"]) > float(rows["thalamus left"]["mean_ppb"])
    assert (rows["lesion"]["status"], rows["lesion"]["issues"]) == ("absent", "no voxel was drawn")
    (segments,) = map(pydicom.dcmread, out.glob("segmentation-*.dcm"))
    assert {segment.SegmentLabel for segment in segments.SegmentSequence} == measured
    told = json.loads((out / "measurements.json").read_text())["regions"]
    assert {row["region"]: str(row["mean_ppb"]) for row in told if row["mean_ppb"] is not None} == {
        name: rows[name]["mean_ppb"] for name in measured
    }


def test_the_segmentation_given_back_gives_the_same_numbers_and_names(place: Path, out: Path) -> None:
    again = place / "again"
    assert _reconstruct(place, out / "segmentation-000001.dcm", again) == 0
    first, second = _rows(out), _rows(again)
    assert second.keys() == {name for name, row in first.items() if row["mean_ppb"]}
    for name, row in second.items():
        assert {key: row[key] for key in (*NUMBERS, "tracking_uid")} == {
            key: first[name][key] for key in (*NUMBERS, "tracking_uid")
        }
    names = [path.name for path in sorted(out.glob("qsm-*.dcm"))]
    assert [(out / name).read_bytes() for name in names] == [(again / name).read_bytes() for name in names]


def test_equal_input_gives_equal_bytes(place: Path, out: Path) -> None:
    assert _reconstruct(place, place / "rois.nii.gz", place / "twice") == 0
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    assert {path.name: path.read_bytes() for path in (place / "twice").iterdir()} == files
    assert {name.partition("-")[0] for name in files} == {
        "qsm",
        "report",
        "page",
        "segmentation",
        "measurements.csv",
        "measurements.json",
    }


def test_iron_is_estimated_in_nuclei_where_it_is_asked_for(place: Path, out: Path, capsys: Capture) -> None:
    rows = _rows(out)
    for name, row in rows.items():
        if name in ("whole brain", "lesion") or not row["mean_ppb"]:
            assert (row["iron_ug_g"], row["iron_note"]) == ("", ""), name
        elif float(row["mean_ppb"]) < 0:
            assert (row["iron_ug_g"], row["iron_note"]) == ("", "no estimate: susceptibility below zero")
        else:
            assert float(row["iron_ug_g"]) == pytest.approx(float(row["mean_ppb"]) / 1.10, abs=6e-4)
    assert float(rows["globus pallidus left"]["iron_ug_g"]) > 0
    with pytest.raises(SystemExit) as ended:
        main(["reconstruct", str(place / "scan"), "--out", str(place / "none"), "--iron"])
    assert ended.value.code == 2
    assert "--iron needs regions: --roi FILE or --nuclei" in capsys.readouterr().err


def test_nifti_files_have_the_same_tables_beside_them(place: Path, out: Path) -> None:
    assert _reconstruct(place, place / "rois.nii.gz", place / "nifti", "--format", "nifti") == 0
    for name in ("measurements.csv", "measurements.json"):
        assert (place / "nifti" / name).read_bytes() == (out / name).read_bytes()


def test_regions_that_cannot_be_placed_end_it_with_the_reason(
    place: Path, out: Path, capsys: Capture
) -> None:
    foreign = pydicom.dcmread(out / "segmentation-000001.dcm")
    foreign.StudyInstanceUID = "1.2.3"
    foreign.save_as(place / "foreign.dcm")
    nothing = place / "nothing"
    for roi, code, words in (
        (place / "foreign.dcm", 3, "foreign.dcm: it belongs to another study"),
        (place / "rois.tsv", 3, "rois.tsv: expected a DICOM Part 10 file"),
        (place / "absent.nii", 2, "absent.nii: no such file; expected a DICOM Segmentation or a NIfTI label"),
    ):
        assert _reconstruct(place, roi, nothing) == code
        assert words in capsys.readouterr().err
    assert not list(nothing.glob("*.*"))
