"""The demo's scanner may be any vendor's."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from PIL import Image

from qsmnode.cli import demo, main, parser
from qsmnode.errors import UsageError
from qsmnode.node import demonstration
from qsmnode.phantom.faults.registry import FAULTS
from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import Protocol, quick_protocol
from qsmnode.phantom.sphere import SimulatedSphere, Sphere, simulate_sphere
from qsmnode.phantom.vendors import VENDORS


@pytest.fixture(scope="module")
def sphere() -> SimulatedSphere:
    protocol = Protocol((0.005, 0.012), shape=(14, 16, 3), voxel_mm=(9.0, 9.0, 20.0))
    return simulate_sphere(Sphere(14.0), protocol)


def test_every_vendor_can_be_named() -> None:
    assert tuple(VENDORS) == demo.VENDORS
    for name in VENDORS:
        assert parser().parse_args(["demo", "--vendor", name]).vendor == name
    assert parser().parse_args(["demo"]).vendor == "siemens"


def test_every_fault_can_be_named_and_several_at_once() -> None:
    assert tuple(FAULTS) == demo.FAULTS
    asked = [part for name in FAULTS for part in ("--fault", name)]
    assert parser().parse_args(["demo", *asked]).fault == list(FAULTS)
    assert parser().parse_args(["demo"]).fault == []


def test_the_scanner_has_the_faults_that_it_is_told(sphere: SimulatedSphere, tmp_path: Path) -> None:
    files = demonstration.scan(sphere, tmp_path, "siemens", ["missing_phase", "missing_slice"])
    assert len(files) == 2 * 2
    assert {pydicom.dcmread(path, stop_before_pixels=True).ImageType[2] for path in files} == {"M"}


def test_a_faulty_scan_ends_with_a_map_and_what_is_wrong_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head = simulate(HeadShape(2), quick_protocol(4.5, echo_times_s=(0.005, 0.015, 0.025)))
    monkeypatch.setattr(demonstration, "simulated", lambda seed, progress: head)
    out = tmp_path / "demo"
    asked = ["demo", "--out", str(out), "--vendor", "philips-enhanced"]
    assert main([*asked, "--fault", "coarse_voxels"]) == 0
    said = capsys.readouterr().out
    assert "the report says: voxels of 9.00 mm in plane" in said
    assert "not compared with the truth" in said
    with Image.open(out / "qsm.png") as picture:
        assert picture.width > 3 * 300
    with Image.open(out / "page.png") as page:
        assert page.size == (1024, 1024)
    assert main([*asked, "--fault", "gap"]) == 3
    assert "gaps of 1.35 mm" in capsys.readouterr().err


def test_another_one_is_a_mistake_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["demo", "--vendor", "acme"])
    assert ended.value.code == 2
    assert "philips-enhanced" in capsys.readouterr().err


@pytest.mark.parametrize("vendor", ["siemens", "philips-enhanced", "ge"])
def test_the_scanner_writes_as_it_is_told(vendor: str, sphere: SimulatedSphere, tmp_path: Path) -> None:
    files = demonstration.scan(sphere, tmp_path, vendor)
    assert files
    assert {path.parent for path in files} == {tmp_path / "scanner"}
    found = {pydicom.dcmread(path, stop_before_pixels=True).Manufacturer for path in files}
    assert found == {VENDORS[vendor].maker.manufacturer}


def test_the_scanner_refuses_a_vendor_that_is_none(sphere: SimulatedSphere, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected one of siemens"):
        demonstration.scan(sphere, tmp_path, "acme")
