"""An archive answers for what it was sent, by its report alone: on this association, another, or never."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from qsmnode.node.wire.tls import TlsFiles, client_context, server_context
from tests.node.commitment.conftest import House
from tests.peers.certificates import Authority
from tests.peers.commitment import CommittingArchive
from tests.peers.orthanc import Orthanc

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

Archive = Callable[..., CommittingArchive]
Build = Callable[..., House]

NO_SUCH_OBJECT, CONFLICT, LATER = 0x0112, 0x0119, 0x0213


@pytest.mark.parametrize("same", [True, False], ids=["same association", "another association"])
def test_a_report_commits_a_delivery(committing_archive: Archive, build_house: Build, same: bool) -> None:
    archive = committing_archive()
    house = build_house({"archive": archive.peer})
    archive.node = None if same else lambda: house.port
    house.add(5, "archive")
    house.start()
    house.until_state("committed")
    ((_, uids),) = archive.requests
    assert sorted(uids) == sorted(archive.stored)
    house.until(lambda: archive.answers == [0x0000], "an answer to the report")
    assert [row.state for row in house.store.commitments.all()] == ["settled"]


def test_a_report_comes_through_tls(committing_archive: Archive, build_house: Build, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    shown = authority.issue("pacs")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    archive = committing_archive(tls=context)
    house = build_house({"archive": {**archive.peer, "tls": {"ca": str(shown.ca)}}})
    house.add(3, "archive")
    house.start()
    house.until_state("committed")
    house.until(lambda: archive.answers == [0x0000], "an answer to the report")


def test_a_report_comes_in_on_the_port_for_tls_from_the_archive_alone(
    committing_archive: Archive,
    build_house: Build,
    free_port: Callable[[], int],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """On an association that the archive opens, with its certificate: there is no other port."""
    authority = Authority(tmp_path)
    pacs, other = authority.issue("pacs"), authority.issue("other")
    files = TlsFiles("", pacs.certificate, pacs.key, pacs.ca)
    archive = committing_archive(tls=server_context(files), calls_with=client_context(files))
    shown = authority.issue("node").setting
    house = build_house(
        {"archive": {**archive.peer, "tls": {}, "certificate_subject": "CN=pacs"}},
        {"linger_s": 0},
        node={"store": str(tmp_path / "store"), "tls": {**shown, "port": free_port()}},
    )
    archive.node, archive.silent = lambda: house.port, True
    house.add(3, "archive")
    house.start()
    house.until(lambda: [row.state for row in house.store.commitments.all()] == ["asked"], "a request")
    ((transaction, uids),) = archive.requests
    for context, words in (
        (None, "it does not speak TLS"),
        (client_context(TlsFiles("", other.certificate, other.key, other.ca)), "commonName=other"),
    ):
        archive.calls_with = context
        assert archive.report(transaction, uids, house.port) == -1
        house.until(lambda words=words: words in caplog.text, words)
    assert house.delivery().state == "sent"
    archive.calls_with = client_context(files)
    assert archive.report(transaction, uids, house.port) == 0x0000
    house.until_state("committed")


def test_orthanc_reports_on_the_port_for_tls(
    start_orthanc: Callable[..., Orthanc], build_house: Build, free_port: Callable[[], int], tmp_path: Path
) -> None:
    """Mutual TLS in both directions: the images and the request go to it, the report comes from it."""
    authority = Authority(tmp_path)
    pacs = authority.issue("pacs")
    orthanc = start_orthanc(
        settings={
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(pacs.certificate),
            "DicomTlsPrivateKey": str(pacs.key),
            "DicomTlsTrustedCertificates": str(pacs.ca),
        }
    )
    archive = {"ae_title": orthanc.aet, "host": "127.0.0.1", "port": orthanc.dicom_port, "commitment": True}
    house = build_house(
        {"archive": {**archive, "tls": {}, "certificate_subject": "CN=pacs"}},
        node={
            "store": str(tmp_path / "store"),
            "tls": {**authority.issue("node").setting, "port": free_port()},
        },
    )
    orthanc.add_modality("qsmnode", "QSMNODE", house.port, tls=True)
    house.add(4, "archive")
    house.start()
    house.until_state("committed")
    assert sorted(orthanc.instances()) == ["1.2.1", "1.2.2", "1.2.3", "1.2.4"]


@pytest.mark.parametrize(
    "code", [NO_SUCH_OBJECT, CONFLICT, -1], ids=["no such object", "conflict", "unnamed"]
)
def test_what_an_archive_has_lost_is_sent_and_asked_for_again(
    committing_archive: Archive, build_house: Build, code: int
) -> None:
    archive = committing_archive()
    archive.verdict = lambda uid: code if uid == "1.2.3" and archive.stores.count(uid) == 1 else 0
    house = build_house({"archive": archive.peer})
    house.add(4, "archive")
    house.start()
    house.until_state("committed")
    assert sorted(archive.stores) == ["1.2.1", "1.2.2", "1.2.3", "1.2.3", "1.2.4"]
    assert [uids for _, uids in archive.requests][1:] == [("1.2.3",)]
    assert len({transaction for transaction, _ in archive.requests}) == 2


def test_one_object_that_is_refused_for_good_parks_the_delivery_until_it_is_mended(
    committing_archive: Archive, build_house: Build
) -> None:
    archive = committing_archive(lambda uid: CONFLICT if uid == "1.2.2" else 0)
    house = build_house({"archive": archive.peer}, {"rounds": 2})
    house.add(3, "archive")
    house.start()
    parked = house.until_state("parked")
    assert "archive does not answer for 1 of 3 objects: 1 x 0x0119" in parked.reason
    assert archive.stores.count("1.2.2") == 2
    assert archive.stores.count("1.2.1") == 1
    archive.verdict = lambda _uid: 0
    house.store.deliveries.retry(parked.id)
    house.until_state("committed")
    assert archive.stores.count("1.2.2") == 3


def test_success_that_is_forgotten_is_found_by_commitment(
    committing_archive: Archive, build_house: Build
) -> None:
    """It says that it stored them, and has nothing: every time."""
    archive = committing_archive(lambda _uid: NO_SUCH_OBJECT)
    house = build_house({"archive": archive.peer}, {"rounds": 2})
    house.add(3, "archive")
    house.start()
    parked = house.until_state("parked")
    assert "3 of 3 objects: 3 x 0x0112, no such object" in parked.reason
    assert "look at its log, then retry" in parked.reason


@pytest.mark.parametrize("forgotten", [0, 1])
def test_without_a_report_a_delivery_is_unconfirmed_and_says_what_is_listed(
    committing_archive: Archive, build_house: Build, forgotten: int
) -> None:
    archive = committing_archive(silent=True)
    house = build_house({"archive": archive.peer}, {"timeout_s": 0.5, "linger_s": 0})
    house.add(3, "archive")
    house.start()
    house.until(lambda: archive.requests, "a request")
    for uid in list(archive.stored)[:forgotten]:
        del archive.stored[uid]
    reason = house.until_state("unconfirmed").reason
    assert "archive has not reported within 0.5 s" in reason
    assert f"it lists {3 - forgotten} of 3 objects" in reason
    assert "query" in [each.entity for each in house.store.audit_events.next(100)]
    ((transaction, uids),) = archive.requests
    assert archive.report(transaction, uids, house.port) == 0x0000  # late is better than never
    house.until_state("committed")


def test_an_archive_without_storage_commitment_is_told_of(
    committing_archive: Archive, build_house: Build
) -> None:
    archive = committing_archive(takes=False)
    house = build_house({"archive": archive.peer})
    house.add(2, "archive")
    house.start()
    reason = house.until_state("unconfirmed").reason
    assert "takes no storage commitment: SOP class refused; it lists 2 of 2 objects" in reason


def test_a_request_that_is_refused_for_now_is_made_again_under_another_uid(
    committing_archive: Archive, build_house: Build
) -> None:
    archive = committing_archive()
    archive.action_status = LATER
    house = build_house({"archive": archive.peer})
    house.add(2, "archive")
    house.start()
    house.until(lambda: len(archive.requests) >= 2, "two requests")
    archive.action_status = 0x0000
    house.until_state("committed")
    transactions = [transaction for transaction, _ in archive.requests]
    assert len(set(transactions)) == len(transactions)


def test_a_request_survives_the_node_and_its_report_does_not_need_the_same_one(
    committing_archive: Archive, build_house: Build
) -> None:
    archive = committing_archive(silent=True)
    house = build_house({"archive": archive.peer}, {"linger_s": 0})
    house.add(3, "archive")
    house.start()
    house.until(lambda: any(row.state == "asked" for row in house.store.commitments.all()), "a request")
    house.stop()
    house.start()
    # a report may have come while nobody was there
    house.until(lambda: [row.state for row in house.store.commitments.all()] == ["lost", "asked"], "another")
    transaction, uids = archive.requests[0]
    assert archive.report(transaction, uids, house.port) == 0x0000
    house.until_state("committed")
    for transaction, uids in archive.requests:
        assert archive.report(transaction, uids, house.port) == 0x0000  # changes nothing any more
    house.until(
        lambda: [row.state for row in house.store.commitments.all()] == ["settled", "settled"], "the end"
    )
    assert house.delivery().state == "committed"


def test_a_report_that_nobody_asked_for_is_an_invalid_argument(
    committing_archive: Archive, build_house: Build
) -> None:
    archive = committing_archive(silent=True)
    other = committing_archive(silent=True, aet="OTHER")
    house = build_house({"archive": archive.peer, "other": other.peer}, {"linger_s": 0})
    house.add(1, "archive")
    house.start()
    house.until(lambda: archive.requests, "a request")
    ((transaction, uids),) = archive.requests
    assert archive.report("2.25.1", ("1.2.1",), house.port) == 0x0115
    assert other.report(transaction, uids, house.port) == 0x0115  # nor another peer
    assert house.delivery().state == "sent"


def test_an_archive_that_hangs_up_when_it_is_asked_is_one_alert_and_one_when_it_answers(
    committing_archive: Archive, build_house: Build, caplog: pytest.LogCaptureFixture
) -> None:
    archive = committing_archive()
    archive.hangs_up = True
    house = build_house({"archive": archive.peer})
    house.add(2, "archive")
    house.start()
    house.until(lambda: sum(row.state == "lost" for row in house.store.commitments.all()) >= 3, "three tries")
    assert "not asked for storage commitment yet: archive (ARCHIVE" in house.delivery().reason
    archive.hangs_up = False
    house.until_state("committed")
    assert caplog.text.count("asked for storage commitment again later") == 1
    assert caplog.text.count("can be asked for storage commitment again") == 1


def test_an_unconfirmed_delivery_is_asked_about_again_on_request(
    committing_archive: Archive, build_house: Build
) -> None:
    archive = committing_archive(silent=True)
    house = build_house({"archive": archive.peer}, {"timeout_s": 0.3, "linger_s": 0})
    house.add(2, "archive")
    house.start()
    unconfirmed = house.until_state("unconfirmed")
    archive.silent = False
    archive.node = lambda: house.port
    house.store.deliveries.retry(unconfirmed.id)
    house.until_state("committed")
    assert len(archive.stores) == 2  # nothing is sent again for it
