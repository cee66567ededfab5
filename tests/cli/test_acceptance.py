"""From files to the reason: a scan whose phase the scanner filtered, and one with two echoes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import scipy.ndimage

from qsmnode.cli import main
from qsmnode.phantom.head import HeadShape, SimulatedHead, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.siemens import write_classic

SITE = """\
node: {{store: {store}}}
peers:
  mr1: {{ae_title: MR1, host: 127.0.0.1}}
  out: {{folder: {out}}}
routes:
  - name: brain
    match: {{calling_ae: [MR1]}}
    send_to: [out]
    acceptance: {{max_in_plane_mm: 6, severity: {{echoes: reject}}}}
"""


def head(echo_times_s: tuple[float, ...]) -> SimulatedHead:
    return simulate(HeadShape(2), quick_protocol(5.0, echo_times_s=echo_times_s))


def filtered(head: SimulatedHead) -> SimulatedHead:
    values = head.stack.magnitude * np.exp(1j * head.stack.phase)
    widths = [0.0, *(8.0 / edge for edge in head.stack.grid.voxel_mm)]
    smooth = scipy.ndimage.gaussian_filter(values.real, widths) + 1j * scipy.ndimage.gaussian_filter(
        values.imag, widths
    )
    phase = np.angle(values * np.conj(smooth)).astype(np.float32)
    return replace(head, stack=replace(head.stack, phase=phase))


def codes(path: Path) -> set[str]:
    found: set[str] = set()

    def walk(item: pydicom.Dataset) -> None:
        for each in item.get("ContentSequence", ()):
            if each.ValueType == "CODE":
                found.add(str(each.ConceptCodeSequence[0].CodeValue))
            walk(each)

    walk(pydicom.dcmread(path))
    return found


def test_filtered_phase_becomes_no_map_unless_somebody_insists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan, out = tmp_path / "scan", tmp_path / "maps"
    write_classic(filtered(head((0.005, 0.015, 0.025))), scan)
    asked = ["reconstruct", str(scan), "--out", str(out), "--recipe", "fast"]
    assert main(asked) == 3
    assert "phase filtered by the scanner" in capsys.readouterr().err
    assert not list(out.rglob("*.dcm"))
    assert main([*asked, "--accept", "filtered_phase"]) == 0
    (report,) = out.glob("report-*.dcm")
    assert {"QA-109", "QA-206"} <= codes(report)


def test_explain_says_what_the_limits_of_the_route_make_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan, site = tmp_path / "scan", tmp_path / "site.yaml"
    site.write_text(SITE.format(store=tmp_path / "store", out=tmp_path / "out"))
    write_classic(head((0.005, 0.025)), scan)
    assert main(["explain", "-c", str(site), "--calling-ae", "MR1", str(scan)]) == 0
    said = capsys.readouterr().out
    assert "reject: two echoes (expected at least 3)" in said
    assert "cannot be reconstructed: two echoes" in said
    assert "in plane" not in said
    assert main(["explain", "-c", str(site), "--calling-ae", "OTHER", str(scan)]) == 0
    said = capsys.readouterr().out
    assert "degraded: two echoes (expected at least 3)" in said
    assert "warn: voxels of 5.00 mm in plane (expected at most 1.2 mm)" in said
    assert "cannot be reconstructed" not in said
