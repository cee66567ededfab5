"""A ledger that cannot be written for a while, as on a full disk."""

from __future__ import annotations

import sqlite3
import threading
from typing import Any

import pytest

from qsmnode.ledger.acquisitions import Acquisitions


def test_a_study_is_looked_at_again_when_the_ledger_can_be_written_again(
    bench: Any, make_study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, failed = threading.Event(), threading.Event()
    full.set()
    really = Acquisitions.open

    def opened(self: Acquisitions, *arguments: Any, **options: Any) -> int:
        if full.is_set():
            failed.set()
            raise sqlite3.OperationalError("database or disk is full")
        return really(self, *arguments, **options)

    monkeypatch.setattr(Acquisitions, "open", opened)
    here = bench()
    here.hand_in_all(make_study().files())
    here.until(lambda: not here.store.instances.unindexed(1), "the last header")
    failed.clear()  # what came last was not looked at before now
    here.until(failed.is_set, "a look")
    full.clear()
    here.until(here.jobs, "a job")
