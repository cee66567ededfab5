"""Faults of a simulated scanner, read from its files: each is found by the check that is meant for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from qsmnode.config import AcceptanceSettings
from qsmnode.dicom.acceptance import header_findings
from qsmnode.dicom.acceptance.data import data_findings
from qsmnode.dicom.acceptance.numbers import number_findings
from qsmnode.dicom.acquisition import Acquisition, group
from qsmnode.dicom.completeness import COMPLETE, INCOMPLETE, assess
from qsmnode.dicom.instance import Instance, read_instance
from qsmnode.dicom.source import load
from qsmnode.engine import EchoStack, Recipe, reconstruct
from qsmnode.phantom.head import HeadShape, SimulatedHead, simulate
from qsmnode.phantom.protocol import Protocol, quick_protocol
from qsmnode.phantom.vendors import write

# a test's head is measured in few voxels
LIMITS = AcceptanceSettings.default().overridden_by(AcceptanceSettings.model_validate({"max_in_plane_mm": 7}))
FAULTS = {
    None: set(),
    "single_echo": {"echoes"},
    "late_first_echo": {"first_echo"},
    "two_dimensional": {"dimensions"},
    "gap": {"gaps"},
    "coarse_voxels": {"in_plane"},
    "short_coverage": {"coverage"},
    "low_snr": {"snr"},
    "homodyne": {"filtered_phase"},
    "unwrapped": {"unwrapped_phase"},
}


@cache
def head() -> SimulatedHead:
    return simulate(HeadShape(2), quick_protocol(6.0, echo_times_s=(0.005, 0.011, 0.017, 0.023, 0.029)))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_scanner_is_found_and_nothing_else(fault: str | None, tmp_path: Path) -> None:
    files = write("philips-enhanced", head(), tmp_path, faults=[fault] if fault else [])
    headers = {path: read_instance(path) for path in files}
    (acquisition,) = group(headers.values()).acquisitions
    found = {finding.check for finding in header_findings(acquisition, headers.values(), LIMITS)}
    if "gaps" not in found:
        source = load(acquisition, {header.sop_instance_uid: path for path, header in headers.items()})
        looked = data_findings(source.stack, LIMITS, phase_is_unwrapped=source.phase_is_unwrapped)
        found |= {finding.check for finding in looked.findings}
    assert found == FAULTS[fault]


@cache
def three_echoes() -> EchoStack:
    return simulate(HeadShape(2), quick_protocol(4.5, echo_times_s=(0.005, 0.015, 0.025))).stack


@cache
def tiny() -> SimulatedHead:
    protocol = Protocol((0.005, 0.013, 0.021, 0.029), shape=(24, 28, 8), voxel_mm=(6.9, 6.9, 17.0), snr=0)
    return simulate(HeadShape(3), protocol)


def arrived(files: Iterable[Path]) -> tuple[Acquisition, list[Instance]]:
    """The one acquisition of these files, and their headers."""
    headers = [read_instance(path) for path in files]
    (acquisition,) = group(headers).acquisitions
    return acquisition, headers


def moved(stack: EchoStack) -> EchoStack:
    """The second echo's phase ripples, as where somebody moved between two echoes."""
    phase = stack.phase.copy()
    phase[1] = np.angle(np.exp(1j * (phase[1] + 0.5 * np.sin(np.indices(stack.grid.shape)[1] / 3))))
    return replace(stack, phase=phase)


def streaked(stack: EchoStack) -> EchoStack:
    """A wave of 5 Hz along the cone on which no susceptibility makes a field."""
    x, _, z = np.indices(stack.grid.shape)
    wave_hz = 5 * np.cos(2 * np.pi * (np.sqrt(2 / 3) * x + np.sqrt(1 / 3) * z) / 3)
    turns = np.multiply.outer(stack.echo_times_s, wave_hz)
    return replace(stack, phase=np.angle(np.exp(1j * (stack.phase + 2 * np.pi * turns))).astype(np.float32))


RECONSTRUCTED = {"good": (None, lambda stack: stack), "fit": ("fit", moved), "streaks": ("streaks", streaked)}


@pytest.mark.parametrize("row", RECONSTRUCTED)
def test_what_only_a_reconstruction_shows_is_found_and_nothing_else(row: str) -> None:
    check, change = RECONSTRUCTED[row]
    stack = change(three_echoes())
    assert not data_findings(stack, LIMITS).findings
    found = number_findings(reconstruct(stack, Recipe.preset("default")).quality, LIMITS)
    # that the map may be wrong is said as well, in words of its own
    assert {finding.check for finding in found} - {"quality"} == ({check} if check else set())
    assert [finding.severity for finding in found if finding.check == check] == ["withhold"] * bool(check)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("missing_slice", "slice 4 of 8"),
        ("missing_echo", "echo 4 of 4"),
        ("missing_phase", "phase, echoes 1-4"),
    ],
)
def test_what_is_missing_is_found_and_nothing_else(fault: str, words: str, tmp_path: Path) -> None:
    acquisition, headers = arrived(write("philips", tiny(), tmp_path, faults=[fault]))
    whole = assess(acquisition)
    assert (acquisition.held, acquisition.ignored, whole.state) == (None, None, INCOMPLETE)
    assert words in "; ".join(whole.missing)
    assert not header_findings(acquisition, headers, LIMITS)


def test_an_unknown_scaling_is_found_and_nothing_else(tmp_path: Path) -> None:
    acquisition, headers = arrived(write("philips", tiny(), tmp_path, faults=["unknown_phase_scaling"]))
    assert "unrecognised phase scaling" in (acquisition.held or "")
    assert assess(acquisition).state == COMPLETE
    assert not header_findings(acquisition, headers, LIMITS)
