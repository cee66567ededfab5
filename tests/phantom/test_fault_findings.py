"""What the simulated scanner has done to a head's phase is found by the check for it, and by no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from qsmnode.config import AcceptanceSettings
from qsmnode.dicom.acceptance.data import data_findings
from qsmnode.phantom.head import HeadShape, SimulatedHead, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.vendors import write
from tests.phantom.reading import Arrived


@pytest.fixture(scope="module")
def head() -> SimulatedHead:
    return simulate(HeadShape(7), quick_protocol(4.0, echo_times_s=(0.006, 0.014, 0.022)))


@pytest.mark.parametrize(
    ("faults", "check"),
    [
        ((), None),
        (("homodyne",), "filtered_phase"),
        (("low_snr",), "snr"),
        (("unwrapped",), "unwrapped_phase"),
    ],
)
def test_each_finds_its_own(
    faults: tuple[str, ...], check: str | None, head: SimulatedHead, tmp_path: Path
) -> None:
    source = Arrived.of(write("siemens-xa", head, tmp_path, faults=faults)).source
    limits = AcceptanceSettings()
    looked = data_findings(source.stack, limits, phase_is_unwrapped=source.phase_is_unwrapped)
    assert [finding.check for finding in looked.findings] == ([] if check is None else [check])
