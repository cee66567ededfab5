"""Every vendor's encoding of one measurement is read as the same measurement."""

from __future__ import annotations

import itertools
import math
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from qsmnode.dicom.completeness import COMPLETE, UNDECLARED, assess
from qsmnode.errors import UsageError
from qsmnode.phantom.protocol import AXIAL, Protocol, tilted
from qsmnode.phantom.siemens import write_classic
from qsmnode.phantom.sphere import SimulatedSphere, Sphere, simulate_sphere
from qsmnode.phantom.vendors import VENDORS, vendor_named, write
from tests.phantom.reading import Arrived, turned

ENHANCED = ("siemens-xa", "philips-enhanced")
UNDECLARING = ("canon", "uih", "hitachi")  # nothing in their headers says how many echoes there are
STEP_RAD = {bits: 2 * math.pi / (1 << bits) for bits in (12, 16)}


@pytest.fixture(scope="module")
def sphere() -> SimulatedSphere:
    # nothing about its place is symmetric: a flipped or swapped axis shows
    protocol = Protocol(
        (0.004, 0.010, 0.017),
        shape=(18, 22, 5),
        voxel_mm=(5.0, 6.0, 7.0),
        orientation=tilted(AXIAL, 25.0, 15.0),
        centre_mm=(7.0, -3.0, 5.0),
        snr=40.0,
    )
    return simulate_sphere(Sphere(14.0, 1.5, (9.0, -12.0, 6.0), 45.0, seed=5), protocol)


def worst_step(vendor: str, bits: int) -> float:
    """By how much phase may be off: half a step, and what the vendor's unit rounds away."""
    if vendor == "ge-polar":
        return 0.51e-3  # whole mrad
    if vendor == "ge":
        return 1.1e-4  # half a step of either part, of a fifth of the range
    rounded = 0.41e-3 if vendor.startswith("philips") else 0.0  # half a turn is 3142 mrad
    return 0.51 * STEP_RAD[bits] + rounded + 1e-6


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_encoding_is_the_same_measurement(vendor: str, sphere: SimulatedSphere, tmp_path: Path) -> None:
    classic = Arrived.of(write_classic(sphere, tmp_path / "classic")).source
    arrived = Arrived.of(write(vendor, sphere, tmp_path / "other"))
    source, stack = arrived.source, arrived.source.stack
    assert stack.grid.shape == classic.stack.grid.shape
    assert stack.grid.voxel_mm == pytest.approx(classic.stack.grid.voxel_mm, abs=1e-9)
    assert stack.grid.b0_direction == pytest.approx(classic.stack.grid.b0_direction, abs=1e-9)
    assert np.allclose(source.affine, classic.affine, atol=1e-6)
    assert np.allclose(source.affine, sphere.affine, atol=1e-6)
    assert stack.readout_axis == classic.stack.readout_axis == 0
    assert stack.echo_times_s == pytest.approx(sphere.protocol.echo_times_s, abs=1e-9)
    assert stack.imaging_frequency_mhz == pytest.approx(sphere.protocol.frequency_mhz, abs=1e-6)
    scale = stack.magnitude.max() / sphere.stack.magnitude.max()
    assert (
        np.abs(stack.magnitude / scale - sphere.stack.magnitude).max() < 2e-3 * sphere.stack.magnitude.max()
    )
    # where there is hardly any signal, whole numbers of real and imaginary parts tell no phase
    bright = sphere.stack.magnitude > (0.2 * sphere.stack.magnitude.max() if vendor == "ge" else 0)
    error = turned(stack.phase, sphere.stack.phase)[bright]
    assert error.max() <= worst_step(vendor, VENDORS[vendor].bits)


@pytest.mark.parametrize("vendor", VENDORS)
def test_counts_are_declared_where_the_vendor_declares_them(
    vendor: str, sphere: SimulatedSphere, tmp_path: Path
) -> None:
    acquisition = Arrived.of(write(vendor, sphere, tmp_path)).acquisition
    assert acquisition.held is None
    assert acquisition.ignored is None
    assert acquisition.dimensions == 3
    assert assess(acquisition).state == (UNDECLARED if vendor in UNDECLARING else COMPLETE)


