"""A full exam of every vendor: one acquisition to reconstruct, and nothing else that a route would take."""

from __future__ import annotations

from pathlib import Path

import pytest

from qsmnode.config import load_text
from qsmnode.dicom.completeness import COMPLETE, UNDECLARED, assess
from qsmnode.node.facts import routing_facts
from qsmnode.node.router import Outcome, decide
from qsmnode.phantom.exam import write_exam
from qsmnode.phantom.head import HeadShape, SimulatedHead, simulate
from qsmnode.phantom.protocol import Protocol
from qsmnode.phantom.vendors import VENDORS, write
from tests.phantom.reading import Arrived

SETTINGS = """\
node: {ae_title: QSMNODE}
peers:
  mr1: {ae_title: MR1, host: 192.0.2.1}
  out: {folder: ./out}
routes:
  - name: brain
    match: {acquisition: {echoes: {min: 3}, kinds: [magnitude, phase], dimensions: 3}}
    recipe: default
    products: [qsm, report]
    send_to: [out]
"""


@pytest.fixture(scope="module")
def head() -> SimulatedHead:
    protocol = Protocol((0.005, 0.012, 0.019), shape=(24, 28, 8), voxel_mm=(8.0, 8.0, 10.0), snr=0)
    return simulate(HeadShape(3), protocol)


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_exam_gives_one_acquisition_to_reconstruct(
    vendor: str, head: SimulatedHead, tmp_path: Path
) -> None:
    files = [
        *write_exam(head, tmp_path / "exam", vendor=vendor),
        *write(vendor, head, tmp_path / "gre"),
    ]
    arrived = Arrived.of(files)
    assert len(arrived.headers) == len(set(files)) == len(files)
    assert len({header.study_uid for header in arrived.headers.values()}) == 1
    assert {one.manufacturer for one in arrived.headers.values()} == {VENDORS[vendor].maker.manufacturer}
    grouping = arrived.grouping
    routes = load_text(SETTINGS, file="exam", base_folder=tmp_path, environ={}).routes
    taken = []
    for acquisition in grouping.acquisitions:
        keywords = [arrived.headers[uid].keywords for uid in acquisition.sop_instance_uids]
        decision = decide(routing_facts(acquisition, keywords, None, final=True), routes)
        assert decision.outcome is not Outcome.CANNOT_TELL
        if acquisition.ignored is None and decision.outcome is Outcome.MATCH:
            taken.append(acquisition)
    (one,) = taken
    assert one.held is None
    assert len(one.echo_times_s) == 3
    assert assess(one).state in (COMPLETE, UNDECLARED)
    reasons = [one.ignored for one in grouping.acquisitions if one.ignored] + [r for _, r in grouping.ignored]
    assert sum("localiser" in reason for reason in reasons) >= 1
    assert sum("no MR image" in reason for reason in reasons) == 3  # PDF, screen shot, private object


@pytest.mark.parametrize(
    ("vendor", "words"),
    [("siemens", "phase difference"), ("siemens-xa", "phase difference"), ("philips", "field map"),
     ("philips-enhanced", "field map"), ("ge", "field map")],
)  # fmt: skip
def test_field_maps_are_recognised(vendor: str, words: str, head: SimulatedHead, tmp_path: Path) -> None:
    grouping = Arrived.of(write_exam(head, tmp_path, vendor=vendor)).grouping
    reasons = [one.ignored for one in grouping.acquisitions if one.ignored] + [r for _, r in grouping.ignored]
    assert any(words in reason for reason in reasons)
