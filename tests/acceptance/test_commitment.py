"""Storage commitment with the real Orthanc: it answers for results, and is promised what it sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from qsmnode.ledger import Store
from tests.acceptance.running import RunningNode
from tests.peers.orthanc import Orthanc

MR, ENHANCED = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
NO_SUCH_OBJECT, CONFLICT = 0x0112, 0x0119
UIDS = [f"2.25.77{number}" for number in range(6)]


def _write(path: Path, uid: str) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MR, uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    item = FileDataset(str(path), {}, file_meta=meta)
    item.SOPClassUID, item.SOPInstanceUID = MR, uid
    item.StudyInstanceUID, item.SeriesInstanceUID = "2.25.700", "2.25.701"
    item.PatientID, item.PatientName, item.Modality = "COMMITMENT", "Test^Commitment", "MR"
    path.parent.mkdir(parents=True, exist_ok=True)
    item.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def node(orthanc: Orthanc, tmp_path: Path) -> Iterator[RunningNode]:
    """Not started; Orthanc knows it, and is asked for commitment."""
    archive = f"{{ae_title: {orthanc.aet}, host: 127.0.0.1, port: {orthanc.dicom_port}, commitment: true}}"
    running = RunningNode(tmp_path / "node", archive, more="commitment: {provide: true}\n")
    orthanc.add_modality("qsmnode", "QSMNODE", running.port)
    yield running
    running.stop()


def _deliver(node: RunningNode, *, pretend_sent: bool) -> None:
    """A product of six objects as a job leaves it, or as a sender leaves it that was told Success."""
    with Store(node.store) as store:
        acquisition = store.acquisitions.open("2.25.700", "key", deadline_at=9e9)
        store.acquisitions.move(acquisition, "ignored", "made by a test")
        job = store.jobs.queue(acquisition, "qsm", "hash", {"route": "brain"})
        claimed = store.jobs.claim(60)
        assert claimed is not None
        objects = []
        for uid in UIDS:
            relative = f"products/{job}/{uid}.dcm"
            _write(store.path(relative), uid)
            objects.append((MR, uid, relative))
        store.jobs.succeed(claimed, {})
        store.deliveries.add_product(job, "qsm", "2.25.701", objects, ["archive"])
        if pretend_sent:
            delivery = store.deliveries.claim([])
            assert delivery is not None
            store.deliveries.acknowledged(delivery, store.deliveries.unsent(delivery))
            store.deliveries.sent(delivery.id)


def _until(node: RunningNode, state: str) -> dict[str, Any]:
    def reached() -> dict[str, Any]:
        (row,) = node.deliveries()
        return row if row["state"] == state else {}

    row: dict[str, Any] = node.until(reached, 120, f"a delivery {state}")
    return row


def test_orthanc_answers_for_a_delivery_and_what_it_forgot_is_sent_again(
    orthanc: Orthanc, node: RunningNode, storescu: Callable[..., Any], tmp_path: Path
) -> None:
    """By the ledger all was acknowledged, Orthanc has two of six: only its report tells.

    It is away at first, and the node is killed meanwhile.
    """
    _deliver(node, pretend_sent=True)
    here = [_write(tmp_path / "here" / uid, uid) for uid in UIDS[:2]]
    storescu(here, orthanc.dicom_port, called=orthanc.aet)
    orthanc.stop()
    node.start()
    node.until(lambda: "not asked for storage commitment yet" in node.deliveries()[0]["reason"], 60, "a try")
    node.kill()
    orthanc.start()
    orthanc.add_modality("qsmnode", "QSMNODE", node.port)  # it has forgotten that as well
    node.start()
    _until(node, "committed")
    assert sorted(orthanc.instances()) == UIDS
    node.until(lambda: "archive answers for all of it" in node.log.read_text(), 60, "the end in the log")
    lost = "archive does not answer for 4 of 6 objects: 4 x 0x0112, no such object"
    assert lost in node.log.read_text()


def _report(orthanc: Orthanc, items: list[tuple[str, str]], node: RunningNode) -> dict[str, Any]:
    asked = {"DicomInstances": [{"SOPClassUID": c, "SOPInstanceUID": uid} for c, uid in items]}
    answer = orthanc.request("POST", "/modalities/qsmnode/storage-commitment", json.dumps(asked).encode())
    identity = json.loads(answer)["ID"]

    def answered() -> dict[str, Any]:
        report: dict[str, Any] = orthanc.get(f"/storage-commitment/{identity}")
        return report if report["Status"] != "Pending" else {}

    report: dict[str, Any] = node.until(answered, 120, "a report")
    return report


def test_orthanc_is_promised_what_it_sent_and_told_by_code_what_not(
    orthanc: Orthanc, node: RunningNode, storescu: Callable[..., Any], tmp_path: Path
) -> None:
    node.start()
    storescu([_write(tmp_path / uid, uid) for uid in UIDS[:3]], orthanc.dicom_port, called=orthanc.aet)
    orthanc.request("POST", "/modalities/qsmnode/store", json.dumps([*orthanc.instances().values()]).encode())
    whole = _report(orthanc, [(MR, uid) for uid in UIDS[:3]], node)
    assert whole["Status"] == "Success"
    assert sorted(item["SOPInstanceUID"] for item in whole["Success"]) == UIDS[:3]
    part = _report(orthanc, [(MR, UIDS[0]), (ENHANCED, UIDS[1]), (MR, UIDS[4])], node)
    assert part["Status"] == "Failure"
    assert [item["SOPInstanceUID"] for item in part["Success"]] == UIDS[:1]
    reasons = {item["SOPInstanceUID"]: item["FailureReason"] for item in part["Failures"]}
    assert reasons == {UIDS[1]: CONFLICT, UIDS[4]: NO_SUCH_OBJECT}
    with Store(node.store, read_only=True) as store:
        assert store.promises.counts() == {"kept": 3}
        assert [row.state for row in store.promises.all()] == ["reported", "reported"]
