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
from qsmnode.phantom.protocol import Protocol
from qsmnode.phantom.siemens import write_classic
from qsmnode.phantom.sphere import Sphere, simulate_sphere

GEL = Recipe.from_mapping({"preset": "fast", "mask": "signal"})
HANGS = "print('begun', flush=True)\ntime.sleep(600)"
Run = Callable[[Any], tuple[job_folder.Result, Path]]


@pytest.fixture
def inputs(tmp_path: Path) -> list[tuple[Path, str]]:
    protocol = Protocol(echo_times_s=(0.004, 0.010, 0.016), shape=(24, 25, 22), voxel_mm=(4.0, 4.0, 4.5))
    sphere = simulate_sphere(Sphere(radius_mm=14.0, gel_radius_mm=42.0), protocol)
    files = write_classic(sphere, tmp_path / "scan")
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
            recipe=GEL.as_mapping(),
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


def test_one_that_hangs_leaves_a_report_with_the_reason(run: Run, tmp_path: Path) -> None:
    result, place = run({"program": [_program(tmp_path, HANGS)], "timeout_s": 1})
    words = "RG-115: it ran longer than timeout_s = 1 s and was ended"
    assert _of_regions(result) == {"measured": 0, "without_numbers": 0, "failure": words, "output": ["begun"]}
    assert "regions: begun" in (place / "stderr.log").read_text()
    report = str(pydicom.dcmread(place / "output" / "report-000001.dcm"))
    assert "RG-115" in report
    assert [product.kind for product in result.products] == ["qsm", "report", "segmentation"]
