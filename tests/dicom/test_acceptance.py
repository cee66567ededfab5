"""Every row of the acceptance table has data that it alone finds fault with, and good data pass them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, Sequence

from qsmnode.config import AcceptanceSettings
from qsmnode.dicom.acceptance import header_findings, refuse_rejected
from qsmnode.dicom.acceptance.data import data_findings
from qsmnode.dicom.acceptance.numbers import number_findings
from qsmnode.dicom.acquisition import group
from qsmnode.dicom.source import load
from qsmnode.engine import EchoStack, Recipe, reconstruct
from qsmnode.errors import Finding, NotEligible
from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import quick_protocol

DEFAULT = AcceptanceSettings.default()
GOOD_TIMES_MS = (5.0, 15.0, 25.0)


def limits(**stated: Any) -> AcceptanceSettings:
    return DEFAULT.overridden_by(AcceptanceSettings.model_validate(stated))


def voxels(row_mm: float, column_mm: float) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        for frame in ds.PerFrameFunctionalGroupsSequence:
            frame.PixelMeasuresSequence[0].PixelSpacing = [str(row_mm), str(column_mm)]

    return change


def at(field_t: float, frequency_mhz: float) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        ds.MagneticFieldStrength = str(field_t)
        ds.SharedFunctionalGroupsSequence[0].MRImagingModifierSequence[0].TransmitterFrequency = frequency_mhz

    return change


def setting(**values: str | None) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        for keyword, value in values.items():
            if value is None:
                delattr(ds, keyword)
            else:
                setattr(ds, keyword, value)

    return change


def without_frequency(ds: Dataset) -> None:
    del ds.SharedFunctionalGroupsSequence[0].MRImagingModifierSequence


def coded(meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99TEST", meaning
    return item


def agent(administered: str | None) -> Callable[[Dataset], None]:
    """As enhanced objects name it: once for all frames, with whether these came after it."""

    def change(ds: Dataset) -> None:
        ds.ContrastBolusAgentSequence = Sequence([coded("Gadobutrol")])
        if administered is not None:
            usage = Dataset()
            usage.ContrastBolusAgentNumber, usage.ContrastBolusAgentAdministered = 1, administered
            ds.SharedFunctionalGroupsSequence[0].ContrastBolusUsageSequence = Sequence([usage])

    return change


def anatomy(region: str) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        frame = Dataset()
        frame.AnatomicRegionSequence = Sequence([coded(region)])
        ds.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = Sequence([frame])

    return change


HEADERS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "good": (None, {}),
    "1.5 T": (None, {"echo_times_ms": (5.0, 30.0, 55.0), "change": at(1.5, 63.7)}),
    "7 T": (None, {"echo_times_ms": (4.0, 8.0, 12.0), "change": at(7.0, 297.2)}),
    "no field strength": ("field_strength", {"change": setting(MagneticFieldStrength=None)}),
    "no frequency": ("field_strength", {"change": without_frequency}),
    "frequency of another field": ("field_strength", {"change": at(3.0, 63.7)}),
    "open magnet": ("b0_axis", {"change": at(1.0, 42.6), "echo_times_ms": (5.0, 35.0, 65.0)}),
    "2-D": ("dimensions", {"dimension": "2D"}),
    "two echoes": ("echoes", {"echo_times_ms": (5.0, 25.0)}),
    "one echo": ("echoes", {"echo_times_ms": (8.0,)}),
    "late first echo": ("first_echo", {"echo_times_ms": (11.0, 18.0, 25.0)}),
    "unequal echoes": ("echo_spacing", {"echo_times_ms": (5.0, 12.0, 25.0)}),
    "short echoes": ("last_echo", {"echo_times_ms": (5.0, 10.0, 15.0)}),
    "long echoes": ("last_echo", {"echo_times_ms": (6.0, 28.0, 50.0)}),
    "long echoes at 7 T": ("last_echo", {"echo_times_ms": (5.0, 15.0, 25.0), "change": at(7.0, 297.2)}),
    "short echoes at 1.5 T": ("last_echo", {"echo_times_ms": (5.0, 15.0, 25.0), "change": at(1.5, 63.7)}),
    "coarse": ("in_plane", {"change": voxels(1.2, 1.3)}),
    "long voxels": ("anisotropy", {"change": voxels(1.1, 1.1)}),
    "gaps": ("gaps", {"thickness_mm": 2.5}),
    "short slab": ("coverage", {"slices": 36}),
    "contrast agent": ("contrast_agent", {"change": setting(ContrastBolusAgent="Gadobutrol")}),
    "said to be without": (None, {"change": setting(ContrastBolusAgent="NONE")}),
    "contrast agent by a code": ("contrast_agent", {"change": agent(None)}),
    "contrast agent in these frames": ("contrast_agent", {"change": agent("YES")}),
    "before the contrast agent": (None, {"change": agent("NO")}),
    "neck by a code": ("neck", {"change": anatomy("Neck")}),
    "brain by a code": (None, {"change": anatomy("Brain")}),
    "neck": ("neck", {"change": setting(BodyPartExamined="NECK")}),
    "neck by its description alone": (None, {"change": setting(SeriesDescription="qsm neck carotid")}),
}


def headers_of(builder: Any, **values: Any) -> Any:
    """One enhanced object of a scan that is good but for ``values``."""
    change = values.pop("change", None)

    def changed(ds: Dataset) -> None:
        voxels(1.2, 1.2)(ds)
        if change is not None:
            change(ds)

    scan = builder.Scan(
        vendor="philips",
        kinds=("M",),  # nothing here asks for phase, and half the images are half the time
        echo_times_ms=GOOD_TIMES_MS,
        slices=37,
        spacing_mm=3.0,
        thickness_mm=3.0,
        declared=False,
        change=changed,
    )
    return builder.write_enhanced(scan.changed(**values))


@pytest.mark.parametrize("row", HEADERS)
def test_a_header_triggers_its_own_row_and_no_other(builder: Any, row: str) -> None:
    check, values = HEADERS[row]
    made = headers_of(builder, **values)
    found = header_findings(made.acquisition, made.headers, DEFAULT)
    assert [finding.check for finding in found] == ([check] if check else []), list(map(str, found))
    if check is not None and check not in ("gaps", "field_strength"):
        assert found[0].severity == getattr(DEFAULT.severity, check)
        assert found[0].expected
        assert not header_findings(made.acquisition, made.headers, limits(severity={check: "pass"}))


def test_limits_decide_and_not_the_code(builder: Any) -> None:
    made = headers_of(builder, echo_times_ms=(11.0, 18.0, 25.0), change=voxels(1.2, 1.3))
    checks = [finding.check for finding in header_findings(made.acquisition, made.headers, DEFAULT)]
    assert checks == ["first_echo", "in_plane"]
    wider = limits(max_first_echo_ms=12.0, max_in_plane_mm=1.3, min_echoes=4)
    (few,) = header_findings(made.acquisition, made.headers, wider)
    assert (few.check, str(few)) == ("echoes", "3 echoes (expected at least 4)")


def test_coverage_is_along_the_head_whatever_the_slices_are(builder: Any) -> None:
    """Six rows of 1.2 mm along the body: short, though the stack of slices is long."""
    sagittal = headers_of(builder, orientation=(0, 1, 0, 0, 0, -1))
    (short,) = header_findings(sagittal.acquisition, sagittal.headers, DEFAULT)
    assert str(short) == "7 mm along the head (expected at least 110 mm)"


def test_what_is_no_gradient_echo_never_becomes_an_acquisition(builder: Any) -> None:
    made = headers_of(builder, change=setting(EchoPulseSequence="SPIN"))
    grouping = group(made.headers)
    assert not grouping.acquisitions
    assert "not a gradient echo" in grouping.ignored[0][1]


def test_gaps_and_an_unknown_frequency_are_refused_by_reading_too(builder: Any) -> None:
    for change, check in (({"thickness_mm": 2.5}, "gaps"), ({"change": without_frequency}, "field_strength")):
        made = headers_of(builder, kinds=("M", "P"), **change)
        with pytest.raises(NotEligible) as refused:
            load(made.acquisition, made.paths)
        assert [finding.check for finding in refused.value.findings] == [check]


@cache
def measured(**changes: Any) -> EchoStack:
    return simulate(HeadShape(2), quick_protocol(5.0, **changes)).stack


def filtered(stack: EchoStack) -> EchoStack:
    """Each echo divided by its smooth part, as a homodyne reconstruction does."""
    values = stack.magnitude * np.exp(1j * stack.phase)
    widths = [0.0, *(8.0 / edge for edge in stack.grid.voxel_mm)]
    smooth = scipy.ndimage.gaussian_filter(values.real, widths) + 1j * scipy.ndimage.gaussian_filter(
        values.imag, widths
    )
    return replace(stack, phase=np.angle(values * np.conj(smooth)).astype(np.float32))


def wound(stack: EchoStack) -> EchoStack:
    """Every echo winds by a turn around a line through the head, as badly combined coils leave it."""
    x, y, _ = np.indices(stack.grid.shape)
    around = np.arctan2(y - stack.grid.shape[1] / 2 - 3.5, x - stack.grid.shape[0] / 2 - 4.5)
    return replace(stack, phase=np.angle(np.exp(1j * (stack.phase + around))).astype(np.float32))


DATA: dict[str, tuple[str | None, Callable[[], EchoStack]]] = {
    "good": (None, measured),
    "without noise": (None, lambda: measured(snr=0.0)),
    "bipolar, as it comes": (None, lambda: measured(bipolar_rad=2.0)),
    "one echo": (None, lambda: measured(echo_times_s=(0.020,))),
    "filtered": ("filtered_phase", lambda: filtered(measured())),
    "one echo, filtered": ("filtered_phase", lambda: filtered(measured(echo_times_s=(0.020,)))),
    "poles": ("poles", lambda: wound(measured())),
    "noise": ("snr", lambda: measured(snr=8.0)),
    "ghosts": ("ghosting", lambda: replace(measured(ghost=0.1), readout_axis=0)),
}


@pytest.mark.parametrize("row", DATA)
def test_data_trigger_their_own_row_and_no_other(row: str) -> None:
    check, make = DATA[row]
    found = data_findings(make(), DEFAULT).findings
    assert [finding.check for finding in found] == ([check] if check else []), list(map(str, found))
    if check is not None:
        assert found[0].severity == getattr(DEFAULT.severity, check)
        assert not data_findings(make(), limits(severity={check: "pass"})).findings


def test_phase_that_the_scanner_unwrapped_is_said_to_be() -> None:
    (found,) = data_findings(measured(), DEFAULT, phase_is_unwrapped=True).findings
    assert (found.check, found.severity) == ("unwrapped_phase", "warn")


def test_poles_are_masked_out_and_nothing_else_is() -> None:
    stack = wound(measured())
    looked = data_findings(stack, DEFAULT)
    lost = np.isnan(looked.stack.phase)
    assert 0 < np.mean(lost) < 0.02
    assert np.array_equal(looked.stack.phase[~lost], stack.phase[~lost])
    x, y = (stack.grid.shape[0] / 2 + 4.5, stack.grid.shape[1] / 2 + 3.5)
    where = np.argwhere(lost[0])
    assert float(np.hypot(where[:, 0] - x, where[:, 1] - y).max()) < 6
    maps = reconstruct(looked.stack, Recipe.preset("fast"))
    assert maps.quality["input_nonfinite_voxels"] == np.count_nonzero(lost[0])
    assert not maps.mask[lost[0]].any()
    assert np.isfinite(maps.susceptibility).all()


def test_nan_in_the_data_changes_no_verdict() -> None:
    stack = measured()
    phase = stack.phase.copy()
    phase[:, 20:24, 20:24, 10:14] = np.nan
    assert data_findings(replace(stack, phase=phase), DEFAULT).findings == ()


def test_arrays_without_signal_are_left_to_the_engine() -> None:
    stack = replace(measured(), phase=np.full_like(measured().phase, np.nan))
    assert data_findings(stack, DEFAULT).findings == ()


GOOD = {
    "input_echoes": 3.0,
    "offset_odd_even_corrected": 0.0,
    "mask_brain_plausible": 1.0,
    "mask_parts": 1.0,
    "field_residual": 0.03,
    "inversion_streak": 0.6,
    "phase_quality": 0.9,
}
NUMBERS = {
    "bipolar": {"offset_odd_even_corrected": 1.0, "offset_odd_even_rad": 2.0},
    "mask": {"mask_brain_plausible": 0.0, "mask_volume_ml": 380.0},
    "fit": {"field_residual": 0.13},
    "streaks": {"inversion_streak": 1.2},
    "quality": {"phase_quality": 0.3},
}


@pytest.mark.parametrize("check", NUMBERS)
def test_a_number_triggers_its_own_row_and_no_other(check: str) -> None:
    assert number_findings(GOOD, DEFAULT) == ()
    (found,) = number_findings({**GOOD, **NUMBERS[check]}, DEFAULT)
    assert (found.check, found.severity) == (check, getattr(DEFAULT.severity, check))
    assert number_findings({**GOOD, **NUMBERS[check]}, limits(severity={check: "pass"})) == ()


@pytest.mark.parametrize("name", ["field_residual", "inversion_streak"])
def test_a_number_that_is_none_is_out_of_range(name: str) -> None:
    (found,) = number_findings({**GOOD, name: float("nan")}, DEFAULT)
    assert found.severity == "withhold"


@given(st.lists(st.sampled_from(["warn", "degraded", "withhold", "reject"]), max_size=6))
def test_any_rejection_stops_with_all_of_them(severities: list[str]) -> None:
    findings = [Finding(f"check{number}", one, "a", "b") for number, one in enumerate(severities)]
    if "reject" not in severities:
        refuse_rejected(findings)
        return
    with pytest.raises(NotEligible) as refused:
        refuse_rejected(findings)
    assert list(refused.value.findings) == [item for item in findings if item.severity == "reject"]
