"""DICOM TLS on the way in, with DCMTK's programs as scanners."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qsmnode.config import Config
from qsmnode.errors import UsageError
from qsmnode.ledger import Store
from qsmnode.node.echo import echo
from qsmnode.node.receiver import Receiver
from tests.peers.certificates import Authority

Echoscu = Callable[..., tuple[int, str]]
Run = Callable[..., Any]


@pytest.fixture
def hospital(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def start(run_receiver: Run, hospital: Authority, free_port: Callable[[], int], tmp_path: Path) -> Run:
    """A receiver with TLS alone; start(certificate_subject=...) of MR1."""

    def started(**peer: object) -> Any:
        tls = {**hospital.issue("node").setting, "port": free_port()}
        peers = {"mr1": {"ae_title": "MR1", "host": "127.0.0.1", **peer}}
        return run_receiver(node={"store": str(tmp_path / "store"), "tls": tls}, peers=peers)

    return started


def test_a_scanner_with_a_certificate_sends(
    start: Run,
    storescu: Callable[..., Any],
    hospital: Authority,
    write_object: Callable[..., Path],
    tmp_path: Path,
) -> None:
    node = start(certificate_subject="CN=mr1, O=Hospital")
    sent = [write_object(tmp_path / f"{n}.dcm", f"1.2.{n}", seed=n, size=300_000) for n in (1, 2, 3)]
    result = storescu(sent, node.port, *hospital.issue("mr1").dcmtk)
    assert set(result.statuses.values()) == {0}
    assert len(node.rows()) == 3


def test_everybody_else_is_refused_with_words(
    start: Run, echoscu: Echoscu, hospital: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    node = start(certificate_subject="CN=mr1")
    good = hospital.issue("mr1")
    rogue = replace(Authority(tmp_path, "Rogue CA").issue("mr1"), ca=hospital.ca)
    expired = hospital.issue("old", from_day=-2, to_day=-1)
    for options, words in (
        (rogue.dcmtk, "its certificate is not accepted: unable to get local issuer certificate"),
        (expired.dcmtk, "its certificate is not accepted: certificate has expired"),
        (("+tla", "+cf", str(hospital.ca)), "it showed no certificate"),
        ((), "it does not speak TLS"),
        (hospital.issue("mr2").dcmtk, "organizationName=Hospital, commonName=mr2"),
    ):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            code, _ = echoscu(node.port, *options)
            assert code != 0, words
            for _ in range(500):  # the caller may have gone before the line is written
                if words in caplog.text:
                    break
                time.sleep(0.02)
        assert words in caplog.text
        assert echoscu(node.port, *good.dcmtk)[0] == 0
    assert node.rows() == []


def test_a_plain_port_is_open_where_it_is_stated_and_no_way_around_a_certificate(
    run_receiver: Run, echoscu: Echoscu, hospital: Authority, free_port: Callable[[], int], tmp_path: Path
) -> None:
    tls = {**hospital.issue("node").setting, "port": free_port()}
    peers = {
        "mr1": {"ae_title": "MR1", "host": "127.0.0.1", "certificate_subject": "CN=mr1"},
        "mr2": {"ae_title": "MR2", "host": "127.0.0.1"},
    }
    plain = free_port()
    run_receiver(node={"store": str(tmp_path / "store"), "port": plain, "tls": tls}, peers=peers)
    assert echoscu(plain, calling="MR2")[0] == 0
    assert echoscu(plain, calling="MR1")[0] != 0
    assert echoscu(tls["port"], *hospital.issue("mr1").dcmtk)[0] == 0


def test_a_key_that_others_can_read_ends_the_start(
    node_config: Callable[..., Config], hospital: Authority, tmp_path: Path
) -> None:
    shown = hospital.issue("node")
    shown.key.chmod(0o644)
    config = node_config(node={"store": str(tmp_path / "store"), "tls": shown.setting})
    with Store(config.node.store) as store, pytest.raises(UsageError, match=r"node\.tls\.key.* mode 0644"):
        Receiver(config, store).start()


def test_a_renewed_certificate_is_shown_without_a_restart(
    start: Run, echoscu: Echoscu, hospital: Authority
) -> None:
    node = start()
    hospital.issue("node", from_day=-2, to_day=-1)
    good = hospital.issue("mr1").dcmtk
    assert echoscu(node.port, *good)[0] != 0  # DCMTK finds it expired
    hospital.issue("node")
    assert echoscu(node.port, *good)[0] == 0


def test_this_node_answers_itself(
    start: Run, node_config: Callable[..., Config], hospital: Authority
) -> None:
    port = start().port
    shown = hospital.issue("mr1").setting
    me = {"ae_title": "QSMNODE", "host": "127.0.0.1", "port": port, "tls": shown}

    def config(**peer: object) -> Config:
        found = node_config(peers={"me": {**me, **peer}})
        return found.model_copy(update={"node": found.node.model_copy(update={"ae_title": "MR1"})})

    assert echo(config(), "me").implementation.startswith("QSMNODE ")
    assert echo(config(certificate_subject="CN=node"), "me").where == f"127.0.0.1:{port}"
