"""Several associations at the same time, and what becomes of a delivery when some of them end."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from qsmnode.node.sender import role
from qsmnode.node.sender.to_archive import OBJECTS_PER_ASSOCIATION

OutboxOf = Callable[..., Any]
Archive = Callable[..., Any]
COUNT = 2 * OBJECTS_PER_ASSOCIATION


def peer(archive: Any, **more: object) -> dict[str, object]:
    return {"ae_title": "ARCHIVE", "host": "127.0.0.1", "port": archive.port, **more}


@pytest.mark.parametrize("associations", [1, 2, 4])
def test_a_large_delivery_takes_as_many_associations_as_it_may(
    outbox: OutboxOf, archive_answering: Archive, associations: int
) -> None:
    met = threading.Event()
    together = threading.Barrier(associations, action=met.set)

    def answer(_: object) -> int:
        if not met.is_set():
            together.wait(20)  # as many objects are under way at once
        return 0

    archive = archive_answering(answer)
    box = outbox({"pacs": peer(archive, associations=associations)})
    count = associations * OBJECTS_PER_ASSOCIATION
    box.add(count, "pacs")
    box.start()
    box.wait("pacs", "sent")
    assert archive.associations == associations
    assert Counter(uid for uid, _ in archive.attempts) == {f"1.2.{n}": 1 for n in range(1, count + 1)}
    assert box.store.deliveries.unsent(box.delivery("pacs")) == []


def test_a_refusal_for_good_among_many(outbox: OutboxOf, archive_answering: Archive) -> None:
    archive = archive_answering(lambda ds: 0xA900 if str(ds.SOPInstanceUID).endswith("7") else 0)
    box = outbox({"pacs": peer(archive, associations=2)})
    box.add(COUNT, "pacs")
    box.start()
    row = box.wait("pacs", "parked")
    assert "refuses 3 of 32 objects" in row.reason
    assert len(archive.attempts) == COUNT
    assert len(box.store.deliveries.unsent(row)) == 3


def test_an_archive_that_fills_up_ends_all_of_them(outbox: OutboxOf, archive_answering: Archive) -> None:
    archive = archive_answering(lambda _: 0 if len(archive.stored) < 20 else 0xA700)
    box = outbox({"pacs": peer(archive, associations=2)}, attempts=1)
    box.add(COUNT, "pacs")
    box.start()
    row = box.wait("pacs", "parked")
    assert "0xA700, out of resources" in row.reason
    assert Counter(status for _, status in archive.attempts)[0xA700] <= 2
    assert len(box.store.deliveries.unsent(row)) == COUNT - len(archive.stored)


def test_a_ledger_that_cannot_be_written_ends_the_try_and_is_told(
    outbox: OutboxOf,
    archive_answering: Archive,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    archive = archive_answering(0)
    box = outbox({"pacs": peer(archive, associations=2)})
    box.add(COUNT, "pacs")
    whole = box.store.deliveries.acknowledged
    broken = [True]

    def acknowledged(*arguments: Any) -> None:
        if broken.pop() if broken else False:
            raise OSError("the disk is on fire")
        whole(*arguments)

    monkeypatch.setattr(box.store.deliveries, "acknowledged", acknowledged)
    with caplog.at_level(logging.ERROR):
        box.start()
        box.wait("pacs", "sent")
    assert "OSError" in caplog.text
    assert len(archive.stored) == COUNT


def test_while_a_peer_is_away_it_is_asked_and_no_try_is_counted(
    outbox: OutboxOf,
    archive_answering: Archive,
    monkeypatch: pytest.MonkeyPatch,
    free_port: Callable[[], int],
) -> None:
    asked = threading.Event()
    questions: list[str] = []
    whole = role.echo

    def echo(config: Any, name: str) -> Any:
        questions.append(name)
        if len(questions) == 4:
            asked.set()
        return whole(config, name)

    monkeypatch.setattr(role, "echo", echo)
    box = outbox({"pacs": {"ae_title": "ARCHIVE", "host": "127.0.0.1", "port": free_port()}}, attempts=5)
    box.add(1, "pacs")
    box.add(1, "pacs", first=2)
    box.start()
    assert asked.wait(30)
    rows = box.store.deliveries.all()
    assert sum(row.tries for row in rows) == 3  # of both together: then the questions began
    assert {row.state for row in rows} == {"pending"}
