"""Deliveries to DICOMweb servers by STOW-RS: good ones, full ones, wrong ones."""

from __future__ import annotations

import base64
import json
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.errors import PeerRefused, PeerUnreachable
from qsmnode.node.echo import echo
from qsmnode.node.sender.decide import Outcome
from qsmnode.node.sender.stow import is_about_the_request, verdicts
from qsmnode.node.sender.to_web import batches
from qsmnode.node.wire import web
from qsmnode.node.wire.tls import TlsFiles, client_context, server_context
from qsmnode.node.wire.web import WebAnswer
from tests.peers.certificates import Authority
from tests.peers.dicomweb import DicomwebServer, Reply, Request, reply

OutboxOf = Callable[..., Any]


def all_stored(request: Request) -> Reply:
    return reply(stored=list(request.objects))


def test_everything_arrives_byte_for_byte_in_batches(outbox: OutboxOf) -> None:
    with DicomwebServer(all_stored) as server:
        box = outbox({"web": {"stow": server.url + "/", "batch": 4, "token": "a-token"}})
        box.add(10, "web", size=300_000)
        box.start()
        box.wait("web", "sent")
    assert server.broken == []
    assert [len(request.objects) for request in server.requests] == [4, 4, 2]
    assert {request.headers["Authorization"] for request in server.requests} == {"Bearer a-token"}
    for request in server.requests:
        for uid, raw in request.objects.items():
            assert raw == box.sent_files[uid].read_bytes()


def test_some_objects_refused_for_good(outbox: OutboxOf) -> None:
    def answer(request: Request) -> Reply:
        bad = [uid for uid in request.objects if uid in ("1.2.2", "1.2.5")]
        return reply(202, [uid for uid in request.objects if uid not in bad], dict.fromkeys(bad, 0xA900))

    with DicomwebServer(answer) as server:
        box = outbox({"web": {"stow": server.url, "batch": 3}})
        box.add(6, "web")
        box.start()
        row = box.wait("web", "parked")
        assert "refuses 2 of 6 objects: 2 x 0xA900" in row.reason
        assert len(box.store.deliveries.unsent(row)) == 2
        server.answer = all_stored
        box.store.deliveries.retry(row.id)
        box.wait("web", "sent")
    assert server.received[6:] == ["1.2.2", "1.2.5"]


def test_a_request_refused_as_a_whole_is_halved_until_it_is_clear_which_object_is_to_blame(
    outbox: OutboxOf,
) -> None:
    with DicomwebServer(lambda r: Reply(415) if "1.2.3" in r.objects else all_stored(r)) as server:
        box = outbox({"web": {"stow": server.url}})
        box.add(8, "web")
        box.start()
        row = box.wait("web", "parked")
        assert "refuses 1 of 8 objects: 1 x HTTP 415" in row.reason
        assert [item.sop_instance_uid for item in box.store.deliveries.unsent(row)] == ["1.2.3"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Reply(503), "cannot store now: HTTP 503"),
        (reply(202, failed={"1.2.1": 0xA700}), "0xA700, out of resources"),
        (reply(200, stored=["1.2.9"]), "does not name every object"),
        (Reply(401), "HTTP 401: credentials are wanted or wrong"),
        (Reply(404), "HTTP 404: no such service: correct the URL"),
        (Reply(307, headers=(("Location", "http://127.0.0.1:9/"),)), "points to another URL (HTTP 307)"),
        (Reply(200, b"x" * (9 << 20)), "an answer of more than 8 MB"),
        (reply(200, pause_s=2.0), "nothing came in time"),
    ],
)
def test_what_may_get_better_is_tried_again(outbox: OutboxOf, answer: Reply, words: str) -> None:
    with DicomwebServer(answer) as server:
        box = outbox({"web": {"stow": server.url}}, attempts=2, response_timeout_s=0.8)
        box.add(1, "web")
        box.start()
        row = box.wait("web", "parked")
        assert words in row.reason
        assert row.tries == 2
        assert server.received == ["1.2.1", "1.2.1"]
        assert server.broken == []


def test_a_server_that_is_away_and_comes_back(outbox: OutboxOf, caplog: pytest.LogCaptureFixture) -> None:
    server = DicomwebServer(all_stored)
    box = outbox({"web": {"stow": server.url}}, connect_timeout_s=0.3, response_timeout_s=0.3)
    box.add(2, "web")
    with caplog.at_level(logging.WARNING):
        box.start()
        box.wait_until(lambda: box.delivery("web").tries >= 2, "web")  # it listens, and does not answer
        with server:
            box.wait("web", "sent")
    told = [record.getMessage() for record in caplog.records]
    assert len([words for words in told if "tried again" in words]) == 1
    assert len([words for words in told if words == "web takes objects again"]) == 1


