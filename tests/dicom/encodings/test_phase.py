"""What a phase image is beyond its letter, and which unit its header gives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from qsmnode.dicom.source import Source, load
from qsmnode.errors import NotEligible

VENDORS = ("siemens", "philips", "ge", "other")


def phase_only(change: Callable[[Dataset], None]) -> Callable[[Dataset], None]:
    def changed(ds: Dataset) -> None:
        kind = ds[0x0043, 0x102F].value if (0x0043, 0x102F) in ds else None
        if kind == 1 or "P" in ds.ImageType:
            change(ds)

    return changed


def mapped(ds: Dataset, unit: str, slope: float, intercept: float) -> None:
    """A real-world value mapping."""
    code, mapping = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = unit, "UCUM", unit
    mapping.MeasurementUnitsCodeSequence = Sequence([code])
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = slope, intercept
    ds.RealWorldValueMappingSequence = Sequence([mapping])


def write(builder: Any, **values: Any) -> Any:
    return builder.write(echo_times_ms=(5.0, 10.0), slices=2, **values)


def read(builder: Any, **values: Any) -> Source:
    made = write(builder, **values)
    return load(made.acquisition, made.paths)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("word", "reason", "check"),
    [
        ("FILTERED", "phase filtered by the scanner", "filtered_phase"),
        ("PHASE DIFFERENCE", "a phase difference of two echoes", None),
    ],
)
def test_phase_that_says_what_was_done_to_it_is_no_source(
    builder: Any, vendor: str, word: str, reason: str, check: str | None
) -> None:
    """Filtered phase is the scan's own and spoils it; a difference is nothing that the scan has to have."""
    made = write(builder, vendor=vendor, change=phase_only(lambda ds: ds.ImageType.append(word)))
    reasons = {header.not_source for header in made.headers if header.not_source}
    assert len(reasons) == 1
    assert reason in (why := reasons.pop())
    one = made.acquisition
    assert one.kinds == (("magnitude", "phase") if check else ("magnitude",))
    assert (one.held, one.held_for_good) == ((why, True) if check else (None, False))
    assert check in (one.held_check, None)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(("unit", "reason"), [("Hz", "field map"), ("cm/s", "neither")])
@pytest.mark.parametrize("how", ["RescaleType", "real-world value"])
def test_a_field_in_hertz_and_a_velocity_are_no_phase(
    builder: Any, vendor: str, unit: str, reason: str, how: str
) -> None:
    def change(ds: Dataset) -> None:
        if how == "RescaleType":
            ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1", "-2048", unit
        else:
            mapped(ds, unit, 1.0, -2048.0)

    made = write(builder, vendor=vendor, change=phase_only(change))
    assert any(reason in (header.not_source or "") for header in made.headers)
    assert "phase" not in {frame.kind for header in made.headers for frame in header.frames}


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_real_world_value_wins_over_rescale_type_and_that_over_the_vendor(
    builder: Any, vendor: str
) -> None:
    sign = -1 if vendor == "ge" else 1
    stored = builder.stored("P", 0, 0).astype(float) - (1900 if vendor == "ge" else 0)

    def by_type(ds: Dataset) -> None:
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1.6", "500", "mrad"

    def by_mapping(ds: Dataset) -> None:
        by_type(ds)
        mapped(ds, "rad", 0.0017, 0.4)

    named = read(builder, vendor=vendor, change=phase_only(by_type)).stack.phase[0, :, :, 0]
    assert np.allclose(named, sign * (stored.T * 1.6e-3 + 0.5), atol=1e-6)
    real = read(builder, vendor=vendor, change=phase_only(by_mapping)).stack.phase[0, :, :, 0]
    assert np.allclose(real, sign * (stored.T * 0.0017 + 0.4), atol=1e-6)


def in_mrad_over_turns(ds: Dataset) -> None:
    """Stored values reach over 20 rad and use more than one turn of it."""
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "12", "-4000", "mrad"


@pytest.mark.parametrize("vendor", VENDORS)
def test_phase_beyond_a_turn_in_a_named_unit_was_unwrapped_by_the_scanner(builder: Any, vendor: str) -> None:
    source = read(builder, vendor=vendor, change=phase_only(in_mrad_over_turns))
    assert float(np.ptp(source.stack.phase)) > 2 * np.pi
    assert source.phase_is_unwrapped
    assert not any("alternated" in word for word in source.warnings)


def test_phase_beyond_a_turn_without_a_unit_is_refused(builder: Any) -> None:
    def far(ds: Dataset) -> None:
        ds.PixelData = (4 * np.frombuffer(ds.PixelData, np.int16)).astype(np.int16).tobytes()

    with pytest.raises(NotEligible, match="name no unit"):
        read(builder, vendor="ge", change=phase_only(far))


@pytest.mark.parametrize("vendor", VENDORS)
def test_phase_that_says_unwrapped_needs_a_unit(builder: Any, vendor: str) -> None:
    def said(ds: Dataset) -> None:
        ds.ImageType.append("UNWRAPPED")
        if "RescaleType" in ds:
            del ds.RescaleType

    def said_in_mrad(ds: Dataset) -> None:
        said(ds)
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1.6", "-3000", "mrad"

    held = write(builder, vendor=vendor, change=phase_only(said)).acquisition.held
    assert "unwrapped phase without a unit" in (held or "")
    assert read(builder, vendor=vendor, change=phase_only(said_in_mrad)).phase_is_unwrapped


def test_wrapped_and_unwrapped_phase_of_one_scan_are_never_mixed(builder: Any) -> None:
    def some(ds: Dataset) -> None:
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "1.6", "-3000", "mrad"
        if float(ds.EchoTime) > 6:
            ds.ImageType.append("UNWRAPPED")

    with pytest.raises(NotEligible, match="some phase images say that they are unwrapped"):
        read(builder, vendor="ge", change=phase_only(some))
