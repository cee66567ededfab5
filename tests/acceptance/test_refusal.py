"""A scan that cannot become a map, on a route that reports: the archive gets the reasons, once, no number."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom

from tests.acceptance.conftest import Scan
from tests.acceptance.running import RunningNode
from tests.peers.orthanc import Orthanc

REPORT, CAPTURE = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.7"


def test_the_archive_gets_a_valid_report_and_page_of_what_is_missing(
    scan: Scan, orthanc: Orthanc, tmp_path: Path, storescu: Callable[..., Any], dciodvfy: Callable[..., Any]
) -> None:
    archive = f"{{ae_title: {orthanc.aet}, host: 127.0.0.1, port: {orthanc.dicom_port}}}"
    node = RunningNode(tmp_path / "node", archive, assembly="settling_s: 0.5, deadline_s: 3")
    node.config.write_text(node.config.read_text() + "    on_reject: report\n")
    some = scan.files[: len(scan.files) // 2 + 3]  # all of the magnitude, next to nothing of the phase
    try:
        node.start()
        storescu(some, node.port)
        node.until_delivered()
        storescu(some, node.port)  # the same again is nothing new
        (acquisition,) = node.until_decided()
    finally:
        node.stop()
    assert acquisition["state"] == "rejected"
    assert [(job["task"], job["state"]) for job in acquisition["jobs"]] == [("refusal", "succeeded")]
    objects = [pydicom.dcmread(io.BytesIO(orthanc.file(uid))) for uid in orthanc.instances()]
    assert sorted(item.SOPClassUID for item in objects) == [CAPTURE, REPORT]
    source = pydicom.dcmread(some[0], stop_before_pixels=True)
    for item in objects:
        assert (item.StudyInstanceUID, item.PatientID) == (source.StudyInstanceUID, source.PatientID)
        path = tmp_path / f"{item.SOPInstanceUID}.dcm"
        item.save_as(path)
        assert dciodvfy(path).clean
    report = next(item for item in objects if item.SOPClassUID == REPORT).to_json()
    assert "QA-101" in report
    assert "phase, echo 1, slices 4-" in report
    assert '"NUM"' not in report
    assert "ppb" not in report
