"""What is asked of the ledger while a scan comes in: nothing reads every object that was ever received."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from qsmnode.ledger.database import Database

_WHOLE = re.compile(r"SCAN (instance|i|o|event|product_object|acquisition_instance|m)\b(?! USING)")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that ledgers run from now on."""
    found: list[str] = []
    ordinary = Database.__init__

    def traced(self: Database, *arguments: Any, **more: Any) -> None:
        ordinary(self, *arguments, **more)
        self._connection.set_trace_callback(found.append)

    monkeypatch.setattr(Database, "__init__", traced)
    return found


def test_no_question_of_a_scan_that_comes_reads_a_whole_table(
    asked: list[str], bench: Callable[..., Any], make_study: Callable[..., Any]
) -> None:
    here, files = bench(), make_study().files()
    begun = len(asked)
    for path in files:
        here.hand_in(path)
    here.hand_in(files[0])  # the same again
    here.end_all()
    here.until(here.jobs, "a job")
    here.run_job()
    statements = {text for text in asked[begun:] if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT)", text)}
    assert len(statements) > 30
    whole = {}
    for text in statements:
        plan = [row["detail"] for row in here.store.database.rows(f"EXPLAIN QUERY PLAN {text}")]
        if found := [step for step in plan if _WHOLE.match(step)]:
            whole[text] = found
    assert whole == {}
