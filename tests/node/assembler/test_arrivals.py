"""Late, again, and other than before: images that come when the scan was thought to be over."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import RLELossless

from qsmnode.cli import main
from qsmnode.dicom.identity import derive_uid
from qsmnode.node.listing import listing
from tests.dicom.recoding import recoded

QUICK = {"settling_s": 0.2, "deadline_s": 600}


def _content(bench: Any) -> list[str]:
    return [row.content for row in bench.rows()]


def test_a_declared_scan_is_queued_once_the_last_image_is_here(bench: Any, make_study: Any) -> None:
    files, here = make_study().files(), bench()
    for path in files[:-1]:
        assert here.hand_in(path).stored
    missing = ("phase, echo 2, slice 3 of 3",)
    here.until(lambda: [row.missing for row in here.rows()] == [missing], "what is missing")
    assert here.jobs() == []
    here.hand_in_all(files[-1:])
    here.until(here.jobs, "a job")
    (row,) = here.rows()
    assert (row.state, row.revision) == ("queued", 1)


def test_a_late_image_joins_before_the_job_starts(bench: Any, make_study: Any) -> None:
    """Nothing declares a count: four slices were taken for all, the fifth comes while the job still waits."""
    study = make_study(5, declared=False)
    files, here = study.files(), bench(assembly=QUICK)
    late = [path for path in files if path.name.endswith("-04.dcm")]
    here.hand_in_all([path for path in files if path not in late])
    here.until(here.jobs, "a job")
    before = _content(here)
    here.hand_in_all(late)
    here.until(lambda: _content(here) != before and here.jobs()[0].state == "queued", "the longer scan")
    (row,) = here.rows()
    (job,) = here.jobs()
    assert (row.state, row.revision, len(here.store.instances.of_acquisition(row.id))) == ("queued", 1, 20)
    assert job.attempt == 0


def test_a_late_image_after_delivery_makes_a_revision_and_leaves_what_was_sent(
    bench: Any, make_study: Any
) -> None:
    study = make_study(5, declared=False)
    files, here = study.files(), bench(assembly=QUICK)
    late = [path for path in files if path.name.endswith("-04.dcm")]
    here.hand_in_all([path for path in files if path not in late])
    first = here.run_job()
    here.hand_in_all(late)
    here.until(lambda: len(here.jobs()) == 2, "a second job")
    old, new = here.rows()
    assert (old.state, old.revision, old.id) == ("queued", 1, first.acquisition_id)
    assert (new.state, new.revision, new.revision_of) == ("queued", 2, old.id)
    assert len(here.store.instances.of_acquisition(old.id)) == 16
    assert len(here.store.instances.of_acquisition(new.id)) == 20
    kept = here.store.deliveries.products_of(first.id)
    assert [product.kind for product in kept] == ["qsm", "report"]
    assert {row.state for row in here.store.deliveries.of_job(first.id)} == {"pending"}


@pytest.mark.parametrize("delivered", [False, True], ids=["before the job", "after the job"])
def test_the_same_study_again_is_nothing_new(bench: Any, make_study: Any, delivered: bool) -> None:
    files, here = make_study().files(), bench()
    here.hand_in_all(files)
    if delivered:
        here.run_job()
    here.until(here.jobs, "a job")
    events = "SELECT 1 FROM event WHERE entity != 'association'"
    before = len(here.store.database.rows(events))
    here.hand_in_all(list(reversed(files)), "again")
    time.sleep(0.2)
    assert len(here.jobs()) == 1
    assert [row.revision for row in here.rows()] == [1]
    assert here.store.instances.counts() == {"indexed": len(files)}
    assert len(here.store.database.rows(events)) == before


def _brighter(ds: Any) -> None:
    ds.PixelData = bytes([99, 0] * 16)


@pytest.mark.parametrize("when", ["in the middle", "after the job"])
def test_other_bytes_under_a_known_uid_are_kept_flagged_and_not_used(
    bench: Any, make_study: Any, when: str
) -> None:
    study = make_study()
    files, here = study.files(), bench()
    other = study.file("M", 1, 1, change=_brighter)
    if when == "in the middle":
        here.hand_in_all([*files[:6], other, *files[6:]])
        here.until(here.jobs, "a job")
    else:
        here.hand_in_all(files)
        here.run_job()
        here.hand_in_all([other], "again")
    (row,) = here.rows()
    assert (row.state, row.revision, len(here.jobs())) == ("queued", 1, 1)
    used = here.store.instances.of_acquisition(row.id)
    assert len(used) == len(files)
    (aside,) = here.store.instances.unusable(10)
    assert (aside.state, aside.sop_instance_uid) == ("conflicting", study.uid(other))
    assert aside.id not in {member.id for member in used}
    assert here.store.path(aside.path).read_bytes().endswith(bytes([99, 0] * 16))
    shown = listing(here.store)
    assert "other bytes; the first one is used" in shown["unusable"][0]["reason"]
    (acquisition,) = [one for one in shown["acquisitions"] if one["jobs"]]
    assert acquisition["conflicting"] == 1


def test_counts_and_grid_that_disagree_are_held_with_both_numbers(bench: Any, make_study: Any) -> None:
    study = make_study(3)
    here = bench()

    def beyond(ds: Any) -> None:
        ds.SOPInstanceUID = f"{ds.SOPInstanceUID[:-2]}77"
        ds.ImagePositionPatient = [0, 0, 6]

    here.hand_in_all([*study.files(), study.file("M", 0, 2, change=beyond)])
    here.until(lambda: any(row.state == "held" for row in here.rows()), "a held acquisition")
    held = next(row for row in here.rows() if row.state == "held")
    assert "4 slice positions are here, the header declares 3" in held.reason


def test_a_compressed_file_that_broke_off_is_set_aside_and_the_whole_one_completes_the_scan(
    bench: Any, make_study: Any
) -> None:
    """Found when its header is read: the job would be the first to need its pixels."""
    study = make_study()
    files, here = study.files(), bench()
    raw = files[-1].read_bytes()
    recoded(files[-1], RLELossless)
    whole = files[-1].read_bytes()
    assert whole != raw
    files[-1].write_bytes(whole[:-20])
    here.hand_in_all(files)
    here.until(lambda: here.store.instances.counts().get("unreadable") and here.rows(), "the broken one")
    here.until(lambda: not here.store.instances.undecided(), "a look at the others")
    (row,) = here.rows()
    assert (row.state, row.missing) == ("collecting", ("phase, echo 2, slice 3 of 3",))
    (aside,) = listing(here.store)["unusable"]
    assert "send it again" in aside["reason"]
    assert aside["sop_instance_uid"] == derive_uid("arrivals", "3", "P", "1", "2")
    assert here.jobs() == []
    files[-1].write_bytes(whole)
    here.hand_in_all(files[-1:], "again")
    here.until(here.jobs, "a job")
    assert here.store.instances.counts() == {"indexed": len(files), "unreadable": 1}


def test_what_is_held_is_listed_with_its_reason_since_when_and_until_when(
    bench: Any, make_study: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = bench()

    def other_reconstruction(ds: Any) -> None:
        ds.SOPInstanceUID = f"{ds.SOPInstanceUID[:-2]}99"
        ds.ImageType = [*ds.ImageType, "NORM"]

    study = make_study()
    begun = time.time() - 1
    for path in [
        *study.files(),
        *(study.file("P", e, z, other_reconstruction) for e in range(2) for z in range(3)),
    ]:
        assert here.hand_in(path).stored
    here.until(lambda: not here.store.instances.undecided(), "a look at everything")
    (shown,) = [one for one in listing(here.store)["acquisitions"] if one["state"] == "held"]
    since, until = (datetime.fromisoformat(shown[name]).timestamp() for name in ("since", "deadline"))
    assert begun <= since <= time.time()
    assert until == pytest.approx(since + 3600, abs=30)
    config = tmp_path / "qsmnode.yaml"
    config.write_text(f"node: {{store: {here.store.root}}}\npeers: {{}}\nroutes: []\n")
    assert main(["jobs", "-c", str(config)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "held" in line]
    assert f"held since {shown['since']}, until {shown['deadline']}  {shown['reason']}" in line


def _at(clock: str) -> Callable[[Any], None]:
    def change(ds: Any) -> None:
        ds.AcquisitionTime = clock
        ds.Manufacturer = "Siemens"
        ds.ImageType = ["ORIGINAL", "PRIMARY", ds.ImageType[3], "ND"]
        if ds.ImageType[2] == "P":
            ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = "2", "-4096", "US"

    return change


@pytest.mark.parametrize("early_last", [True, False])
def test_a_scan_that_starts_at_a_step_of_the_clock_is_one_acquisition_from_its_first_image_on(
    bench: Any, make_study: Any, early_last: bool
) -> None:
    """Magnitude says it started a few milliseconds later than phase, and comes first."""
    study = make_study(3, declared=False)
    here = bench(assembly=QUICK)
    late = [study.file("M", e, z, change=_at("101500.004")) for e in range(2) for z in range(3)]
    early = [study.file("P", e, z, change=_at("101459.998")) for e in range(2) for z in range(3)]
    first, second = (late, early) if early_last else (early, late)
    for path in first:
        assert here.hand_in(path).stored
    here.until(lambda: here.rows() and here.rows()[0].missing, "the first half")
    (before,) = here.rows()
    here.hand_in_all(second)
    here.until(here.jobs, "a job")
    (row,) = here.rows()
    assert (row.id, row.state) == (before.id, "queued")
    assert (row.key != before.key) is early_last


def test_a_revision_keeps_its_place_when_the_late_image_moves_the_start(bench: Any, make_study: Any) -> None:
    study = make_study(3, declared=False)
    here = bench(assembly=QUICK)
    files = [study.file(k, e, z, change=_at("101500.004")) for k in "MP" for e in range(2) for z in range(3)]
    late = [study.file(kind, echo, 3, change=_at("101459.998")) for kind in "MP" for echo in range(2)]
    here.hand_in_all(files)
    here.run_job()
    here.hand_in_all(late)
    here.until(lambda: len(here.jobs()) == 2, "a second job")
    old, new = here.rows()
    assert (old.revision, new.revision, new.revision_of) == (1, 2, old.id)
    assert old.key == new.key
