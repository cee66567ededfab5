"""What other people's tools say of the products."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsmnode.dicom.acquisition import group
from qsmnode.dicom.instance import read_instance
from qsmnode.dicom.source import load
from qsmnode.engine.types import Maps
from qsmnode.products import qsm_enhanced, qsm_series, report_sr
from qsmnode.products.context import ProductContext
from qsmnode.products.revision import Replaced
from qsmnode.products.storage import write

Make = Callable[..., ProductContext]

TYPE_2 = (
    "PatientBirthDate",
    "PatientSex",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PositionReferenceIndicator",
    "ScanOptions",
    "EchoTrainLength",
    "RepetitionTime",
    "SpecificCharacterSet",
)
# dcentvfy's own tables count this attribute to the series in the one IOD and to the study in the other; its
# values are equal, or it would say that they differ
SAME_VALUE_ELSEWHERE = "Warning - Different information entities for attribute - "
# the source has no such value; none is invented for a directory on a disc
EMPTY_IN_SOURCE = "Missing attribute or value that would be needed to build DICOMDIR"
REPLACED = {
    "qsm": Replaced("2.25.31", "1.2.840.10008.5.1.4.1.1.4", "2.25.32"),
    "report": Replaced("2.25.33", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.34"),
}
VARIANTS: dict[str, dict[str, Any]] = {
    "classic": {},
    "enhanced": {"enhanced": True},
    "bare header": {**dict.fromkeys(TYPE_2), "PatientName": "Nobody^Ann", "Manufacturer": None},
    "UTF-8": {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "\u0141uk\u00e1\u0161^\u5c71"},
    "revision": {"context": {"revision": 2, "replaces": REPLACED}, "enhanced": True},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_dciodvfy_and_dcentvfy_have_nothing_to_say(
    context: Make, tmp_path: Path, dciodvfy: Any, dcentvfy: Any, variant: str
) -> None:
    made = context(**VARIANTS[variant])
    images = write(qsm_series.SERIES.build(made), tmp_path, "qsm")
    report = write(report_sr.build(made), tmp_path, "report")
    for path, iod in ((images[0], "MRImage"), (images[-1], "MRImage"), (report[0], "Comprehensive3DSR")):
        verdict = dciodvfy(path)
        assert verdict.iod == iod
        warnings = [
            line for line in verdict.warnings if EMPTY_IN_SOURCE not in line or variant != "bare header"
        ]
        assert (verdict.errors, warnings) == ((), [])
    study = dcentvfy([*images, *report])
    unreviewed = [line for line in study.warnings if not line.startswith(SAME_VALUE_ELSEWHERE)]
    assert (study.errors, unreviewed) == ((), [])


def test_dcm2niix_sees_the_sources_geometry(context: Make, tmp_path: Path, dcm2niix: Any) -> None:
    made = context()
    write(qsm_series.SERIES.build(made), tmp_path, "qsm")
    (converted,) = dcm2niix(tmp_path)
    chi = made.maps.susceptibility
    to_array = np.linalg.inv(np.diag([-1.0, -1, 1, 1]) @ made.source.affine) @ converted.image.affine
    data = np.asanyarray(converted.image.dataobj)
    for index in ((1, 1, 1), (8, 3, 5), (3, 7, 2)):
        x, y, z = (round(float(v)) for v in (to_array @ [*index, 1])[:3])
        assert to_array @ [*index, 1] == pytest.approx([x, y, z, 1], abs=1e-3)
        assert data[index] == round(float(chi[x, y, z]) * 1000)


def test_a_real_enhanced_object_keeps_its_geometry(
    context: Make, tmp_path: Path, corpus: Path, dciodvfy: Any, dcm2niix: Any
) -> None:
    folder = corpus / "philips-enhanced-head-2echo"
    paths = {}
    for path in sorted(folder.glob("*.dcm")):
        header = read_instance(path)
        paths[header.sop_instance_uid] = (path, header)
    (acquisition,) = group([header for _, header in paths.values()]).acquisitions
    source = load(acquisition, {uid: path for uid, (path, _) in paths.items()})
    x, y, z = np.indices(source.stack.grid.shape)
    chi = (0.001 * x + 0.0003 * y - 0.002 * z).astype(np.float32)
    maps = Maps(chi, chi > -9, chi, chi, chi, source.stack.grid, reference="none")
    made = context(context={"source": source, "maps": maps})
    images = write(qsm_series.SERIES.build(made), tmp_path / "qsm", "qsm")
    report = write(report_sr.build(made), tmp_path / "report", "report")
    whole = write(qsm_enhanced.build(made), tmp_path / "enhanced", "map")
    for path in (images[0], images[-1], report[0], whole[0]):
        verdict = dciodvfy(path)
        assert (verdict.errors, verdict.warnings) == ((), ())
    (converted,) = dcm2niix(tmp_path / "qsm")
    for original in dcm2niix(folder):
        np.testing.assert_allclose(original.image.affine, converted.image.affine, atol=1e-4)
    to_array = np.linalg.inv(np.diag([-1.0, -1, 1, 1]) @ source.affine) @ converted.image.affine
    for index in ((1, 2, 3), (70, 30, 50)):
        there = tuple(round(float(v)) for v in (to_array @ [*index, 1])[:3])
        assert np.asanyarray(converted.image.dataobj)[index] == round(float(chi[there]) * 1000)
