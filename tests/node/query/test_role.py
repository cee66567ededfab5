"""What an archive is asked about an acquisition, and what is left alone: the role on a store of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from qsmnode.config import Config
from qsmnode.ledger import Store
from qsmnode.node.query import Query, role
from qsmnode.node.wire.requestor import Target
from tests.node.query.samples import MEMBER, image, series

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

OURS = {"Modality": "MR", "ProtocolName": "qsm"}


def _acquisition(store: Store, state: str) -> int:
    """An acquisition of one image, for which the route `brain` may be taken."""
    association = store.instances.open_association("mr1", "MR1", "127.0.0.1")
    member = store.instances.add(
        sop_instance_uid=MEMBER.sop_instance_uid,
        sop_class_uid=MEMBER.sop_class_uid,
        transfer_syntax=MEMBER.transfer_syntax_uid,
        sha256="a",
        size=1000,
        path="instances/1.dcm",
        association_id=association,
    )
    store.instances.indexed(member, MEMBER.study_uid, MEMBER.to_json())
    soon = time.time() + 3600
    row = store.acquisitions.open(MEMBER.study_uid, "key", deadline_at=soon)
    store.acquisitions.set_members(row, [member])
    if state != "collecting":
        store.acquisitions.move(row, state, "different geometries")
    store.acquisitions.note(
        row,
        description="",
        route="brain",
        missing=("phase, echo 1, slice 1 of 1",) if state == "collecting" else (),
        content="",
        settles_at=None,
        deadline_at=soon,
        reason="",
    )
    return row


@pytest.fixture
def asked(tmp_path: Path, asked_archive: Callable[..., Target]) -> Iterator[Callable[..., str]]:
    """asked(find, state=...): what is noted of a question to an archive that answers with `find`."""
    with ExitStack() as stack:
        store = stack.enter_context(Store(tmp_path / "store"))

        def ask(find: Any, state: str = "collecting", made: str = "") -> str:
            archive = asked_archive(find=find)
            config = Config.model_validate(
                {
                    "node": {"store": str(tmp_path / "store")},
                    "peers": {
                        "pacs": {"ae_title": "ARCHIVE", "host": archive.host, "port": archive.port},
                        "out": {"folder": str(tmp_path / "out")},
                    },
                    "routes": [{"name": "brain", "send_to": ["out"], "ask_for_missing": "pacs"}],
                    "assembly": {"ask_after": 0.0001, "deadline_s": 3600},
                }
            )
            row = _acquisition(store, state)
            if made:
                job = store.jobs.queue(row, "qsm", "hash", {})
                store.deliveries.add_product(job, "qsm", made, [], [])
            query = Query(config, store)
            query.start()
            stack.callback(query.stop, 20)
            until = time.monotonic() + 30
            while (answer := store.questions.answer(row)) is None:
                assert time.monotonic() < until
                store.database.wait_for_change(store.database.version, 0.02)
            return answer

        yield ask


class Archive:
    """Series of which it says that they may belong to the scan, each with two images."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers
        self.questions: list[tuple[str, str]] = []

    def __call__(self, identifier: Dataset) -> Iterator[Any]:
        self.questions.append((identifier.QueryRetrieveLevel, str(identifier.SeriesInstanceUID or "")))
        if identifier.QueryRetrieveLevel == "SERIES":
            yield from (series(number, **OURS) for number in self.numbers)
        elif identifier.SeriesInstanceUID != MEMBER.series_uid:
            yield from (image(f"{identifier.SeriesInstanceUID}.{number}") for number in (1, 2))


@pytest.mark.parametrize("state", ["collecting", "held"])
def test_what_is_incomplete_or_held_is_asked_about(asked: Callable[..., str], state: str) -> None:
    archive = Archive()
    assert asked(archive, state) == "asked pacs: it has none of them"
    assert archive.questions == [("SERIES", ""), ("IMAGE", MEMBER.series_uid)]


def test_series_that_this_node_made_are_no_missing_images(asked: Callable[..., str]) -> None:
    archive = Archive(7)
    assert asked(archive, made="2.25.7") == "asked pacs: it has none of them"
    assert ("IMAGE", "2.25.7") not in archive.questions


def test_the_audit_trail_gets_every_question_and_the_retrieval(
    asked: Callable[..., str], tmp_path: Path
) -> None:
    asked(Archive(7))
    with Store(tmp_path / "store", read_only=True) as store:
        events = [each.entity for each in store.audit_events.next(100)]
    assert events == ["query", "query", "query", "retrieval"]


def test_more_new_series_than_any_scan_has_are_left_alone_and_told(
    asked: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(role, "MOST_NEW_SERIES", 2)
    archive = Archive(7, 8, 9)
    assert asked(archive).endswith("; 3 series that never came are too many to ask for")
    assert archive.questions == [("SERIES", ""), ("IMAGE", MEMBER.series_uid)]


def test_more_bytes_than_any_scan_has_are_not_asked_for(
    asked: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(role, "MOST_BYTES", 3999)
    answer = asked(Archive(7, 8))  # four images like the one of 1000 bytes that is here
    assert "has 4 images more" in answer
    assert "too much" in answer
