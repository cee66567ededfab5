"""Faults of a simulated scanner, read from its files: each is found by the check that is meant for it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from qsmnode.config import AcceptanceSettings
from qsmnode.dicom.acceptance import data_findings, header_findings
from qsmnode.dicom.acquisition import group
from qsmnode.dicom.instance import read_instance
from qsmnode.dicom.source import load
from qsmnode.phantom.head import HeadShape, SimulatedHead, simulate
from qsmnode.phantom.protocol import quick_protocol
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