def test_https_with_an_own_authority_a_certificate_and_a_password(
    outbox: OutboxOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[ssl.SSLContext] = []

    def kept(files: TlsFiles) -> ssl.SSLContext:
        used.append(client_context(files))
        return used[-1]

    monkeypatch.setattr(web, "client_context", kept)
    hospital, rogue = Authority(tmp_path), Authority(tmp_path, "Rogue CA")
    shown, node = hospital.issue("web"), hospital.issue("node")
    context = server_context(TlsFiles("", shown.certificate, shown.key, shown.ca))
    with DicomwebServer(all_stored, context) as server:
        base = {"stow": server.url, "user": "node", "password": "a:pass"}
        box = outbox(
            {
                "web": {**base, "tls": node.setting},
                "untrusted": {**base, "tls": {**node.setting, "ca": str(rogue.ca)}},
                "system": {**base},
                "bare": {**base, "tls": {"ca": str(hospital.ca)}},
            },
            attempts=1,
        )
        box.add(1, "web", "untrusted", "system", "bare")
        box.start()
        box.wait("web", "sent")
        assert "its certificate is not accepted" in box.wait("untrusted", "parked").reason
        assert "its certificate is not accepted" in box.wait("system", "parked").reason
        box.wait("bare", "parked")
        assert server.received == ["1.2.1"]
        token = base64.b64encode(b"node:a:pass").decode()
        assert server.requests[0].headers["Authorization"] == f"Basic {token}"
        used.clear()
        assert echo(box.config, "web").where == server.url
        assert len(used[0].get_ca_certs()) == 1  # nobody else's are trusted besides


def test_echo_says_whether_it_is_there_and_takes_our_credentials(outbox: OutboxOf) -> None:
    with DicomwebServer(Reply(204)) as server:
        box = outbox({"web": {"stow": server.url, "token": "t"}})
        assert echo(box.config, "web").peer == "web"
        assert server.questions[0].headers["Authorization"] == "Bearer t"
        server.answer = Reply(403)
        with pytest.raises(PeerRefused, match="HTTP 403: it does not allow this"):
            echo(box.config, "web")
        server.answer = Reply(502)
        with pytest.raises(PeerUnreachable, match="HTTP 502"):
            echo(box.config, "web")
    with pytest.raises(PeerUnreachable, match="Connection refused"):
        echo(box.config, "web")


def test_orthanc_takes_them(outbox: OutboxOf, orthanc: Any) -> None:
    right = {"stow": orthanc.dicomweb_url, "user": orthanc.user, "password": orthanc.password}
    box = outbox({"web": right, "wrong": {**right, "password": "wrong"}}, attempts=1)
    box.add(60, "web", "wrong", size=60_000)
    box.start()
    box.wait("web", "sent")
    assert len(orthanc.instances()) == 60
    assert orthanc.file("1.2.7") == box.sent_files["1.2.7"].read_bytes()
    assert "HTTP 401" in box.wait("wrong", "parked").reason
    assert echo(box.config, "web").where == orthanc.dicomweb_url


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(["1.2.1", "1.2.2"]),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(["00081198", "00081199", "00081155", "00081197", "Value", "vr"]),
            inside,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.integers(100, 599), st.binary(max_size=40) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_no_answer_breaks_it_and_none_but_a_clear_one_is_an_acknowledgement(status: int, body: bytes) -> None:
    answer = WebAnswer(status, body)
    found = verdicts(answer, ["1.2.1", "1.2.2"])
    assert set(found) == {"1.2.1", "1.2.2"}
    for uid, verdict in found.items():
        if verdict.outcome is Outcome.ACKNOWLEDGED:
            assert status == 200 or uid.encode() in body
    if is_about_the_request(answer):
        assert {verdict.outcome for verdict in found.values()} == {Outcome.REFUSED}


def test_a_nest_of_lists_is_no_answer() -> None:
    assert verdicts(WebAnswer(202, b"[" * 100_000), ["1.2.1"])["1.2.1"].outcome is Outcome.LATER


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 10), st.integers(1, 100))
def test_batches_hold_every_object_once_and_fit(sizes: list[int], most: int, most_bytes: int) -> None:
    found = list(batches(sizes, most, most_bytes))
    assert [index for batch in found for index in batch] == list(range(len(sizes)))
    for batch in found:
        assert 1 <= len(batch) <= most
        assert len(batch) == 1 or sum(sizes[index] for index in batch) <= most_bytes
