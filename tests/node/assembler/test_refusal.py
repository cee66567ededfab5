"""Routes that ask for it tell their receivers why there is no map: from the verdict to the stored objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import Dataset

from qsmnode.config import Config
from qsmnode.node.worker import Worker

REPORT, CAPTURE = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.7"


def route(on_reject: str = "report", **more: Any) -> dict[str, Any]:
    match = {"acquisition": {"echoes": {"min": 2}, "kinds": ["magnitude", "phase"]}}
    return {"name": "brain", "match": match, "send_to": ["out"], "on_reject": on_reject, **more}


@pytest.fixture
def working() -> Iterator[Callable[[Any], None]]:
    """Starts a worker on a bench's store."""
    with ExitStack() as stack:

        def start(here: Any) -> None:
            config = Config.model_validate(
                {
                    "node": {"store": str(here.store.root)},
                    "peers": {"out": {"folder": str(here.store.root.parent / "out")}},
                    "routes": [],
                    "jobs": {"threads": 1},
                }
            )
            worker = Worker(config, here.store)
            worker.start()
            stack.callback(worker.stop, 20)

        yield start


def weak(dataset: Dataset) -> None:
    dataset.MagneticFieldStrength, dataset.ImagingFrequency = "0.35", "14.9"


def changed(study: Any, change: Callable[[Dataset], None]) -> list[Path]:
    return [
        study.file(kind, echo, z, change) for kind in "MP" for echo in range(2) for z in range(study.slices)
    ]


def refusals(here: Any) -> list[Any]:
    return [job for job in here.jobs() if job.task == "refusal"]


def stored(here: Any, job: Any) -> dict[str, Dataset]:
    """The objects of a job as they would be sent, by SOP class."""
    deliveries = here.store.deliveries
    objects = [
        item for product in deliveries.products_of(job.id) for item in deliveries.objects_of(product.id)
    ]
    return {item.sop_class_uid: pydicom.dcmread(here.store.path(item.path)) for item in objects}


def test_an_incomplete_scan_is_refused_at_its_deadline_with_the_code_and_what_is_missing(
    bench: Any, make_study: Any, working: Callable[[Any], None]
) -> None:
    files = make_study().files()
    here = bench(assembly={"settling_s": 0.1, "deadline_s": 1}, routes=[route()])
    here.hand_in_all(files[:-1])
    here.until(lambda: refusals(here), "a refusal")
    (row,) = here.rows()
    assert row.state == "rejected"
    working(here)
    here.until(lambda: refusals(here)[0].state in ("succeeded", "failed"), "its end")
    (job,) = here.jobs()
    assert job.state == "succeeded", job.reason
    made = stored(here, job)
    assert set(made) == {REPORT, CAPTURE}
    words = made[REPORT].to_json()
    assert "QA-101" in words
    assert "phase, echo 2, slice 3 of 3" in words
    for item in made.values():
        assert item.StudyInstanceUID == pydicom.dcmread(files[0]).StudyInstanceUID
        assert str(item.PatientID) == "T1"
    assert [(one.kind, one.peer, one.state) for one in here.store.deliveries.of_job(job.id)] == [
        ("refusal-report", "out", "pending"),
        ("refusal-page", "out", "pending"),
    ]


def test_a_header_that_forbids_a_map_is_refused_before_any_job(bench: Any, make_study: Any) -> None:
    here = bench(routes=[route()])
    here.hand_in_all(changed(make_study(), weak))
    here.until(lambda: refusals(here), "a refusal")
    (row,) = here.rows()
    assert (row.state, row.route) == ("rejected", "brain")
    assert "B0 axis" in row.reason
    (job,) = here.jobs()
    assert [finding["check"] for finding in job.order["findings"]] == ["b0_axis"]


def filtered(dataset: Dataset) -> None:
    if dataset.ImageType[3] == "P":
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FILTERED"]


def lossy(dataset: Dataset) -> None:
    if dataset.ImageType[3] == "P" and dataset.EchoTime > 7:
        dataset.LossyImageCompression = "01"


def uneven(dataset: Dataset) -> None:
    z = float(dataset.ImagePositionPatient[2])
    dataset.ImagePositionPatient = [0, 0, z + (1 if z > 3 else 0)]


def unscaled(dataset: Dataset) -> None:
    if dataset.ImageType[3] == "P":
        dataset.RescaleType, dataset.RescaleSlope = "mrad", "0.1"