@pytest.mark.parametrize("vendor", [name for name, made in VENDORS.items() if 12 in made.depths])
def test_at_equal_depth_and_equal_steps_the_arrays_are_equal(
    vendor: str, sphere: SimulatedSphere, tmp_path: Path
) -> None:
    classic = Arrived.of(write_classic(sphere, tmp_path / "classic")).source.stack
    stack = Arrived.of(write(vendor, sphere, tmp_path / "other", bits=12)).source.stack
    # headers hold 16 characters of a slope; Philips divides the turn by one step less
    philips = vendor.startswith("philips")
    assert turned(stack.phase, classic.phase).max() <= (STEP_RAD[12] + 0.41e-3 if philips else 2e-6)
    scale = stack.magnitude.max() / classic.magnitude.max()
    assert np.allclose(stack.magnitude, scale * classic.magnitude, rtol=1e-6)


@pytest.mark.parametrize("vendor", ["ge", "ge-polar"])
def test_slices_of_alternating_sign_are_put_right(
    vendor: str, sphere: SimulatedSphere, tmp_path: Path
) -> None:
    plain = Arrived.of(write(vendor, sphere, tmp_path / "plain")).source
    turning = Arrived.of(write(vendor, sphere, tmp_path / "turned", faults=["alternating_sign"])).source
    bright = sphere.stack.magnitude > 0.2 * sphere.stack.magnitude.max()
    assert turned(turning.stack.phase, plain.stack.phase)[bright].max() < 2e-3
    assert any("alternated" in remark for remark in turning.warnings)
    assert not any("alternated" in remark for remark in plain.warnings)


@pytest.mark.parametrize(
    "vendor", ["siemens", "siemens-xa", "siemens-xa-split", "philips", "philips-enhanced"]
)
def test_phase_comes_from_real_and_imaginary_images(
    vendor: str, sphere: SimulatedSphere, tmp_path: Path
) -> None:
    source = Arrived.of(write(vendor, sphere, tmp_path, kinds=("R", "I"), bits=16)).source
    bright = sphere.stack.magnitude > 0.2 * sphere.stack.magnitude.max()
    assert turned(source.stack.phase, sphere.stack.phase)[bright].max() < 5 / (1 << 15) / 0.2


def test_ge_counts_backwards(sphere: SimulatedSphere, tmp_path: Path) -> None:
    """With nothing but pydicom: minus the phase in mrad, and minus the imaginary part."""
    values: dict[int, list[np.ndarray]] = {}
    for path in write("ge", sphere, tmp_path):
        dataset = pydicom.dcmread(path)
        values.setdefault(int(dataset[0x0043, 0x102F].value), []).append(dataset.pixel_array.T)
        assert dataset[0x0021, 0x104F].value == 5
        assert dataset.ImagesInAcquisition == 4 * 3 * 5
    phase = np.concatenate(list(np.moveaxis(sphere.stack.phase, 3, 1)))
    assert np.abs(np.array(values[1]) / 1000 + phase).max() <= 0.51e-3
    signal = np.array(values[2]) - 1j * np.array(values[3])
    bright = np.abs(signal) > 0.2 * np.abs(signal).max()
    assert np.abs(np.angle(signal * np.exp(-1j * phase)))[bright].max() <= worst_step("ge", 16)


def test_objects_and_series_of_each_vendor(sphere: SimulatedSphere, tmp_path: Path) -> None:
    found = {}
    for vendor in VENDORS:
        objects = [
            pydicom.dcmread(path, stop_before_pixels=True)
            for path in write(vendor, sphere, tmp_path / vendor)
        ]
        assert len({ds.SOPInstanceUID for ds in objects}) == len(objects)
        assert len({(ds.StudyInstanceUID, ds.FrameOfReferenceUID, ds.PatientID) for ds in objects}) == 1
        found[vendor] = (len(objects), len({ds.SeriesInstanceUID for ds in objects}))
    assert found == {
        "siemens": (30, 2),
        "siemens-xa": (6, 2),
        "siemens-xa-split": (30, 6),
        "philips": (30, 1),
        "philips-enhanced": (1, 1),
        "ge": (60, 1),
        "ge-polar": (30, 1),
        "canon": (30, 2),
        "uih": (30, 2),
        "hitachi": (30, 2),
    }


