"""What the audit trail tells of a node's life, and that a syslog server that is away stops nothing."""

from __future__ import annotations

import base64
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from qsmnode.config import Config
from qsmnode.errors import UsageError
from qsmnode.ledger import Store
from qsmnode.node.audit import Audit, events
from qsmnode.node.commands import Desk, perform
from tests.observe.audit_schema import faults

_HEADER = '{"keywords": {"PatientID": ["P-7"], "PatientName": ["Doe^Jane"]}}'


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., Config]:
    def build(**audit: object) -> Config:
        return Config.model_validate(
            {
                "node": {"store": str(tmp_path / "store"), "ae_title": "QSMNODE"},
                "peers": {
                    "mr1": {"ae_title": "MR1", "host": "192.0.2.10"},
                    "pacs": {"ae_title": "PACS", "host": "192.0.2.20", "port": 104},
                    "out": {"folder": str(tmp_path / "out")},
                },
                "routes": [],
                "audit": audit,
            }
        )

    return build


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as opened:
        yield opened


def _receive(store: Store, number: int, association: int) -> int:
    relative = f"instances/{number}.dcm"
    store.path(relative).write_bytes(b"x")
    return store.instances.add(
        sop_instance_uid=f"2.25.{number}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
        transfer_syntax="1.2",
        sha256="a",
        size=1,
        path=relative,
        association_id=association,
    )


def _exam(store: Store) -> int:
    """Two images in one association, a map delivered to both receivers; the acquisition's id."""
    association = store.instances.open_association("mr1", "MR1", "192.0.2.10")
    rows = [_receive(store, number, association) for number in (1, 2)]
    store.instances.end_association(association)
    for row in rows:
        store.instances.indexed(row, "2.25.99", _HEADER)
    acquisition = store.acquisitions.open("2.25.99", "scan", deadline_at=9e9)
    store.acquisitions.set_members(acquisition, rows)
    store.acquisitions.move(acquisition, "complete")
    store.acquisitions.move(acquisition, "queued")
    store.jobs.queue(acquisition, "qsm", "hash", {})
    job = store.jobs.claim(60)
    assert job is not None
    store.deliveries.add_product(job.id, "qsm", "2.25.5", [("1.2", "2.25.6", "products/1")], ["pacs", "out"])
    store.jobs.succeed(job, {})
    for delivery in store.deliveries.of_job(job.id):
        store.database.move("delivery", delivery.id, "sending")
        store.deliveries.sent(delivery.id)
    return acquisition


def _told(config: Config) -> list[ElementTree.Element]:
    folder = config.audit.folder or config.node.store / "audit"
    lines = [line for path in sorted(folder.glob("*.log")) for line in path.read_bytes().splitlines()]
    assert [fault for line in lines for fault in faults(line)] == []
    assert not any(b"Doe" in line for line in lines)
    return [ElementTree.fromstring(line) for line in lines]


def _event(message: ElementTree.Element) -> str:
    found = message.find("EventIdentification/EventID")
    assert found is not None
    kinds = [each.get("csd-code", "") for each in message.iter("EventTypeCode")]
    action = message.find("EventIdentification")
    assert action is not None
    return " ".join([found.get("csd-code", ""), action.get("EventActionCode", ""), *kinds])


def _users(message: ElementTree.Element) -> list[str]:
    return [each.get("UserID", "") for each in message.iter("ActiveParticipant")]


def test_the_life_of_an_exam(site: Callable[..., Config], store: Store, tmp_path: Path) -> None:
    config = site()
    role = Audit(config, store)
    role.start()
    acquisition = _exam(store)
    perform(Desk(store, config, "uid 7"), "purge", {"acquisition": acquisition})
    for _ in range(3):
        role.refused("192.0.2.66", "calling AE title EVIL is not listed under peers")
    role.stop(10)
    told = _told(config)
    by_event = {_event(each): each for each in told}
    assert _event(told[0]) == "110100 E 110120"
    assert _event(told[-1]) == "110100 E 110121"
    assert _users(by_event["110104 C"]) == ["mr1", "QSMNODE"]
    subjects = [
        each.get("ParticipantObjectID") for each in by_event["110104 C"].iter() if "Type" not in each.tag
    ]
    assert [each for each in subjects if each] == ["2.25.99", "P-7"]
    assert by_event["110104 C"].find(".//SOPClass").get("NumberOfInstances") == "2"  # type: ignore[union-attr]
    assert _users(by_event["110104 R"]) == ["QSMNODE", "pacs"]
    assert _users(by_event["110106 R"]) == ["QSMNODE", str(tmp_path / "out")]
    assert _users(by_event["110103 D"]) == ["uid 7", "QSMNODE"]
    assert _users(by_event["110113 E 110126"]) == ["QSMNODE", "192.0.2.66"]
    assert sum(_event(each) == "110113 E 110126" for each in told) <= 3


