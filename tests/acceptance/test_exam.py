"""What scanners really send: whole exams, slice by slice, late, twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom

from qsmnode.phantom.exam import write_exam
from qsmnode.phantom.visit import PATIENT_NAME
from tests.acceptance.conftest import Scan
from tests.acceptance.running import RunningNode, qsmnode
from tests.campaigns.site import check_no_names, check_private


def _results(folder: Path) -> list[str]:
    return sorted(
        str(pydicom.dcmread(path, stop_before_pixels=True).Modality) for path in folder.rglob("*.dcm")
    )


def test_a_whole_exam_in_one_association_gives_one_result_and_no_refusal(
    scan: Scan,
    run_node: Callable[..., RunningNode],
    dcmsend: Callable[..., list[int]],
    tmp_path: Path,
) -> None:
    exam = tmp_path / "exam"
    others = write_exam(scan.head, exam)
    node = run_node("{folder: ./out}", assembly="settling_s: 1, deadline_s: 8")
    statuses = dcmsend([*others, *scan.files], node.port, tmp_path / "sent.txt")
    assert statuses == [0x0000] * (len(others) + len(scan.files))
    node.until_delivered()
    listed = node.until_decided()
    states = sorted(item["state"] for item in listed)
    assert states.count("queued") == 1
    assert set(states) <= {"queued", "ignored", "unmatched"}
    assert all(item["reason"] for item in listed if item["state"] != "queued")
    slices = scan.head.stack.grid.shape[2]
    assert _results(node.config.parent / "out") == ["MR"] * slices + ["SR"]
    assert node.stop() == 0
    check_private(node.store)
    check_no_names(node.log, PATIENT_NAME)
    told = "".join(path.read_text() for path in (node.store / "audit").glob("*.log"))
    for event in ("Application Start", "DICOM Instances Transferred", "Export", "Application Stop"):
        assert f'originalText="{event}"' in told


def _slice_by_slice(files: tuple[Path, ...]) -> list[list[Path]]:
    """All echoes and kinds of one slice, then the next slice."""
    heaps: dict[float, list[Path]] = {}
    for path in files:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        heaps.setdefault(float(header.ImagePositionPatient[2]), []).append(path)
    return [heaps[position] for position in sorted(heaps)]


def test_slice_by_slice_with_a_long_pause_starts_no_job_before_all_is_there(
    scan: Scan, run_node: Callable[..., RunningNode], storescu: Callable[..., Any]
) -> None:
    slices = _slice_by_slice(scan.files)
    node = run_node("{folder: ./out}", assembly="settling_s: 0.5, deadline_s: 2")
    storescu([*slices[0], *slices[1]], node.port)
    time.sleep(4)  # longer than any timer
    (acquisition,) = node.jobs()["acquisitions"]
    assert acquisition["jobs"] == []
    assert acquisition["state"] == "rejected"
    assert f"of {len(slices)}" in acquisition["reason"]
    storescu([path for heap in slices[2:] for path in heap], node.port)
    node.until_delivered()
    (acquisition,) = node.jobs()["acquisitions"]
    assert acquisition["state"] == "queued"
    assert acquisition["revision"] == 1


def test_the_same_study_again_is_nothing_new(
    scan: Scan, run_node: Callable[..., RunningNode], storescu: Callable[..., Any]
) -> None:
    node = run_node("{folder: ./out}")
    storescu(scan.folder, node.port)
    node.until_delivered()
    before = node.jobs()
    again = storescu(scan.folder, node.port)
    assert set(again.statuses.values()) == {0x0000}
    time.sleep(2)
    assert node.jobs() == before


def test_a_missing_slice_is_named_and_completes_the_acquisition_when_it_comes(
    scan: Scan, run_node: Callable[..., RunningNode], storescu: Callable[..., Any]
) -> None:
    def is_the_one(path: Path) -> bool:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        at = header.ImagePositionPatient[2] == positions[11]
        return bool(at and header.ImageType[2] == "P" and float(header.EchoTime) == 20.0)

    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in scan.files]
    positions = sorted({header.ImagePositionPatient[2] for header in headers})
    (late,) = [path for path in scan.files if is_the_one(path)]
    rest = [path for path in scan.files if path != late]
    node = run_node("{folder: ./out}", assembly="settling_s: 0.5, deadline_s: 600")
    storescu(rest, node.port)
    expected = f"phase, echo 3, slice 12 of {len(positions)}"
    node.until(lambda: _missing(node) == [expected], 60, expected)
    explained = qsmnode("explain", "-c", node.config, *rest)
    assert expected in explained.stdout
    storescu([late], node.port)
    node.until_delivered()


def _missing(node: RunningNode) -> list[str]:
    acquisitions = node.jobs()["acquisitions"]
    return acquisitions[0]["missing"] if acquisitions else []
