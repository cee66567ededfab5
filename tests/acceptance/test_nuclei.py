"""A route that asks for nuclei: what stands in a real archive is where the head has them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
from pydicom.sr.codedict import codes as dictionary

from qsmnode.phantom.tissues import nucleus_label
from tests.acceptance.conftest import Scan
from tests.acceptance.running import RunningNode
from tests.peers.orthanc import Orthanc

SEG, SR, MR = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("66.4", "88.34", "4"))
LARGE = tuple(f"{name} {side}" for name in ("caudate", "putamen") for side in ("left", "right"))


def test_nuclei_of_a_route_stand_in_the_archive_where_the_head_has_them(
    scan: Scan,
    orthanc: Orthanc,
    run_node: Callable[..., RunningNode],
    storescu: Callable[..., Any],
    dciodvfy: Callable[..., Any],
    tmp_path: Path,
) -> None:
    node = run_node(
        f"{{ae_title: {orthanc.aet}, host: 127.0.0.1, port: {orthanc.dicom_port}}}",
        recipe="default\n    regions: nuclei",
        products="[qsm, report, segmentation, page]",
    )
    assert set(storescu(scan.folder, node.port).statuses.values()) == {0x0000}
    node.until_delivered(4)
    kept = [
        pydicom.dcmread(io.BytesIO(orthanc.request("GET", f"/instances/{identity}/file")))
        for identity in orthanc.instances().values()
    ]
    by_class = {kind: [one for one in kept if one.SOPClassUID == kind] for kind in (SEG, SR, MR)}
    (report,), (segmentation,) = by_class[SR], by_class[SEG]
    slices = sorted(by_class[MR], key=lambda one: float(one.ImagePositionPatient[2]))
    chi = np.stack([one.pixel_array.T for one in slices], axis=-1)  # ppb, (X, Y, Z)

    means = _means(report)
    masks = _masks(segmentation, slices)
    for title in LARGE:
        truth = scan.head.labels == nucleus_label(*title.split())
        mask = masks[title]
        assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.75, title
        assert abs(float(chi[mask].mean()) - means[title]) < 0.5, "stored values are whole ppb"
    # 2 mm voxels are too large for it: a reason, no number, no segment
    told = report.to_json()
    for side in ("left", "right"):
        assert f"subthalamic nucleus {side}" not in masks
        assert f"subthalamic nucleus {side}: " in told
    for number, one in enumerate((report, segmentation)):
        one.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
        verdict = dciodvfy(tmp_path / f"{number}.dcm")
        assert (verdict.errors, verdict.warnings) == ((), ())


def _means(report: pydicom.Dataset) -> dict[str, float]:
    content = highdicom.sr.Comprehensive3DSR.from_dataset(report).content
    found = {}
    for group in content.get_volumetric_roi_measurement_groups():
        for item in group.get_measurements(name=dictionary.DCM.MagneticSusceptibility):
            if item.derivation.value == "373098007":
                found[str(group.tracking_identifier)] = float(item.value)
    return found


def _masks(segmentation: pydicom.Dataset, slices: list[pydicom.Dataset]) -> dict[str, np.ndarray]:
    place = {round(float(one.ImagePositionPatient[2]), 2): z for z, one in enumerate(slices)}
    shape = (segmentation.Columns, segmentation.Rows, len(slices))
    names = {one.SegmentNumber: one.SegmentLabel for one in segmentation.SegmentSequence}
    masks = {name: np.zeros(shape, bool) for name in names.values()}
    frames = zip(segmentation.PerFrameFunctionalGroupsSequence, segmentation.pixel_array, strict=True)
    for groups, pixels in frames:
        name = names[groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber]
        z = place[round(float(groups.PlanePositionSequence[0].ImagePositionPatient[2]), 2)]
        masks[name][:, :, z] = pixels.T != 0
    return masks
