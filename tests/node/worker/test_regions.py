"""The computation's own process with regions in its order: a job never fails for want of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pydicom
import pytest

from qsmnode.dicom.instance import read_instance
from qsmnode.engine import Recipe
from qsmnode.node.worker import folder as job_folder
from qsmnode.node.worker.process import Attempt
from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.siemens import write_classic

Run = Callable[[Any], tuple[job_folder.Result, Path]]
COPY = """
import shutil
place = sys.argv[-1]
shutil.copy("mask.nii.gz", "labels.nii.gz")
open("labels.tsv", "w").write("number\\tname\\n1\\tthalamus\\n")
print("drawn")
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, str]]:
    head = simulate(HeadShape(2), quick_protocol(6.0, echo_times_s=(0.005, 0.015, 0.025)))
    files = write_classic(head, tmp_path_factory.mktemp("scan"))
    return [(path, read_instance(path).to_json()) for path in files]


@pytest.fixture
def run(inputs: list[tuple[Path, str]], tmp_path: Path) -> Run:
    """run(regions) -> result and output folder of a job with these regions."""

    def attempt(regions: Any) -> tuple[job_folder.Result, Path]:
        place = tmp_path / "job"
        order = job_folder.Order(
            job_id=1,
            attempt=1,
            revision=1,
            replaces={},
            recipe=Recipe.preset("fast").as_mapping(),
            products=("qsm", "report", "segmentation"),
            created_at=1.75e9,
            node="QSMNODE",
            threads=1,
            memory_mb=None,
            regions=regions,
            iron=True,
        )
        job_folder.materialise(place, order, inputs)
        with Attempt(place) as running:
            assert running.wait(300)
            assert running.returncode == 0, (place / "stderr.log").read_text()
        result = job_folder.read_result(place)
        assert result is not None
        assert not (place / job_folder.REGIONS).exists()
        return result, place

    return attempt


def _program(folder: Path, body: str) -> str:
    path = folder / "segmenter"
    path.write_text(f"#!{sys.executable} -S\nimport sys, time\n{body}")
    path.chmod(0o700)
    return str(path)


def _of_regions(result: job_folder.Result) -> Mapping[str, Any]:
    found: Mapping[str, Any] = result.facts["regions"]
    return found


def test_a_programs_regions_are_in_report_and_segmentation(run: Run, tmp_path: Path) -> None:
    result, place = run({"program": [_program(tmp_path, COPY)], "timeout_s": 60})
    assert _of_regions(result) == {"measured": 1, "without_numbers": 0, "failure": "", "output": ["drawn"]}
    assert "regions: drawn" in (place / "stderr.log").read_text()
    made = pydicom.dcmread(place / "output" / "segmentation-000001.dcm")
    assert [one.SegmentLabel for one in made.SegmentSequence] == ["whole brain", "thalamus"]
    report = pydicom.dcmread(place / "output" / "report-000001.dcm").to_json()
    assert "thalamus" in report
    assert "IR-10" in report, "iron is asked for, too"


def test_one_that_hangs_leaves_a_report_with_the_reason(run: Run, tmp_path: Path) -> None:
    result, place = run({"program": [_program(tmp_path, "time.sleep(600)")], "timeout_s": 1})
    words = "RG-115: it ran longer than timeout_s = 1 s and was ended"
    assert _of_regions(result) == {"measured": 0, "without_numbers": 0, "failure": words, "output": []}
    report = str(pydicom.dcmread(place / "output" / "report-000001.dcm"))
    assert "RG-115" in report
    assert [product.kind for product in result.products] == ["qsm", "report", "segmentation"]