def test_what_a_peer_was_asked_and_where_the_ledger_went(site: Callable[..., Config], store: Store) -> None:
    config = site()
    acquisition = _exam(store)
    store.audit_events.note_query(
        "pacs", "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.1.2", b"study 2.25.99"
    )
    store.audit_events.note_query("web", "", "", b"https://pacs.example/studies?limit=1")
    store.audit_events.note_retrieval("pacs", acquisition)
    desk = Desk(store, config, "uid 7")
    assert perform(desk, "note_backup", {"folder": "/mnt/copy"}) == "the audit trail tells of it"
    with pytest.raises(UsageError, match="folder=7"):
        perform(desk, "note_backup", {"folder": 7})
    Audit(config, store).tell_all()
    told = _told(config)[-4:]
    assert [_event(each) for each in told] == ["110112 E", "110112 E", "110102 E", "110106 R"]
    assert [_users(each) for each in told] == [
        ["QSMNODE", "pacs"],
        ["QSMNODE", "web"],
        ["pacs", "QSMNODE"],
        ["uid 7", "QSMNODE", "/mnt/copy"],
    ]
    asked = [base64.b64decode(each.findtext(".//ParticipantObjectQuery", "")) for each in told[:2]]
    assert asked == [b"study 2.25.99", b"https://pacs.example/studies?limit=1"]
    for message in told[2:]:
        subjects = message.findall("ParticipantObjectIdentification")
        assert [each.get("ParticipantObjectID") for each in subjects] == ["2.25.99", "P-7"]


def test_a_backup_of_many_studies_is_told_in_messages_that_a_datagram_holds(
    site: Callable[..., Config], store: Store
) -> None:
    config = site()
    count = 2 * events.STUDIES_TOGETHER + 5
    uids = [f"1.2.840.{53 * '9'}{number:03}" for number in range(count)]  # none is longer
    with store.database.transaction():
        association = store.instances.open_association("mr1", "MR1", "192.0.2.10")
        for number, uid in enumerate(uids):
            for part in range(2):
                row = _receive(store, 2 * number + part, association)
                store.instances.indexed(row, uid, f'{{"keywords": {{"PatientID": ["PATIENT-{number}"]}}}}')
    store.audit_events.note_backup("/mnt/copy", "uid 7")
    Audit(config, store).tell_all()
    told = [each for each in _told(config) if _event(each) == "110106 R"]
    assert len(told) == 3
    assert max(len(ElementTree.tostring(each)) for each in told) < 65000
    named = [
        each.get("ParticipantObjectID", "")
        for message in told
        for each in message.findall("ParticipantObjectIdentification")
    ]
    assert sorted(named) == sorted([*uids, *(f"PATIENT-{number}" for number in range(len(uids)))])


def test_what_was_told_is_not_told_again(site: Callable[..., Config], store: Store) -> None:
    config = site()
    _exam(store)
    for _ in range(2):
        role = Audit(config, store)
        role.start()
        role.stop(10)
    events = [_event(each) for each in _told(config)]
    assert events.count("110104 C") == 1
    assert events.count("110100 E 110120") == 2


def test_an_association_is_told_with_its_study_once_the_headers_are_read(
    site: Callable[..., Config], store: Store
) -> None:
    config = site()
    role = Audit(config, store)
    association = store.instances.open_association("mr1", "MR1", "192.0.2.10")
    row = _receive(store, 1, association)
    store.instances.end_association(association)
    assert not role.tell_all()
    version = store.database.version
    assert not role.tell_all()
    assert store.database.version == version  # waiting wakes nobody
    store.instances.indexed(row, "2.25.99", _HEADER)
    assert role.tell_all()
    (message,) = _told(config)
    assert message.find("ParticipantObjectIdentification").get("ParticipantObjectID") == "2.25.99"  # type: ignore[union-attr]


def test_a_server_that_comes_later_gets_everything(
    site: Callable[..., Config], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        port = server.getsockname()[1]
        config = site(syslog={"host": "127.0.0.1", "port": port, "protocol": "udp"})
        role = Audit(config, store)
        role.start()
        lines = [server.recv(65536)]
        _exam(store)
        lines += [server.recv(65536) for _ in range(3)]
        role.stop(10)
    assert all(
        re.match(rb"<85>1 \d{4}-\S+Z \S+ QSMNODE \d+ DICOM\+RFC3881 - \xef\xbb\xbf<\?xml", line)
        for line in lines
    )
    bodies = [line.partition(b"\xef\xbb\xbf")[2] for line in lines]
    assert [fault for body in bodies for fault in faults(body)] == []


def test_a_server_that_is_away_stops_nothing_and_is_told_of_once(
    site: Callable[..., Config], store: Store, caplog: pytest.LogCaptureFixture, free_port: Callable[[], int]
) -> None:
    caplog.set_level(logging.WARNING)
    config = site(syslog={"host": "127.0.0.1", "port": free_port()})
    role = Audit(config, store)
    role.start()
    _exam(store)
    deadline = time.monotonic() + 20
    while "takes no audit messages" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.02)
    role.stop(10)
    assert caplog.text.count("takes no audit messages") == 1
    assert len(_told(config)) >= 5
    assert not (config.node.store / "audit" / "syslog.position").exists()


def test_a_disk_that_is_full_does_not_keep_the_node_from_starting(
    site: Callable[..., Config],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = site()
    role = Audit(config, store)

    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(role._trail, "append", full)
    role.start()
    role.stop(10)
    assert "Application Start is not in the audit trail: No space left" in caplog.text
