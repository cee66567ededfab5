"""Every fault is one for every vendor: what the reader then sees, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from qsmnode.dicom.acquisition import Acquisition
from qsmnode.dicom.completeness import CONTRADICTION, INCOMPLETE, assess
from qsmnode.errors import NotEligible, UsageError
from qsmnode.phantom.faults import signal as spoilt
from qsmnode.phantom.faults.registry import FAULTS, faults_named
from qsmnode.phantom.protocol import Protocol
from qsmnode.phantom.sphere import SimulatedSphere, Sphere, simulate_sphere
from qsmnode.phantom.vendors import VENDORS, write
from tests.phantom.reading import Arrived, turned

ENCODINGS = ("siemens", "philips-enhanced", "ge")  # one file per image or not, and one kind too many
# what these vendors write anyway
HABITS = {
    ("ge-polar", "unscaled_phase"),
    ("siemens", "repeated_instance_numbers"),
    ("siemens-xa-split", "repeated_instance_numbers"),
}
TIMES_S = (0.004, 0.012, 0.020)
SLICES = 5


@pytest.fixture(scope="module")
def sphere() -> SimulatedSphere:
    protocol = Protocol(TIMES_S, shape=(14, 16, SLICES), voxel_mm=(6.0, 6.0, 20.0), snr=50.0)
    return simulate_sphere(Sphere(14.0, 3.0, (9.0, -12.0, 6.0), 40.0, seed=5), protocol)


@pytest.fixture(scope="module")
def tiny() -> SimulatedSphere:
    protocol = Protocol((0.004, 0.014), shape=(10, 12, 3), voxel_mm=(8.0, 8.0, 40.0))
    return simulate_sphere(Sphere(20.0, 12.0), protocol)


@pytest.fixture
def faulty(sphere: SimulatedSphere, tmp_path: Path) -> Callable[..., Arrived]:
    return lambda vendor, *faults: Arrived.of(write(vendor, sphere, tmp_path, faults=faults))


def missing(acquisition: Acquisition) -> str:
    whole = assess(acquisition)
    assert whole.state == INCOMPLETE
    return "; ".join(whole.missing)


@pytest.mark.parametrize("vendor", VENDORS)
def test_any_vendor_takes_any_fault(vendor: str, tiny: SimulatedSphere, tmp_path: Path) -> None:
    good = {path.name: path.read_bytes() for path in write(vendor, tiny, tmp_path / "good")}
    for fault in FAULTS:
        bad = write(vendor, tiny, tmp_path / fault, faults=[fault])
        assert bad
        assert all(path.stat().st_mode & 0o077 == 0 for path in bad)
        same = {path.name: path.read_bytes() for path in bad} == good
        assert same == ((vendor, fault) in HABITS), fault


@pytest.mark.parametrize("vendor", ENCODINGS)
def test_a_missing_slice(vendor: str, faulty: Callable[..., Arrived]) -> None:
    assert f"slice 3 of {SLICES}" in missing(faulty(vendor, "missing_slice").acquisition)


@pytest.mark.parametrize("vendor", ["siemens", "siemens-xa", "philips", "philips-enhanced", "ge"])
def test_a_missing_echo_where_echoes_are_declared(vendor: str, faulty: Callable[..., Arrived]) -> None:
    acquisition = faulty(vendor, "missing_echo").acquisition
    assert len(acquisition.echo_times_s) == len(TIMES_S) - 1
    assert missing(acquisition)


@pytest.mark.parametrize("vendor", ENCODINGS)
def test_a_missing_phase(vendor: str, faulty: Callable[..., Arrived]) -> None:
    acquisition = faulty(vendor, "missing_phase").acquisition
    assert acquisition.kinds == ("magnitude",)
    assert "phase" in missing(acquisition)


@pytest.mark.parametrize("vendor", ENCODINGS)
def test_a_duplicated_slice(vendor: str, faulty: Callable[..., Arrived]) -> None:
    arrived = faulty(vendor, "duplicated_slice")
    frames = [frame for header in arrived.headers.values() for frame in header.frames]
    expected = len(VENDORS[vendor].kinds) * (len(TIMES_S) * SLICES + 1)
    assert len(frames) == expected
    places = {(frame.kind, frame.echo_time_s, frame.position) for frame in frames}
    assert len(places) == len(VENDORS[vendor].kinds) * len(TIMES_S) * SLICES


@pytest.mark.parametrize("vendor", ENCODINGS)
def test_unequal_spacing_and_gaps_are_refused(vendor: str, faulty: Callable[..., Arrived]) -> None:
    assert assess(faulty(vendor, "unequal_spacing").acquisition).state in (CONTRADICTION, INCOMPLETE)
    with pytest.raises(NotEligible, match="gap"):
        _ = faulty(vendor, "gap").source


@pytest.mark.parametrize("fault", ["equal_echo_numbers", "missing_echo_numbers", "repeated_instance_numbers"])
@pytest.mark.parametrize("vendor", ENCODINGS)
def test_numbers_decide_nothing(
    vendor: str, fault: str, sphere: SimulatedSphere, faulty: Callable[..., Arrived]
) -> None:
    stack = faulty(vendor, fault).source.stack
    bright = sphere.stack.magnitude > 0.2 * sphere.stack.magnitude.max()
    assert turned(stack.phase, sphere.stack.phase)[bright].max() < 2e-3


def test_numbers_are_what_the_fault_says(sphere: SimulatedSphere, tmp_path: Path) -> None:
    def read(fault: str) -> list[pydicom.Dataset]:
        return [pydicom.dcmread(path) for path in write("philips", sphere, tmp_path / fault, faults=[fault])]

    assert {ds.EchoNumbers for ds in read("equal_echo_numbers")} == {1}
    assert not any("EchoNumbers" in ds for ds in read("missing_echo_numbers"))
    numbers = [ds.InstanceNumber for ds in read("repeated_instance_numbers")]
    assert sorted(set(numbers)) == list(range(1, SLICES + 1))


@pytest.mark.parametrize("vendor", [*ENCODINGS, "uih", "hitachi"])
def test_an_unknown_scaling_is_held(vendor: str, faulty: Callable[..., Arrived]) -> None:
    held = faulty(vendor, "unknown_phase_scaling").acquisition.held
    assert held is not None
    assert "phase" in held


def test_unscaled_phase_is_read_where_the_vendor_has_a_rule(
    sphere: SimulatedSphere, faulty: Callable[..., Arrived]
) -> None:
    for vendor in ("siemens", "ge"):
        stack = faulty(vendor, "unscaled_phase").source.stack
        assert turned(stack.phase, sphere.stack.phase).max() < 2e-3
    for vendor in ("philips", "philips-enhanced", "hitachi"):
        assert faulty(vendor, "unscaled_phase").acquisition.held is not None


@pytest.mark.parametrize("vendor", ENCODINGS)
def test_a_2d_scan_a_single_echo_and_a_late_one(vendor: str, faulty: Callable[..., Arrived]) -> None:
    assert faulty(vendor, "two_dimensional").acquisition.dimensions == 2
    assert faulty(vendor, "single_echo").acquisition.echo_times_s == pytest.approx(TIMES_S[:1])
    assert faulty(vendor, "late_first_echo").acquisition.echo_times_s == pytest.approx(TIMES_S[1:])


@pytest.mark.parametrize("vendor", ENCODINGS)
def test_coarse_voxels_and_short_coverage_keep_their_place(
    vendor: str, sphere: SimulatedSphere, faulty: Callable[..., Arrived]
) -> None:
    coarse = faulty(vendor, "coarse_voxels").source
    assert coarse.stack.grid.voxel_mm == pytest.approx((12.0, 12.0, 20.0))
    # the middle of the first coarse voxel is that of the four that it was made of
    assert np.allclose((coarse.affine @ [0, 0, 0, 1])[:3], (sphere.affine @ [0.5, 0.5, 0, 1])[:3], atol=1e-6)
    short = faulty(vendor, "short_coverage").source
    assert short.stack.grid.shape[2] * short.stack.grid.voxel_mm[2] == pytest.approx(spoilt.COVERAGE_MM)
    shift = np.linalg.solve(sphere.affine, short.affine @ [0, 0, 0, 1])
    index = round(float(shift[2]))
    assert np.allclose(shift[:3], [0, 0, index], atol=1e-6)
    bright = sphere.stack.magnitude > 0.2 * sphere.stack.magnitude.max()
    part = slice(index, index + short.stack.grid.shape[2])
    assert turned(short.stack.phase, sphere.stack.phase[..., part])[bright[..., part]].max() < 2e-3


def test_a_resent_object_has_its_uid_and_other_bytes(sphere: SimulatedSphere, tmp_path: Path) -> None:
    for vendor in ("uih", "siemens-xa"):
        files = write(vendor, sphere, tmp_path / vendor, faults=["resent_with_other_bytes"])
        sent, again = (pydicom.dcmread(path) for path in files[-2:])
        assert sent.SOPInstanceUID == again.SOPInstanceUID
        assert np.count_nonzero(sent.pixel_array != again.pixel_array) == 1
        del sent.PixelData, again.PixelData
        assert sent == again


def test_the_ramp_of_a_bipolar_readout(sphere: SimulatedSphere, faulty: Callable[..., Arrived]) -> None:
    phase = faulty("siemens", "bipolar").source.stack.phase
    added = np.angle(np.exp(1j * (phase.astype(np.float64) - sphere.stack.phase)))
    edges = spoilt.RAMP_RAD / 2 * (0.5 - 0.5 / phase.shape[1])
    assert added[0, -1].mean() == pytest.approx(edges, abs=2e-3)
    assert added[1, -1].mean() == pytest.approx(-edges, abs=2e-3)
    assert added[2, 0].mean() == pytest.approx(-edges, abs=2e-3)


def test_homodyne_leaves_no_slow_phase(sphere: SimulatedSphere, faulty: Callable[..., Arrived]) -> None:
    stack = faulty("siemens", "homodyne").source.stack
    bright = sphere.stack.magnitude[0] > 0.5 * sphere.stack.magnitude[0].max()
    raw, filtered = sphere.stack.phase[-1][bright], stack.phase[-1][bright]
    assert np.abs(np.exp(1j * filtered).mean()) > np.abs(np.exp(1j * raw).mean())
    assert np.percentile(np.abs(filtered), 50) < 0.3


def test_unwrapped_phase_goes_over_more_than_a_turn_and_is_the_same_field(
    sphere: SimulatedSphere, tmp_path: Path
) -> None:
    files = write("hitachi", sphere, tmp_path, faults=["unwrapped"])
    phases = [ds for ds in map(pydicom.dcmread, files) if ds.ImageType[2] == "P"]
    step = float(phases[0].RescaleSlope) * 1e-3
    assert step * 4096 >= 4 * np.pi - step
    furthest = 0.0
    for ds in phases:
        assert ds.RescaleType == "mrad"
        echo, place = int(ds.EchoNumbers) - 1, int(ds.InstanceNumber) % SLICES - 1
        radians = (ds.pixel_array.T * float(ds.RescaleSlope) + float(ds.RescaleIntercept)) * 1e-3
        furthest = max(furthest, float(np.abs(radians).max()))
        true = sphere.stack.phase[echo, :, :, place]
        bright = sphere.stack.magnitude[echo, :, :, place] > 0.2 * sphere.stack.magnitude.max()
        assert turned(radians.astype(np.float32), true)[bright].max() < 0.51 * step + 1e-5
    assert furthest > 1.1 * np.pi


def test_low_snr_is_low(sphere: SimulatedSphere, faulty: Callable[..., Arrived]) -> None:
    stack = faulty("siemens", "low_snr").source.stack
    inside = sphere.stack.magnitude[0] > 0.2 * sphere.stack.magnitude[0].max()
    signal = stack.magnitude[0] * np.exp(1j * (stack.phase[0] - sphere.stack.phase[0]))
    snr = signal[inside].real.mean() / signal[inside].imag.std()
    assert snr == pytest.approx(spoilt.LOW_SNR, rel=0.15)


def test_unknown_faults_and_those_without_room_are_named(sphere: SimulatedSphere, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fault: expected some of"):
        faults_named(["broken"])
    early = simulate_sphere(sphere.sphere, Protocol((0.004,), shape=(14, 16, 3), voxel_mm=(6.0, 6.0, 20.0)))
    with pytest.raises(UsageError, match="late_first_echo"):
        write("siemens", early, tmp_path, faults=["late_first_echo"])
    assert all(fault.words for fault in FAULTS.values())
