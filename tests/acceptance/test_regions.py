"""A site leaves a segmentation in its folder: report, segmentation and tables agree, in a real archive."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes as dictionary

from qsmnode.cli import main
from qsmnode.phantom.protocol import Protocol
from qsmnode.phantom.siemens import write_classic
from qsmnode.phantom.sphere import Sphere, simulate_sphere
from qsmnode.products import table
from tests.acceptance.running import RunningNode
from tests.peers.orthanc import Orthanc

NAMES = {
    "373098007": "mean_ppb",
    "386136009": "sd_ppb",
    "373099004": "median_ppb",
    "371888009": "p5_ppb",
    "371889001": "p95_ppb",
}
SEG, SR = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.34"


def _drawn_offline(folder: Path) -> tuple[Path, dict[str, dict[str, str]]]:
    """A scan, and a segmentation of it with the rows of its table, as a workstation might have made them."""
    protocol = Protocol(echo_times_s=(0.004, 0.010, 0.016), shape=(24, 25, 22), voxel_mm=(4.0, 4.0, 4.5))
    sphere = simulate_sphere(Sphere(radius_mm=14.0, gel_radius_mm=42.0), protocol)
    write_classic(sphere, folder / "scan")
    x, y, z = np.indices(sphere.mask.shape)
    drawn = np.where((x - 12) ** 2 + (y - 12) ** 2 + (z - 11) ** 2 < 9, 1 + (x < 11), 0).astype(np.uint8)
    drawn[20:23, 12, 11] = 3
    nibabel.save(
        nibabel.Nifti1Image(drawn, np.diag([-1.0, -1, 1, 1]) @ sphere.affine), folder / "rois.nii.gz"
    )
    lookup = [
        {"number": 1, "name": "putamen", "laterality": "left"},
        {"number": 2, "name": "putamen", "laterality": "right"},
        {"number": 3, "name": "lesion"},
    ]
    (folder / "rois.json").write_text(json.dumps(lookup))
    asked = ("reconstruct", folder / "scan", "--recipe", "fast", "--step", "mask=signal")
    asked += ("--roi", folder / "rois.nii.gz", "--out", folder / "maps")
    assert main([str(word) for word in asked]) == 0
    with (folder / "maps/measurements.csv").open(newline="") as stream:
        rows = {row["region"]: row for row in csv.DictReader(stream) if row["kind"] == table.REGION}
    return folder / "maps/segmentation-000001.dcm", rows


def _of_report(report: pydicom.Dataset) -> dict[str, dict[str, str]]:
    content = highdicom.sr.Comprehensive3DSR.from_dataset(report).content
    groups = [*content.get_image_measurement_groups(), *content.get_volumetric_roi_measurement_groups()]
    found = {}
    for group in groups:
        chi = group.get_measurements(name=dictionary.DCM.MagneticSusceptibility)
        (volume,) = group.get_measurements(name=dictionary.SCT.Volume)
        numbers = {NAMES[item.derivation.value]: str(float(item.value)) for item in chi}
        found[str(group.tracking_identifier)] = {"volume_ml": str(float(volume.value)), **numbers}
    return found


def test_a_segmentation_in_the_sites_folder_becomes_the_reports_numbers(
    orthanc: Orthanc,
    run_node: Callable[..., RunningNode],
    storescu: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    segmentation, rows = _drawn_offline(tmp_path)
    rois = tmp_path / "rois"
    rois.mkdir()
    segmentation.rename(rois / "from-the-workstation.dcm")
    node = run_node(
        f"{{ae_title: {orthanc.aet}, host: 127.0.0.1, port: {orthanc.dicom_port}}}",
        recipe=f"{{preset: fast, mask: signal}}\n    regions: {{folder: {rois}, wait_s: 5}}",
        products="[qsm, report, segmentation]",
    )
    assert set(storescu(tmp_path / "scan", node.port).statuses.values()) == {0x0000}
    node.until_delivered(3)
    (item,) = node.jobs()["acquisitions"]
    assert item["jobs"][0]["regions"] == f"folder {rois}"
    regions = item["jobs"][0]["result"]["regions"]
    assert (regions["failure"], regions["measured"]) == ("", len(rows) - 1)

    kept = [
        pydicom.dcmread(io.BytesIO(orthanc.request("GET", f"/instances/{identity}/file")))
        for identity in orthanc.instances().values()
    ]
    (report,) = (one for one in kept if one.SOPClassUID == SR)
    assert _of_report(report) == {
        name: {number: row[number] for number in ("volume_ml", *NAMES.values())} for name, row in rows.items()
    }
    (made,) = (one for one in kept if one.SOPClassUID == SEG)
    numbers = [
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        for frame in made.PerFrameFunctionalGroupsSequence
    ]
    for segment in made.SegmentSequence:
        frames = [index for index, number in enumerate(numbers) if number == segment.SegmentNumber]
        counted = int(np.atleast_3d(made.pixel_array)[frames].sum())
        assert counted == int(rows[segment.SegmentLabel]["voxels"]), segment.SegmentLabel
    assert main(["explain", "-c", str(node.config), str(tmp_path / "scan"), "--calling-ae", "MR1"]) == 0
    assert f"regions of interest: folder {rois}" in capsys.readouterr().out
