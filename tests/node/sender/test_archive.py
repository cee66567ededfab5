"""Deliveries to archives that work, refuse, are away, or die in between."""

from __future__ import annotations

import contextlib
import logging
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from qsmnode.errors import PeerError
from qsmnode.ledger.database import Database
from qsmnode.node.wire import acse, command
from qsmnode.node.wire.connection import Connection, fragments

OutboxOf = Callable[..., Any]
Archive = Callable[..., Any]


def dicom(archive: Any, title: str = "ARCHIVE") -> dict[str, object]:
    return {
        "ae_title": title,
        "host": "127.0.0.1",
        "port": archive if isinstance(archive, int) else archive.port,
    }


def test_everything_arrives_and_is_told(outbox: OutboxOf, archive_answering: Archive) -> None:
    archive = archive_answering(0x0000)
    box = outbox({"pacs": dicom(archive)})
    box.add(5, "pacs")
    box.start()
    row = box.wait("pacs", "sent")
    assert row.finished_at is not None
    assert list(archive.stored) == [f"1.2.{n}" for n in range(1, 6)]
    assert archive.associations == 1
    assert all(ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1" for ds in archive.stored.values())
    box.add(2, "pacs", first=10)  # while it runs
    box.wait_until(lambda: len(archive.stored) == 7, "pacs")


def test_a_warning_is_an_acknowledgement(outbox: OutboxOf, archive_answering: Archive) -> None:
    archive = archive_answering(0xB000)
    box = outbox({"pacs": dicom(archive)})
    box.add(2, "pacs")
    box.start()
    box.wait("pacs", "sent")
    assert len(archive.attempts) == 2


def test_a_refusal_for_good_is_parked_at_once_and_the_rest_is_sent(
    outbox: OutboxOf, archive_answering: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    archive = archive_answering(lambda ds: 0xC000 if ds.SOPInstanceUID == "1.2.2" else 0x0000)
    box = outbox({"pacs": dicom(archive)})
    box.add(4, "pacs")
    with caplog.at_level(logging.WARNING):
        box.start()
        row = box.wait("pacs", "parked")
        box.wait_until(lambda: row.reason in caplog.text, "pacs")
    assert row.tries == 1
    for word in ("pacs (ARCHIVE at 127.0.0.1:", "refuses 1 of 4 objects", "0xC000", "then retry"):
        assert word in row.reason
    assert Counter(archive.attempts) == {(f"1.2.{n}", 0xC000 if n == 2 else 0): 1 for n in range(1, 5)}

    archive.answer = lambda _: 0x0000
    box.store.deliveries.retry(row.id)
    box.wait("pacs", "sent")
    assert [uid for uid, _ in archive.attempts[4:]] == ["1.2.2"]  # nothing is sent twice


def test_a_class_that_the_archive_does_not_know_is_parked(
    outbox: OutboxOf, archive_answering: Archive
) -> None:
    archive = archive_answering(0x0000)
    box = outbox({"pacs": dicom(archive)})
    box.add(1, "pacs", sop_class="1.3.12.2.1107.5.9.1")
    box.start()
    row = box.wait("pacs", "parked")
    assert "1.3.12.2.1107.5.9.1 in Explicit VR Little Endian" in row.reason
    assert "SOP class refused" in row.reason
    assert archive.attempts == []


def test_a_full_archive_is_tried_again_until_it_is_parked(
    outbox: OutboxOf, archive_answering: Archive
) -> None:
    archive = archive_answering(0xA700)
    box = outbox({"pacs": dicom(archive)})
    box.add(3, "pacs")
    box.start()
    row = box.wait("pacs", "parked")
    assert row.tries == 3
    assert "0xA700, out of resources" in row.reason
    assert [uid for uid, _ in archive.attempts] == ["1.2.1"] * 3  # one object per try: it is full


def test_an_archive_that_is_down_and_comes_back(
    outbox: OutboxOf,
    archive_answering: Archive,
    free_port: Callable[[], int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()
    other = archive_answering(0x0000)
    box = outbox({"pacs": dicom(port), "other": dicom(other)}, attempts=1000)
    box.add(3, "pacs", "other")
    with caplog.at_level(logging.WARNING, logger="qsmnode"):
        box.start()
        box.wait("other", "sent")  # nobody waits for a peer that is down
        row = box.wait_until(lambda: box.delivery("pacs").tries >= 3, "pacs")
        assert "Connection refused" in row.reason
        with _ReceivingArchive(port) as archive:
            box.wait("pacs", "sent")
        assert archive.stored == ["1.2.1", "1.2.2", "1.2.3"]
    told = [record.getMessage() for record in caplog.records]
    assert len([words for words in told if "Connection refused" in words]) == 1
    assert len([words for words in told if words == "pacs takes objects again"]) == 1


@pytest.mark.parametrize("dies_at", [1, 3])
def test_a_transfer_that_broke_off_is_taken_up_where_it_ended(
    outbox: OutboxOf, free_port: Callable[[], int], dies_at: int
) -> None:
    port = free_port()
    box = outbox({"pacs": dicom(port)}, attempts=1000)
    box.add(4, "pacs", size=300_000)
    with _ReceivingArchive(port, die_at=dies_at) as archive:
        box.start()
        box.wait("pacs", "sent")
    assert archive.stored == ["1.2.1", "1.2.2", "1.2.3", "1.2.4"]
    assert (
        archive.begun
        == archive.stored[: dies_at - 1] + archive.stored[dies_at - 1 :][:1] + archive.stored[dies_at - 1 :]
    )


def test_an_archive_that_never_answers_is_given_up(outbox: OutboxOf, free_port: Callable[[], int]) -> None:
    port = free_port()
    box = outbox({"pacs": dicom(port)}, attempts=2, response_timeout_s=0.3)
    box.add(1, "pacs")
    with _ReceivingArchive(port, answers=False):
        box.start()
        row = box.wait("pacs", "parked")
    assert "nothing came in time" in row.reason
    assert "1.2.1" in row.reason


def test_an_archive_that_does_not_know_us(outbox: OutboxOf, archive_answering: Archive) -> None:
    archive = archive_answering(0x0000, aet="SOMEBODY")
    box = outbox({"pacs": dicom(archive)})
    box.add(1, "pacs")
    box.start()
    row = box.wait("pacs", "parked")
    assert row.tries == 3
    assert "called AE title not recognised (permanent)" in row.reason


def test_a_peer_that_left_the_configuration_is_parked(outbox: OutboxOf, archive_answering: Archive) -> None:
    archive = archive_answering(0x0000)
    box = outbox({"pacs": dicom(archive), "mr1": {"ae_title": "MR1", "host": "127.0.0.1"}})
    box.add(1, "gone")
    box.add(1, "mr1", first=2)
    box.start()
    assert "peer gone" in box.wait("gone", "parked").reason
    assert "peer mr1" in box.wait("mr1", "parked").reason


def test_an_object_that_is_gone_or_another_is_parked(outbox: OutboxOf, archive_answering: Archive) -> None:
    archive = archive_answering(0x0000)
    box = outbox({"pacs": dicom(archive)})
    box.add(2, "pacs")
    path = box.sent_files["1.2.2"]
    path.write_bytes(box.sent_files["1.2.1"].read_bytes())
    box.start()
    assert "not the object that the ledger knows" in box.wait("pacs", "parked").reason
    path.unlink()
    box.store.deliveries.retry(box.delivery("pacs").id)
    assert (
        "No such file" in box.wait_until(lambda: "No such file" in box.delivery("pacs").reason, "pacs").reason
    )
    assert archive.attempts == []


def test_stopping_leaves_the_rest_for_the_next_start(outbox: OutboxOf, archive_answering: Archive) -> None:
    first = threading.Event()
    archive = archive_answering(lambda _: 0 if first.set() is None else 1)
    box = outbox({"pacs": dicom(archive)})
    box.add(200, "pacs")
    box.start()
    assert first.wait(30)
    box.stop()
    row = box.delivery("pacs")
    sent = len(archive.attempts)
    assert row.state == "sending"
    assert row.tries == 0
    assert len(box.store.deliveries.unsent(row)) == 200 - sent
    box.store.deliveries.release_all_sending()
    box.start()
    box.wait("pacs", "sent")
    assert len(archive.attempts) == len(archive.stored) == 200


def test_orthanc_takes_them(outbox: OutboxOf, orthanc: Any) -> None:
    box = outbox({"pacs": {"ae_title": orthanc.aet, "host": "127.0.0.1", "port": orthanc.dicom_port}})
    box.add(20, "pacs", size=200_000)
    box.start()
    box.wait("pacs", "sent")
    assert len(orthanc.instances()) == 20


class _ReceivingArchive:
    """An archive that dies in the middle of its nth object, once, or never answers a C-STORE."""

    def __init__(self, port: int, *, die_at: int = 0, answers: bool = True) -> None:
        self.begun: list[str] = []
        self.stored: list[str] = []
        self._die_at, self._answers = die_at, answers
        self._listener = socket.create_server(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> _ReceivingArchive:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            connection = Connection(link)
            try:
                self._associate(connection)
            finally:
                connection.close()

    def _associate(self, connection: Connection) -> None:
        try:
            proposal = acse.decode_proposal(bytes(connection.read_pdu(20, 20)[1]))
            answers = tuple(acse.ContextAnswer(c.id, 0, c.transfer_syntaxes[0]) for c in proposal.contexts)
            connection.send(acse.encode_acceptance(acse.Acceptance(answers, 65536), proposal), 5)
            while self._one(connection):
                pass
        except PeerError:
            return  # the caller went away

    def _one(self, connection: Connection) -> bool:
        received = bytearray()
        request: command.Command | None = None
        while True:
            kind, payload = connection.read_pdu(20, 20)
            if kind == acse.RELEASE_RQ:
                connection.send(acse.pdu(acse.RELEASE_RP, bytes(4)), 5)
                return False
            for context, is_command, last, data in fragments(payload):
                if is_command:
                    received += data
                    request = command.decode(bytes(received))
                    if command.number(request, command.COMMAND_FIELD) == command.C_ECHO_RQ:
                        self._answer(connection, context, request)
                        return True
                    self.begun.append(command.text(request, command.AFFECTED_SOP_INSTANCE))
                elif len(self.begun) == self._die_at:
                    self._die_at = 0
                    return False
                elif last and self._answers:
                    assert request is not None
                    self._acknowledge(connection, context, request)
                    return True

    def _acknowledge(self, connection: Connection, context: int, request: command.Command) -> None:
        self.stored.append(self.begun[-1])
        self._answer(connection, context, request)

    def _answer(self, connection: Connection, context: int, request: command.Command) -> None:
        answer = {
            command.COMMAND_FIELD: command.number(request, command.COMMAND_FIELD) | command.RESPONSE,
            command.MESSAGE_ID_ANSWERED: command.number(request, command.MESSAGE_ID),
            command.DATA_SET_TYPE: command.NO_DATA_SET,
            command.STATUS: 0,
        }
        connection.send_command(context, command.encode(answer), 5)


def test_a_ledger_that_cannot_be_written_for_a_while_leaves_no_delivery_under_way(
    outbox: OutboxOf, archive_answering: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, failed = threading.Event(), []
    really = Database.transaction

    @contextlib.contextmanager
    def transaction(database: Database, **options: Any) -> Iterator[Any]:
        if full.is_set():
            failed.append(threading.current_thread().name)
            raise sqlite3.OperationalError("database or disk is full")
        with really(database, **options) as connection:
            yield connection

    def answer(_: Any) -> int:
        if not failed:
            full.set()
        return 0x0000

    monkeypatch.setattr(Database, "transaction", transaction)
    box = outbox({"pacs": dicom(archive_answering(answer))})
    box.add(1, "pacs")
    box.start()
    box.wait_until(lambda: "acknowledgements" in failed and "sender pacs" in failed, "pacs")
    assert box.delivery("pacs").state == "sending"
    full.clear()
    box.wait("pacs", "sent")
