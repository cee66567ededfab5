"""A ledger that cannot be written while a job runs."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any

import pytest

from qsmnode.config import Config
from qsmnode.ledger import Store
from qsmnode.ledger.jobs import Jobs
from qsmnode.node.worker import Worker

_PATIENCE_S = 30


def test_a_job_that_could_not_be_booked_is_tried_again(
    node_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its progress nor its end can be written for a while: it is no running job afterwards."""
    config = node_config()
    broken: list[str] = []

    def failing(name: str) -> Callable[..., Any]:
        really = getattr(Jobs, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if name not in broken:
                broken.append(name)
                raise sqlite3.OperationalError("database or disk is full")
            return really(*arguments, **options)

        return call

    for name in ("report", "fail"):
        monkeypatch.setattr(Jobs, name, failing(name))
    with Store(config.node.store) as store:
        acquisition = store.acquisitions.open("1.2", "key", deadline_at=9e9)
        job = store.jobs.queue(acquisition, "qsm", "hash", {})
        worker = Worker(config, store)
        worker.start()
        try:
            deadline = time.monotonic() + _PATIENCE_S
            while store.jobs.get(job).failures == 0:
                assert time.monotonic() < deadline, store.jobs.get(job)
                time.sleep(0.02)
        finally:
            worker.stop(20)
        row = store.jobs.get(job)
    assert broken == ["report", "fail"]
    assert (row.state, row.failures) == ("queued", 1)
    assert "an unexpected error, see the log (attempt 1 of" in row.reason
