"""An archive that has the study under another patient or request holds the delivery before anything goes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.node.commitment.conftest import House
from tests.peers.commitment import CommittingArchive

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

OURS = {"PatientID": "NETWORK", "AccessionNumber": ""}  # as the fixture writes objects
SECRET = "SOMEBODY-ELSE"


def _house(build: Callable[..., House], archive: CommittingArchive) -> House:
    house = build({"archive": {**archive.peer, "commitment": False, "check_identity": True}})
    house.add(2, "archive")
    house.start()
    return house


@pytest.mark.parametrize(
    "studies",
    [[], [OURS], [{"PatientID": " NETWORK "}], [OURS, OURS]],
    ids=["absent", "the same", "spaces", "twice"],
)
def test_the_same_study_and_an_absent_one_are_sent(
    committing_archive: Callable[..., CommittingArchive],
    build_house: Callable[..., House],
    studies: list[dict[str, str]],
) -> None:
    archive = committing_archive()
    archive.studies = studies
    house = _house(build_house, archive)
    house.until_state("sent")
    assert len(archive.stored) == 2
    (event,) = [each for each in house.store.audit_events.next(100) if each.entity == "query"]
    told = house.store.audit_events.query(event)
    assert told.peer == "archive"
    assert b"1.2.826.0.1.1" in told.asked
    assert b"NETWORK" not in told.asked  # it asks for the patient, and names none


@pytest.mark.parametrize(
    ("study", "named"),
    [
        ({**OURS, "PatientID": SECRET}, "another PatientID,"),
        ({**OURS, "AccessionNumber": SECRET}, "another AccessionNumber,"),
        ({"PatientID": SECRET, "AccessionNumber": SECRET}, "another PatientID and AccessionNumber,"),
    ],
)
def test_a_difference_holds_the_delivery_and_shows_nobodys_data(
    committing_archive: Callable[..., CommittingArchive],
    build_house: Callable[..., House],
    caplog: pytest.LogCaptureFixture,
    study: dict[str, str],
    named: str,
) -> None:
    archive = committing_archive()
    archive.studies = [OURS, study]
    house = _house(build_house, archive)
    held = house.until_state("held")
    assert named in held.reason
    assert not archive.stored
    house.until(lambda: [record for record in caplog.records if record.levelname == "ERROR"], "an alert")
    (alert,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert held.reason in alert
    assert all(value not in held.reason + caplog.text for value in (SECRET, "NETWORK"))
    archive.studies = [OURS]
    house.store.deliveries.retry(held.id)
    house.until_state("sent")


def test_an_archive_that_is_away_is_no_difference_and_nothing_is_sent_unseen(
    committing_archive: Callable[..., CommittingArchive], build_house: Callable[..., House]
) -> None:
    archive = committing_archive()
    archive.studies = [{"PatientID": "NETWORK", "StudyInstanceUID": "2.25.7"}]
    house = _house(build_house, archive)
    house.until(lambda: house.delivery().tries, "a try that ended badly")
    assert "another study than it was asked for" in house.delivery().reason
    assert not archive.stored