LONG = {"settling_s": 0.3, "deadline_s": 3600}


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        (filtered, "filtered_phase", "switch its phase filter off"),
        (lossy, "other", "compressed with loss"),
        (uneven, "slices", "steps of 2.000 to 3.000 mm"),
        (unscaled, "phase_scaling", "less than one turn"),
    ],
)
def test_what_no_later_image_can_cure_is_refused_without_waiting_for_the_deadline(
    bench: Any, make_study: Any, change: Callable[[Dataset], None], check: str, words: str
) -> None:
    here = bench(assembly=LONG, routes=[route()])
    here.hand_in_all(changed(make_study(), change))
    here.until(lambda: refusals(here), "a refusal")
    (row,) = here.rows()
    assert (row.state, row.route) == ("rejected", "brain")
    assert words in row.reason
    (job,) = here.jobs()
    assert [finding["check"] for finding in job.order["findings"]] == [check]


def test_two_images_of_one_place_are_refused_when_nobody_sends_more(bench: Any, make_study: Any) -> None:
    def twin(dataset: Dataset) -> None:
        dataset.SOPInstanceUID = f"{dataset.SOPInstanceUID[:-3]}777"

    study = make_study()
    here = bench(assembly={"settling_s": 1, "deadline_s": 3600}, routes=[route()])
    for path in [*study.files(), study.file("P", 0, 1, twin)]:
        assert here.hand_in(path).stored
    here.until(lambda: [row.state for row in here.rows()] == ["held"], "a held acquisition")
    here.end_all()
    here.until(lambda: refusals(here), "a refusal")
    (row,) = here.rows()
    assert "more than one image" in row.reason
    assert [job.task for job in here.jobs() if job.state != "cancelled"] == ["refusal"]


def test_good_phase_beside_filtered_phase_is_used(bench: Any, make_study: Any) -> None:
    def beside(dataset: Dataset) -> None:
        filtered(dataset)
        dataset.SOPInstanceUID = f"{dataset.SOPInstanceUID[:-3]}888"

    study = make_study()
    here = bench(assembly=LONG, routes=[route()])
    here.hand_in_all([study.file("P", echo, z, beside) for echo in range(2) for z in range(3)], "filtered")
    here.hand_in_all(study.files())
    here.until(here.jobs, "a job")
    (job,) = here.jobs()
    assert job.task == "qsm"
    assert len(here.store.instances.of_acquisition(job.acquisition_id)) == 12


def test_the_limits_of_the_route_decide(bench: Any, make_study: Any) -> None:
    here = bench(routes=[route(acceptance={"min_horizontal_field_t": 0.3})])
    here.hand_in_all(changed(make_study(), weak))
    here.until(here.jobs, "a job")
    (job,) = here.jobs()
    assert job.task == "qsm"
    assert job.order["acceptance"]["min_horizontal_field_t"] == 0.3


def test_a_route_that_does_not_ask_keeps_the_reason_to_the_ledger(bench: Any, make_study: Any) -> None:
    here = bench(routes=[route("ledger")])
    here.hand_in_all(changed(make_study(), weak))
    here.until(lambda: [row.state for row in here.rows()] == ["rejected"], "the rejection")
    assert here.jobs() == []


def test_looking_again_refuses_nothing_twice_and_the_missing_image_withdraws_it(
    bench: Any, make_study: Any
) -> None:
    study = make_study()
    files = study.files()
    here = bench(assembly={"settling_s": 0.1, "deadline_s": 1}, routes=[route()])
    here.hand_in_all(files[:-1])
    here.until(lambda: refusals(here), "a refusal")
    here.hand_in_all(files[:-1], "again")
    here.hand_in_all(files[-1:], "late")
    here.until(lambda: len(here.jobs()) == 2, "the job of the whole scan")
    assert [(job.task, job.state) for job in here.jobs()] == [("refusal", "cancelled"), ("qsm", "queued")]
    assert [row.state for row in here.rows()] == ["queued"]


def test_what_the_job_finds_not_eligible_is_refused_too_and_again_gives_the_same_objects(
    bench: Any, make_study: Any, working: Callable[[Any], None]
) -> None:
    """A magnitude without signal shows only when its pixels are read."""

    def dark(dataset: Dataset) -> None:
        if dataset.ImageType[3] == "M":
            dataset.PixelData = bytes(len(dataset.PixelData))

    here = bench(routes=[route()])
    here.hand_in_all(changed(make_study(), dark))
    here.until(here.jobs, "a job")
    working(here)
    here.until(lambda: [job.state for job in refusals(here)] == ["succeeded"], "a refusal")
    first, refusal = here.jobs()
    assert (first.task, first.state) == ("qsm", "failed")
    assert "QA-108" in stored(here, refusal)[REPORT].to_json()
    here.store.jobs.retry(first.id)
    here.until(lambda: here.store.jobs.get(first.id).attempt == 2, "another attempt")
    here.until(lambda: here.store.jobs.get(first.id).state == "failed", "its end")
    assert len(here.jobs()) == 2
    assert len(here.store.deliveries.of_job(refusal.id)) == 2
