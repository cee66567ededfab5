"""Letting go, on a disk: what goes, in which order, and what a crash leaves."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qsmnode.config import Config
from qsmnode.errors import UsageError
from qsmnode.ledger import Store
from qsmnode.ledger.stock import take_stock
from qsmnode.node.commands import Desk, perform
from qsmnode.node.retention import Retention, purge
from qsmnode.node.retention.judge import Limits
from qsmnode.node.retention.purge import rules_of
from tests.node.retention.conftest import DAY_S, PEERS, Shelf

ALL = Limits(0.0)


def _desk(shelf: Shelf) -> Desk:
    return Desk(shelf.store, shelf.config, "uid 7")


def test_delivered_files_go_and_rows_remember_them(shelf: Callable[..., Shelf]) -> None:
    here = shelf()
    kept = here.delivered("pacs")  # not committed
    before = here.paths()
    here.delivered("plain")
    here.instance("unreadable")
    waiting = {path for path in here.paths() if path not in before}
    assert perform(_desk(here), "purge", {}) == "3 files removed, 0.0 MB"
    assert waiting - here.paths() == {path for path in waiting if not path.endswith("/7.dcm")} - here.paths()
    assert before <= here.paths()
    assert here.store.instances.counts() == {"indexed": 2, "purged": 2, "unreadable": 1}
    events = here.store.database.rows("SELECT row_id, reason FROM event WHERE entity = 'files'")
    assert [tuple(row) for row in events] == [(2, "on request of uid 7: sent to plain")]
    assert not list(here.store.path("products").glob("2-1"))
    assert kept == 1
    assert perform(_desk(here), "purge", {}) == "0 files removed, 0.0 MB"


def test_what_has_to_stay_is_refused_by_name(shelf: Callable[..., Shelf]) -> None:
    here = shelf()
    parked = here.delivered("plain", state="parked")
    with pytest.raises(UsageError, match="delivery 1 to plain is parked"):
        perform(_desk(here), "purge", {"acquisition": parked})
    assert len(here.paths()) == 3
    perform(_desk(here), "purge", {"acquisition": parked, "undelivered": 1})
    assert here.paths() == set()


def test_what_was_promised_stays_until_an_archive_has_it(shelf: Callable[..., Shelf]) -> None:
    here = shelf()
    here.acquisition("ignored", age=40)
    with here.store.database.transaction() as connection:
        connection.execute("UPDATE instance SET committed_to = 'mr1' WHERE id = 1")
    perform(_desk(here), "purge", {})
    assert here.paths() == {"instances/2.dcm"} or len(here.paths()) == 1
    with here.store.database.transaction() as connection:
        connection.execute("UPDATE instance SET archived_at = 1.0")
    perform(_desk(here), "purge", {})
    assert here.paths() == set()


@pytest.mark.parametrize("after", ["row", "file"])
def test_killed_in_the_middle_the_next_start_ends_it(shelf: Callable[..., Shelf], after: str) -> None:
    """The rows are durable before the first file goes; what is left of them then is removed by name."""
    here = shelf()
    here.delivered("plain")
    here.store.close()
    child = os.fork()
    if child == 0:
        _purge_and_die(here.store.root, here, after)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    with Store(here.store.root) as store:
        assert store.instances.counts() == {"purged": 2}
        left = list(store.path("products").rglob("*.dcm"))
        assert len(left) + len(list(store.path("instances").rglob("*.dcm"))) == (3 if after == "row" else 2)
        take_stock(store)
        assert not list(store.path("products").iterdir())
        assert store.instances.paths() == set()  # the receiver's start removes what no row speaks for


def _purge_and_die(root: Path, here: Shelf, after: str) -> None:
    left = [0 if after == "row" else 1]
    unlink = Path.unlink

    def die(self: Path, missing_ok: bool = False) -> None:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        unlink(self, missing_ok)

    try:
        Path.unlink = die  # type: ignore[method-assign]
        purge(Store(root), rules_of(here.config), ALL, "by a test")
    finally:
        os._exit(0)


def test_what_a_peer_is_still_asked_about_stays() -> None:
    """By storage commitment an archive, by its list a DICOMweb server."""
    web = {"stow": "http://127.0.0.1/dicom-web"}
    peers = {**PEERS, "web": web, "asked": {**web, "confirm": True}, "out": {"folder": "/srv/out"}}
    rules = rules_of(Config.model_validate({"node": {"store": "/srv/store"}, "peers": peers, "routes": []}))
    assert {name for name in (*peers, "unknown") if rules.commits(name)} == {"pacs", "asked"}


def test_age_lets_go_what_is_old_enough(shelf: Callable[..., Shelf]) -> None:
    here = shelf(max_age_days=5, min_free_percent=0)
    here.delivered("plain", age=6)
    here.delivered("plain", age=4)
    Retention(here.config, here.store).look()
    assert here.store.instances.counts() == {"indexed": 2, "purged": 2}


def test_a_full_disk_makes_room_from_the_oldest_on_and_says_when_it_cannot(
    shelf: Callable[..., Shelf], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    here = shelf(min_free_percent=10)
    for age in (1, 3, 2):
        here.delivered("plain", age=age)
    here.acquisition("collecting")
    free = [8_000]
    role = Retention(here.config, here.store, space=lambda _: (free[0], 100_000))
    role.look()
    states = [row["state"] for row in here.store.database.rows("SELECT state FROM instance ORDER BY id")]
    assert states == ["indexed", "indexed", "purged", "purged", "indexed", "indexed", "indexed", "indexed"]
    assert caplog.text == ""
    free[0] = 0
    for _ in range(3):
        role.look()
    assert len(here.paths()) == 2
    assert len(caplog.records) == 1
    assert "`qsmnode purge --dry-run` says why" in caplog.text


def test_a_store_that_is_too_large_makes_room(shelf: Callable[..., Shelf]) -> None:
    here = shelf(max_store_gb=4e-6, min_free_percent=0)
    here.delivered("plain", age=2)
    here.delivered("plain", age=1)
    Retention(here.config, here.store).look()
    assert here.store.instances.counts() == {"indexed": 2, "purged": 2}


def test_a_job_whose_images_were_purged_is_not_retried(shelf: Callable[..., Shelf]) -> None:
    here = shelf()
    row = here.acquisition("queued")
    job = here.job(row)
    claimed = here.store.jobs.claim(60)
    assert claimed is not None
    here.store.jobs.fail(claimed, "broken", retry_at=None)
    perform(_desk(here), "purge", {"acquisition": row, "undelivered": 1})
    with pytest.raises(UsageError, match="its images were purged"):
        perform(_desk(here), "retry", {"job": job})
    assert perform(_desk(here), "retry", {}).startswith("0 failed jobs")


@pytest.mark.parametrize(("days", "left"), [(30.0, 2), (7.0, 1), (0.0, 1)])
def test_finished_commitment_requests_are_forgotten(
    shelf: Callable[..., Shelf], days: float, left: int
) -> None:
    here = shelf(ignored_days=days, min_free_percent=0)
    for age in (31, 8, 0):
        row = here.store.commitments.begin("pacs", [("1.2", "2.25.1")], deadline_at=time.time() - age * DAY_S)
        here.store.database.move("commitment", row, "lost")
    Retention(here.config, here.store).look()
    assert len(here.store.commitments.all()) == left


def test_the_role_starts_and_stops(shelf: Callable[..., Shelf]) -> None:
    here = shelf()
    role = Retention(here.config, here.store)
    role.start()
    role.stop(10)
