"""A DICOMweb server is asked whether it lists what it was sent, and whose study it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.errors import PeerError
from qsmnode.node.wire import qido
from qsmnode.node.wire.web import WebAnswer
from tests.node.commitment.conftest import SERIES, STUDY, House
from tests.peers.dicomweb import DicomwebServer, Reply, Request, matches, reply
from tests.peers.orthanc import Orthanc

Build = Callable[..., House]
SECRET = "SOMEBODY-ELSE"


class Server(DicomwebServer):
    """Lists what it stored, without what it forgets or lists late."""

    def __init__(self) -> None:
        super().__init__(self._store, found=self._find)
        self.stored: list[str] = []
        self.forgets: Callable[[str], bool] = lambda _uid: False
        self.refuses: Reply | None = None

    def _store(self, request: Request) -> Reply:
        self.stored += request.objects
        return reply(stored=list(request.objects))

    def _find(self, asked: str) -> Reply:
        if self.refuses is not None:
            return self.refuses
        there = [uid for uid in dict.fromkeys(self.stored) if not self.forgets(uid)]
        page = {name: int(value) for name, (value,) in parse_qs(urlsplit(asked).query).items()}
        some = there[page["offset"] : page["offset"] + min(2, page["limit"])]  # less than it was asked for
        return matches(*({"00080018": uid} for uid in some))


def _house(build: Build, server: DicomwebServer, timeout_s: float = 30.0, **peer: Any) -> House:
    house = build({"web": {"stow": server.url, **peer}}, {"timeout_s": timeout_s, "rounds": 2})
    house.add(5, "web")
    house.start()
    return house


def test_what_is_listed_is_committed_and_the_reason_says_by_what(build_house: Build) -> None:
    with Server() as server:
        house = _house(build_house, server, confirm=True)
        row = house.until_state("committed")
    assert row.reason == "web lists all of it (QIDO-RS); DICOMweb knows no storage commitment"
    asked = {urlsplit(each.asked).path for each in server.questions}
    assert asked == {f"/studies/{STUDY}/series/{SERIES}/instances"}
    assert len(server.stored) == 5
    told = [each for each in house.store.audit_events.next(100) if each.entity == "query"]
    assert len(told) == len(server.questions)
    assert house.store.audit_events.query(told[0]).asked.startswith(server.url.encode())


def test_without_it_nobody_is_asked(build_house: Build) -> None:
    with Server() as server:
        assert _house(build_house, server).until_state("sent").reason == ""
    assert server.questions == []


def test_what_is_listed_late_is_waited_for(build_house: Build) -> None:
    with Server() as server:
        server.forgets = lambda uid: uid == "1.2.3"
        house = _house(build_house, server, confirm=True)
        house.until(lambda: "web does not list 1 of 5 objects yet" in house.delivery().reason, "a look")
        assert house.delivery().state == "sent"
        server.forgets = lambda _uid: False
        house.until_state("committed")
    assert len(server.stored) == 5


def test_what_is_forgotten_is_sent_again_and_at_last_parked(build_house: Build) -> None:
    with Server() as server:
        server.forgets = lambda uid: uid == "1.2.3"
        house = _house(build_house, server, timeout_s=0.3, confirm=True)
        row = house.until_state("parked")
        assert row.reason.startswith("web does not list 1 of 5 objects; sent 2 times")
        assert sorted(server.stored) == ["1.2.1", "1.2.2", "1.2.3", "1.2.3", "1.2.4", "1.2.5"]
        server.forgets = lambda _uid: False
        house.store.deliveries.retry(row.id)
        house.until_state("committed")
    assert server.stored.count("1.2.3") == 3


def test_a_server_that_answers_no_questions_leaves_it_unconfirmed(
    build_house: Build, caplog: pytest.LogCaptureFixture
) -> None:
    with Server() as server:
        server.refuses = Reply(501)
        house = _house(build_house, server, timeout_s=0.3, confirm=True)
        row = house.until_state("unconfirmed")
        assert "what it lists is not known: web (http" in row.reason
        assert "HTTP 501" in row.reason
        assert caplog.text.count("asked again later whether it lists") == 1
        server.refuses = None
        house.store.deliveries.retry(row.id)
        house.until_state("committed")
    assert len(server.stored) == 5


OURS = {"0020000D": STUDY, "00100020": "NETWORK"}


@pytest.mark.parametrize(
    "found", [(), (OURS,), ({**OURS, "00080050": " "},)], ids=["absent", "same", "space"]
)
def test_the_same_study_and_an_absent_one_are_sent(build_house: Build, found: tuple[dict[str, str]]) -> None:
    with Server() as server:
        server.found = lambda _asked: matches(*found)
        house = _house(build_house, server, check_identity=True)
        house.until_state("sent")
    (question,) = server.questions
    assert parse_qs(urlsplit(question.asked).query)["StudyInstanceUID"] == [STUDY]
    assert "NETWORK" not in unquote(question.asked)
    assert [each.entity for each in house.store.audit_events.next(100)].count("query") == 1


@pytest.mark.parametrize(
    ("tag", "named"), [("00100020", "another PatientID,"), ("00080050", "another AccessionNumber,")]
)
def test_a_difference_holds_the_delivery(
    build_house: Build, caplog: pytest.LogCaptureFixture, tag: str, named: str
) -> None:
    with Server() as server:
        server.found = lambda _asked: matches(OURS, {**OURS, tag: SECRET})
        house = _house(build_house, server, check_identity=True)
        held = house.until_state("held")
        assert named in held.reason
        assert server.stored == []
        assert SECRET not in held.reason + caplog.text
        server.found = lambda _asked: matches(OURS)
        house.store.deliveries.retry(held.id)
        house.until_state("sent")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (matches({"0020000D": "2.25.7", "00100020": "NETWORK"}), "another study than it was asked for"),
        (Reply(200, b"<html>"), "an answer to QIDO-RS that is no JSON"),
        (Reply(200, b"[1]"), "an answer to QIDO-RS that is no list of matches"),
        (Reply(400), "answers QIDO-RS with HTTP 400; check_identity of this peer needs QIDO-RS"),
        (Reply(503), "answers QIDO-RS with HTTP 503"),
        (Reply(401), "HTTP 401: credentials are wanted or wrong"),
    ],
)
def test_nothing_is_sent_unseen(build_house: Build, answer: Reply, words: str) -> None:
    with Server() as server:
        server.found = lambda _asked: answer
        house = _house(build_house, server, check_identity=True)
        house.until(lambda: house.delivery().tries, "a try that ended badly")
        assert words in house.delivery().reason
    assert server.stored == []


def test_orthanc_lists_what_it_has_and_says_whose_study_it_is(build_house: Build, orthanc: Orthanc) -> None:
    """By the ledger all was acknowledged, and Orthanc has nothing; then it has somebody else's."""
    web = {"stow": orthanc.dicomweb_url, "user": orthanc.user, "password": orthanc.password}
    house = build_house({"web": {**web, "confirm": True, "check_identity": True}}, {"timeout_s": 0.5})
    product = house.add(3, "web")
    delivery = house.store.deliveries.claim([])
    assert delivery is not None
    house.store.deliveries.acknowledged(delivery, house.store.deliveries.unsent(delivery))
    house.store.deliveries.sent(delivery.id)
    house.start()
    house.until_state("committed")
    assert sorted(orthanc.instances()) == ["1.2.1", "1.2.2", "1.2.3"]
    history = house.store.database.rows("SELECT reason FROM event WHERE entity = 'delivery' ORDER BY id")
    assert "web does not list 3 of 3 objects" in [row["reason"] for row in history]
    file = pydicom.dcmread(house.store.path(house.store.deliveries.objects_of(product)[0].path))
    orthanc.clear()
    file.PatientID, file.SOPInstanceUID = SECRET, "1.2.99"
    file.file_meta.MediaStorageSOPInstanceUID = "1.2.99"
    raw = BytesIO()
    file.save_as(raw)
    orthanc.request("POST", "/instances", raw.getvalue())
    house.add(2, "web", first=50)
    assert "another PatientID," in house.until_state("held").reason
    assert list(orthanc.instances()) == ["1.2.99"]


class _Session:
    """Answers every question with the same bytes."""

    def __init__(self, answer: WebAnswer) -> None:
        self._answer = answer

    def studies(self, _study: str, _keywords: object) -> WebAnswer:
        return self._answer

    def instances(self, *_: object, **__: object) -> WebAnswer:
        return self._answer


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(st.sampled_from(["0020000D", "00080018", "Value", "vr"]), inside, max_size=4)
    ),
    max_leaves=20,
)


@given(st.integers(100, 599), st.binary(max_size=40) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_no_answer_breaks_it(status: int, body: bytes) -> None:
    session: Any = _Session(WebAnswer(status, body))
    for ask in (
        lambda: qido.studies(session, "1.2", ["StudyInstanceUID"]),
        lambda: qido.instances(session, "1.2", "1.3"),
    ):
        try:
            found = ask()
        except PeerError:
            continue
        assert all(isinstance(each, str | dict) for each in found)
