"""Images that were purged: what was decided about them stands, whatever else comes of their study."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from pydicom import Dataset

from qsmnode.dicom.identity import derive_uid
from qsmnode.ledger.holdings import File


def _spin_echo(ds: Dataset) -> None:
    ds.SOPInstanceUID = derive_uid("arrivals", "another scan")
    ds.ScanningSequence = "SE"


def test_the_verdict_on_what_was_purged_stands(bench: Any, make_study: Any) -> None:
    study = make_study()
    files, here = study.files(), bench(assembly={"settling_s": 0.1, "deadline_s": 0.3})
    here.hand_in_all(files[:-1])
    here.until(lambda: [row.state for row in here.rows()] == ["rejected"], "a rejection")
    (before,) = here.rows()
    members = here.store.instances.of_acquisition(before.id)
    here.store.holdings.purge([File(row.id, row.path) for row in members], [], "by a test")
    here.hand_in_all([study.file("M", 1, 1, change=_spin_echo)], "again")
    here.until(lambda: len(here.store.acquisitions.all()) == 2, "the other scan")
    (after,) = here.rows()
    assert (after.id, after.state, after.reason) == (before.id, before.state, before.reason)


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "at once"])
def test_what_was_purged_and_comes_again_is_looked_at_again(
    bench: Any, make_study: Any, at_once: bool
) -> None:
    study = make_study()
    files, here = study.files(), bench()
    here.hand_in_all(files)
    job = here.run_job()
    members = here.store.instances.of_acquisition(job.acquisition_id)
    here.store.holdings.purge([File(row.id, row.path) for row in members], [], "by a test")
    # within a transaction nobody looks before all are here
    with here.store.database.transaction() if at_once else contextlib.nullcontext():
        here.hand_in_all(files, "again")
    here.until(lambda: len(here.jobs()) == 2, "another job")
    assert [row.revision for row in here.rows()] == [1, 2]
