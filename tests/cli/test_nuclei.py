"""``qsmnode reconstruct --nuclei``, and the tables of numbers of every form of output."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest

from qsmnode.cli import main
from qsmnode.engine.types import Maps
from qsmnode.measure.regions import Issue, Region
from qsmnode.measure.structures import named
from qsmnode.phantom.protocol import Protocol
from qsmnode.phantom.siemens import write_classic
from qsmnode.phantom.sphere import SimulatedSphere, Sphere, simulate_sphere
from qsmnode.products import table
from tests.bids.scans import write

Capture = pytest.CaptureFixture[str]
FINDER = "qsmnode.measure.nuclei"
NUMBERS = ("volume_ml", "mean_ppb", "sd_ppb", "median_ppb", "p5_ppb", "p95_ppb")


@pytest.fixture(scope="module")
def sphere() -> SimulatedSphere:
    protocol = Protocol(echo_times_s=(0.004, 0.010, 0.016), shape=(24, 25, 22), voxel_mm=(4.0, 4.0, 4.5))
    return simulate_sphere(Sphere(radius_mm=14.0, gel_radius_mm=42.0), protocol)


@pytest.fixture(scope="module")
def scan(sphere: SimulatedSphere, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scan")
    write(folder, sphere.stack, sphere.affine, stem="sub-01", flips=(0,))
    return folder


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """A finder that finds the half of the map towards the patient's left; the affines that it got."""
    affines: list[np.ndarray] = []

    def find(maps: Maps, affine: np.ndarray, magnitude: np.ndarray, times: Any) -> tuple[Region, ...]:
        assert magnitude.shape == (len(times), *maps.mask.shape)
        affines.append(affine)
        index = np.indices(maps.mask.shape)
        left = np.tensordot(affine[0, :3], index, 1) + affine[0, 3] > 0
        putamen = named("putamen")
        absent = Issue("not_found", "it was not found")
        return (
            Region("putamen", "left", 1, maps.mask & left, putamen, "the atlas", True, True),
            Region("putamen", "right", 2, np.zeros_like(left), putamen, "the atlas", True, refused=absent),
        )

    module: Any = SimpleNamespace(find_nuclei=find, available=lambda: "")
    monkeypatch.setitem(sys.modules, FINDER, module)
    return affines


def _run(*arguments: object) -> int:
    return main(["reconstruct", *map(str, arguments), "--recipe", "fast", "--step", "mask=signal"])


def test_what_the_atlas_finds_is_measured_in_the_files_own_axes(
    scan: Path, finder: list[np.ndarray], tmp_path: Path
) -> None:
    assert _run(scan, "--out", tmp_path / "out", "--format", "nifti", "--nuclei") == 0
    assert len(finder) == 1
    with (tmp_path / "out/measurements.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kind"] == table.REGION]
    assert [(row["region"], row["status"]) for row in rows] == [
        ("whole brain", "measured"),
        ("putamen left", "flagged"),
        ("putamen right", "absent"),
    ]
    assert rows[2]["issues"] == "it was not found"
    assert 0.3 < int(rows[1]["voxels"]) / int(rows[0]["voxels"]) < 0.7
    told = json.loads((tmp_path / "out/measurements.json").read_text())
    assert [str(row["mean_ppb"]) for row in told["regions"][:2]] == [row["mean_ppb"] for row in rows[:2]]
    sidecar = json.loads((tmp_path / "out/susceptibility.json").read_text())
    for row, item in zip(rows, sidecar["Measurements_ppb"], strict=False):
        assert [float(row[name]) for name in NUMBERS] == pytest.approx(
            [item[name] for name in NUMBERS], abs=6e-4
        )
    assert len({row["tracking_uid"] for row in rows}) == 3
    assert _run(scan, "--out", tmp_path / "again", "--format", "nifti", "--nuclei") == 0
    for path in (tmp_path / "out").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_dicom_images_get_report_and_segmentation(
    sphere: SimulatedSphere, finder: list[np.ndarray], tmp_path: Path
) -> None:
    write_classic(sphere, tmp_path / "scan")
    assert _run(tmp_path / "scan", "--out", tmp_path / "out", "--nuclei") == 0
    np.testing.assert_allclose(finder[0], sphere.affine, atol=1e-5)
    told = json.loads((tmp_path / "out/measurements.json").read_text())
    left = next(row for row in told["regions"] if row["region"] == "putamen left")
    (segments,) = map(pydicom.dcmread, (tmp_path / "out").glob("segmentation-*.dcm"))
    assert [one.SegmentLabel for one in segments.SegmentSequence] == ["whole brain", "putamen left"]
    assert left["experimental"]
    (report,) = map(pydicom.dcmread, (tmp_path / "out").glob("report-*.dcm"))
    told_by_report = report.to_json()
    for words in ("RG-106", "RG-301", "putamen right: it was not found", str(left["mean_ppb"])):
        assert words in told_by_report


def test_a_finder_that_draws_nothing_is_a_reason(
    scan: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module: Any = SimpleNamespace(find_nuclei=lambda *_: (), available=lambda: "")
    monkeypatch.setitem(sys.modules, FINDER, module)
    assert _run(scan, "--out", tmp_path, "--format", "nifti", "--nuclei") == 0
    told = json.loads((tmp_path / "measurements.json").read_text())
    assert told["no_regions_because"] == "RG-110: no region was drawn"
    warnings = json.loads((tmp_path / "susceptibility.json").read_text())["Warnings"]
    assert "no regions of interest: no region was drawn" in warnings


def test_without_the_extra_nothing_is_begun(
    scan: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    why: Any = SimpleNamespace(available=lambda: "the extra [atlas] is not installed")
    monkeypatch.setitem(sys.modules, FINDER, why)
    assert _run(scan, "--out", tmp_path / "out", "--format", "nifti", "--nuclei") == 2
    assert "--nuclei: the extra [atlas] is not installed" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, FINDER, None)
    assert _run(scan, "--out", tmp_path / "out", "--format", "nifti", "--nuclei") == 2
    assert "install the extra [atlas]" in capsys.readouterr().err
    site = tmp_path / "site.yaml"
    site.write_text(
        "peers: {out: {folder: ./out}}\n"
        "routes: [{name: all, send_to: [out], products: [qsm, report, segmentation],\n"
        "          regions: nuclei}]\n"
    )
    assert main(["check", str(site)]) == 2
    place = f"{site}:3:20: routes[0].regions: nuclei cannot be found here: the finder cannot be loaded"
    assert place in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_both_ways_to_regions_at_once_are_one_too_many(scan: Path, capsys: Capture, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        _run(scan, "--out", tmp_path, "--nuclei", "--roi", tmp_path / "labels.nii")
    assert ended.value.code == 2
    assert "not allowed with argument" in capsys.readouterr().err
