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
from pydicom.sr.codedict import codes as dictionary

from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.siemens import write_classic
from qsmnode.products import table
from tests.acceptance.running import RunningNode, qsmnode
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
    head = simulate(HeadShape(2), quick_protocol(5.0, echo_times_s=(0.005, 0.015, 0.025)))
    write_classic(head, folder / "scan")
    kept = {
        label: name for label, name in head.label_names.items() if "pallidus" in name or "putamen" in name
    }
    drawn = np.where(np.isin(head.labels, list(kept)), head.labels, 0).astype(np.uint8)
    to_ras = np.diag([-1.0, -1, 1, 1])
    nibabel.save(nibabel.Nifti1Image(drawn, to_ras @ head.geometry.affine), folder / "rois.nii.gz")
    named = {label: name.rsplit(" ", 1) for label, name in kept.items()}
    lookup = [{"number": label, "name": words[0], "laterality": words[1]} for label, words in named.items()]
    (folder / "rois.json").write_text(json.dumps(lookup))
    done = qsmnode(
        *("reconstruct", folder / "scan", "--recipe", "fast"),
        *("--roi", folder / "rois.nii.gz", "--out", folder / "maps"),
    )
    assert done.returncode == 0, done.stderr
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
    tmp_path: Path,
) -> None:
    segmentation, rows = _drawn_offline(tmp_path)
    rois = tmp_path / "rois"
    rois.mkdir()
    segmentation.rename(rois / "from-the-workstation.dcm")
    node = run_node(
        f"{{ae_title: {orthanc.aet}, host: 127.0.0.1, port: {orthanc.dicom_port}}}",
        recipe=f"fast\n    regions: {{folder: {rois}, wait_s: 5}}",
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
    explained = qsmnode("explain", "-c", node.config, tmp_path / "scan", "--calling-ae", "MR1")
    assert f"regions of interest: folder {rois}" in explained.stdout
