"""What a sender asks this node to keep: looked at on disk, reported truly, kept until the archive has it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from socketserver import BaseServer
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import MRImageStorage
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    EnhancedMRImageStorage,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)
from pynetdicom.transport import ThreadedAssociationServer

from qsmnode.config import Config
from qsmnode.ledger import Store
from qsmnode.node import commitment_messages
from qsmnode.node.runtime import Node
from tests.node.commitment.conftest import House
from tests.peers.commitment import CommittingArchive
from tests.peers.ports import free_port

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PROVIDE = {"provide": True}


class Scanner:
    """Sends objects, asks for them to be kept, and takes reports on either association."""

    def __init__(self, port: int = 0) -> None:
        self.reports: list[tuple[int, Dataset]] = []
        self.came = threading.Event()
        self.answer = 0x0000
        self._handlers = [(evt.EVT_N_EVENT_REPORT, self._on_report)]
        self._server: Any = None
        if port:
            entity = AE(ae_title="MR1")
            entity.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
            self._server = entity.make_server(
                ("127.0.0.1", port), evt_handlers=self._handlers, server_class=ThreadedAssociationServer
            )
            # looks whether it has to end twenty-five times as often as with start_server
            self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        if self._server is not None:
            BaseServer.shutdown(self._server)
            self._thread.join()
            self._server.server_close()

    def associate(self, house: House) -> Any:
        entity = AE(ae_title="MR1")
        contexts = [build_context(MRImageStorage), build_context(StorageCommitmentPushModel)]
        roles = [build_role(StorageCommitmentPushModel, scu_role=True)]
        return entity.associate(
            "127.0.0.1",
            house.port,
            contexts,
            ae_title="QSMNODE",
            ext_neg=roles,
            evt_handlers=self._handlers,
        )

    def send(self, association: Any, path: Path) -> None:
        assert association.send_c_store(dcmread(path)).Status == 0x0000

    def ask(self, association: Any, transaction: str, *items: tuple[str, str]) -> int:
        request = Dataset()
        request.TransactionUID = transaction
        request.ReferencedSOPSequence = []
        for sop_class, uid in items:
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
            request.ReferencedSOPSequence.append(item)
        status, _ = association.send_n_action(
            request, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        return int(status.Status)

    def verdicts(self, number: int = -1) -> dict[str, int]:
        """What a report says: 0 or the failure reason by SOP Instance UID."""
        report = self.reports[number][1]
        found = {str(item.ReferencedSOPInstanceUID): 0 for item in report.get("ReferencedSOPSequence", [])}
        for item in report.get("FailedSOPSequence", []):
            found[str(item.ReferencedSOPInstanceUID)] = int(item.FailureReason)
        return found

    def _on_report(self, event: evt.Event) -> tuple[int, None]:
        self.reports.append((event.event_type, event.event_information))
        self.came.set()
        return self.answer, None


@pytest.fixture
def scanner() -> Iterator[Callable[..., Scanner]]:
    with ExitStack() as stack:

        def build(port: int = 0) -> Scanner:
            made = Scanner(port)
            stack.callback(made.stop)
            return made

        yield build


def _listed(port: int = 0) -> dict[str, Any]:
    return {"mr1": {"ae_title": "MR1", "host": "127.0.0.1", **({"port": port} if port else {})}}


def _instances(house: House) -> dict[str, tuple[str | None, float | None]]:
    rows = house.store.database.rows("SELECT sop_instance_uid, committed_to, archived_at FROM instance")
    return {row["sop_instance_uid"]: (row["committed_to"], row["archived_at"]) for row in rows}


def test_a_report_on_the_association_that_asked(
    build_house: Callable[..., House], scanner: Callable[..., Scanner], tmp_path: Path
) -> None:
    """The peer has no port: only there it can be told; with every failure by its code."""
    house = build_house(_listed(), PROVIDE)
    house.start()
    mr1 = scanner()
    association = mr1.associate(house)
    for number in (1, 2, 3):
        mr1.send(association, house.write_object(tmp_path / "o.dcm", f"2.25.{number}", seed=number))
    (broken,) = house.until(
        lambda: house.store.database.rows("SELECT path FROM instance WHERE sop_instance_uid = '2.25.3'"),
        "its row",
    )
    path = house.store.path(broken["path"])
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    asked = [
        (MRImageStorage, "2.25.1"),
        (EnhancedMRImageStorage, "2.25.2"),
        (MRImageStorage, "2.25.3"),
        (MRImageStorage, "2.25.4"),
    ]
    assert mr1.ask(association, "2.25.100", *asked) == 0x0000
    assert mr1.came.wait(20)
    assert mr1.reports[0][0] == 2
    assert mr1.verdicts() == {"2.25.1": 0, "2.25.2": 0x0119, "2.25.3": 0x0110, "2.25.4": 0x0112}
    association.release()
    house.until(lambda: house.store.promises.all()[0].state == "reported", "the end")
    kept = {uid for uid, (peer, _) in _instances(house).items() if peer == "mr1"}
    assert kept == {"2.25.1"}
    assert len(mr1.reports) == 1


def test_a_report_on_another_association_is_tried_until_the_peer_takes_it(
    build_house: Callable[..., House], scanner: Callable[..., Scanner], tmp_path: Path
) -> None:
    port = free_port()
    house = build_house(_listed(port), PROVIDE)
    house.start()
    away = scanner()
    association = away.associate(house)
    away.send(association, house.write_object(tmp_path / "o.dcm", "2.25.1"))
    assert away.ask(association, "2.25.100", (MRImageStorage, "2.25.1")) == 0x0000
    association.release()
    house.until(lambda: house.store.promises.all()[0].tries, "a try that ended badly")
    back = scanner(port)
    assert back.came.wait(20)
    assert back.verdicts() == {"2.25.1": 0}
    assert back.reports[0][0] == 1
    house.until(lambda: house.store.promises.all()[0].state == "reported", "the end")
    assert not away.reports


def test_the_same_request_again_gets_its_report_again_and_another_under_its_uid_none(
    build_house: Callable[..., House], scanner: Callable[..., Scanner], tmp_path: Path
) -> None:
    port = free_port()
    house = build_house(_listed(port), PROVIDE)
    house.start()
    mr1 = scanner(port)
    for _ in range(2):
        mr1.came.clear()
        association = mr1.associate(house)
        assert mr1.ask(association, "2.25.100", (MRImageStorage, "2.25.1")) == 0x0000
        association.release()
        assert mr1.came.wait(20)
        house.until(lambda: house.store.promises.all()[0].state == "reported", "the end")
    association = mr1.associate(house)
    assert mr1.ask(association, "2.25.100", (MRImageStorage, "2.25.2")) == 0x0115
    association.release()
    assert len(mr1.reports) == 2


def test_a_peer_without_a_port_that_hangs_up_is_told_of(
    build_house: Callable[..., House], scanner: Callable[..., Scanner]
) -> None:
    house = build_house(_listed(), PROVIDE)
    house.start()
    mr1 = scanner()
    association = mr1.associate(house)
    assert mr1.ask(association, "2.25.100", (MRImageStorage, "2.25.1")) == 0x0000
    association.release()
    house.until(lambda: house.store.promises.all()[0].state == "parked", "the end")
    assert "add peers.mr1.port" in house.store.promises.all()[0].reason


def test_a_report_that_waited_when_the_node_ended_goes_out_at_its_next_start(
    node_config: Callable[..., Config], scanner: Callable[..., Scanner]
) -> None:
    port = free_port()
    config = node_config(peers=_listed(port), commitment=PROVIDE)
    with Store(config.node.store) as store:
        later = time.time() + 3600
        assert store.promises.ask("mr1", "2.25.100", [(MRImageStorage, "2.25.1")], later) is not None
    mr1 = scanner(port)
    with Node(config):
        assert mr1.came.wait(20)
    assert mr1.verdicts() == {"2.25.1": 0x0112}


def test_no_node_is_an_archive_by_itself(
    build_house: Callable[..., House], scanner: Callable[..., Scanner]
) -> None:
    house = build_house(_listed())
    house.start()
    association = scanner().associate(house)
    assert [str(each.abstract_syntax) for each in association.rejected_contexts] == [
        StorageCommitmentPushModel
    ]
    association.release()


def test_what_was_promised_is_kept_until_the_archive_answers_for_it(
    build_house: Callable[..., House],
    scanner: Callable[..., Scanner],
    committing_archive: Callable[..., CommittingArchive],
    tmp_path: Path,
) -> None:
    archive = committing_archive(lambda uid: 0 if uid == "2.25.1" else 0x0112)
    peers = {**_listed(), "pacs": archive.peer}
    house = build_house(peers, {**PROVIDE, "archive": "pacs", "archive_interval_s": 1})
    house.start()
    mr1 = scanner()
    association = mr1.associate(house)
    for number in (1, 2, 3):
        mr1.send(association, house.write_object(tmp_path / "o.dcm", f"2.25.{number}", seed=number))
    assert mr1.ask(association, "2.25.100", (MRImageStorage, "2.25.1"), (MRImageStorage, "2.25.2")) == 0x0000
    association.release()
    house.until(lambda: _instances(house)["2.25.1"][1], "the archive's answer")
    assert _instances(house)["2.25.2"] == ("mr1", None)
    assert _instances(house)["2.25.3"] == (None, None)  # nobody asked for it
    assert house.store.promises.counts() == {"kept": 1, "archived": 1}


def test_requests_without_sense_are_refused_by_their_codes(
    build_house: Callable[..., House], scanner: Callable[..., Scanner]
) -> None:
    house = build_house(_listed(), PROVIDE)
    house.start()
    mr1 = scanner()
    association = mr1.associate(house)
    empty = Dataset()
    empty.TransactionUID = "2.25.100"
    for request, action, instance, code in (
        (empty, 1, StorageCommitmentPushModelInstance, 0x0115),
        (empty, 2, StorageCommitmentPushModelInstance, 0x0123),
        (empty, 1, "2.25.7", 0x0112),
    ):
        status, _ = association.send_n_action(request, action, StorageCommitmentPushModel, instance)
        assert status.Status == code
    association.release()
    assert house.store.promises.all() == []


def test_a_flood_of_requests_has_to_come_again_later(
    build_house: Callable[..., House], scanner: Callable[..., Scanner], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment_messages, "MOST_OPEN", 2)
    house = build_house(_listed(), PROVIDE)
    house.start()
    mr1 = scanner()
    association = mr1.associate(house)
    asked = [mr1.ask(association, f"2.25.{number}", (MRImageStorage, "2.25.1")) for number in range(100, 103)]
    assert asked == [0x0000, 0x0000, 0x0213]
    association.release()