def test_series_numbers_of_a_split_export_jump(sphere: SimulatedSphere, tmp_path: Path) -> None:
    objects = [pydicom.dcmread(path) for path in write("siemens-xa-split", sphere, tmp_path)]
    numbers = sorted({int(ds.SeriesNumber) for ds in objects})
    assert min(after - before for before, after in itertools.pairwise(numbers)) > 1
    assert {ds.ImageType[-1] for ds in objects} == {"MFSPLIT"}


def test_philips_says_us_and_means_mrad_and_nests_another_position(
    sphere: SimulatedSphere, tmp_path: Path
) -> None:
    (path,) = write("philips-enhanced", sphere, tmp_path)
    dataset = pydicom.dcmread(path)
    frames = dataset.PerFrameFunctionalGroupsSequence
    assert len(frames) == dataset.NumberOfFrames == 30
    components = Counter(f.MRImageFrameTypeSequence[0].ComplexImageComponent for f in frames)
    assert components == {"MAGNITUDE": 15, "PHASE": 15}
    for frame in frames:
        position = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        nested = np.array(frame[0x2005, 0x140F].value[0].ImagePositionPatient, float)
        assert np.abs(position - nested).min() > 1
        assert frame.PixelValueTransformationSequence[0].RescaleType == "US"
        unit = frame.RealWorldValueMappingSequence[0].MeasurementUnitsCodeSequence[0].CodeValue
        phase = frame.MRImageFrameTypeSequence[0].ComplexImageComponent == "PHASE"
        assert unit == ("mrad" if phase else "1")
    indices = [tuple(frame.FrameContentSequence[0].DimensionIndexValues) for frame in frames]
    assert len(set(indices)) == len(indices)
    assert len(dataset.DimensionIndexSequence) == len(indices[0]) == 4


def test_siemens_by_either_door_is_the_same(sphere: SimulatedSphere, tmp_path: Path) -> None:
    one, other = write("siemens", sphere, tmp_path / "a"), write_classic(sphere, tmp_path / "b")
    assert [path.name for path in one] == [path.name for path in other]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_same_input_gives_the_same_bytes_and_a_salt_another_identity(
    vendor: str, sphere: SimulatedSphere, tmp_path: Path
) -> None:
    first, again = (write(vendor, sphere, tmp_path / name) for name in "ab")
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(first, again, strict=True))
    assert stat.S_IMODE(first[0].stat().st_mode) == 0o600
    plain = Arrived.of(first)
    other = Arrived.of(write(vendor, sphere, tmp_path / "c", salt="x", patient_id="P1", repeat=2))
    assert not set(other.headers) & set(plain.headers)
    assert other.acquisition.key != plain.acquisition.key


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_object_conforms(
    vendor: str, sphere: SimulatedSphere, tmp_path: Path, dciodvfy: Callable[..., object]
) -> None:
    files = write(vendor, sphere, tmp_path)
    for path in {path.name.split("-s0")[0]: path for path in files}.values():
        assert dciodvfy(path).errors == (), path.name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"vendor": "acme"}, "vendor: expected one of siemens"),
        ({"faults": ["broken"]}, "fault: expected some of"),
        ({"bits": 11}, "siemens stores 12"),
        ({"vendor": "ge", "bits": 12}, "ge stores 16"),
        ({"kinds": ("X",)}, "kinds"),
        ({"kinds": ()}, "kinds"),
        ({"repeat": 0}, "repeat"),
        ({"kinds": ("R", "I"), "faults": ["unwrapped"]}, "needs P among them"),
    ],
)
def test_what_it_cannot_write_is_named(
    arguments: dict[str, object], words: str, sphere: SimulatedSphere, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        write(**{"vendor": "siemens", "measured": sphere, "folder": tmp_path, **arguments})  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_every_vendor_has_words() -> None:
    assert all(vendor_named(name).words for name in VENDORS)
