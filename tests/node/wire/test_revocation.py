"""Certificates that their authority has taken back: refused in both directions from the next handshake on."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qsmnode.config import Config
from qsmnode.errors import PeerUnreachable, UsageError
from qsmnode.node.echo import echo
from qsmnode.node.target import target_of, web_target_of
from qsmnode.node.wire.tls import TlsFiles, client_context, explain, server_context
from tests.node.wire.test_tls import files, shake
from tests.peers.certificates import Authority
from tests.peers.dicomweb import DicomwebServer, Reply

REVOKED = "its certificate is not accepted: its authority has revoked it (crl_file)"


@pytest.fixture
def hospital(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_a_revoked_certificate_is_refused_whoever_calls(hospital: Authority) -> None:
    node, good, bad = (hospital.issue(name) for name in ("node", "mr1", "mr2"))
    strict = replace(files(node), crl=hospital.revoke(bad))
    assert isinstance(shake(server_context(strict), client_context(files(good)))[0], dict)
    assert explain(shake(server_context(strict), client_context(files(bad)))[0]) == REVOKED
    assert isinstance(shake(server_context(files(good)), client_context(strict))[1], dict)
    refused, why = shake(server_context(files(bad)), client_context(strict))
    assert explain(why) == REVOKED
    assert "revoked" in explain(refused)


@pytest.mark.parametrize(
    ("days", "words"), [((-3.0, -1.0), "has expired: fetch"), ((1.0, 2.0), "is not valid yet: look")]
)
def test_a_list_that_is_not_valid_now_lets_nobody_in(
    hospital: Authority, days: tuple[float, float], words: str
) -> None:
    node, good = hospital.issue("node"), hospital.issue("mr1")
    crl = hospital.revoke(from_day=days[0], to_day=days[1])
    server = server_context(replace(files(node), crl=crl))
    assert words in explain(shake(server, client_context(files(good)))[0])


def test_every_authority_needs_its_list(hospital: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "Other CA")
    both = tmp_path / "both.pem"
    both.write_bytes(hospital.ca.read_bytes() + other.ca.read_bytes())
    node, guest = hospital.issue("node"), other.issue("guest")
    caller = client_context(replace(files(guest), ca=both))
    lists = tmp_path / "lists.pem"
    lists.write_bytes(hospital.revoke().read_bytes())
    refused = shake(server_context(replace(files(node), ca=both, crl=lists)), caller)[0]
    assert explain(refused).endswith("crl_file holds no list of its authority: add it")
    lists.write_bytes(hospital.revoke().read_bytes() + other.revoke().read_bytes())
    assert isinstance(shake(server_context(replace(files(node), ca=both, crl=lists)), caller)[0], dict)


def _as_certificate(pem: str) -> str:
    """The same bytes under the heading that Python's ssl converts."""
    return pem.replace("X509 CRL", "CERTIFICATE")


def test_what_is_no_list_is_refused_by_name(hospital: Authority, tmp_path: Path) -> None:
    node = files(hospital.issue("node"))
    mixed = tmp_path / "mixed.pem"
    mixed.write_bytes(hospital.revoke().read_bytes() + Authority(tmp_path, "Rogue CA").ca.read_bytes())
    text, binary = tmp_path / "notes.txt", tmp_path / "list.der"
    text.write_text("no list")
    binary.write_bytes(ssl.PEM_cert_to_DER_cert(_as_certificate(hospital.revoke().read_text())))
    for path, words in (
        (text, "holds no PEM revocation lists; authorities often publish DER: convert it"),
        (binary, "holds no PEM revocation lists; authorities often publish DER: convert it"),
        (tmp_path / "absent.crl", "cannot be read (No such file or directory)"),
        (hospital.ca, "holds certificates, or no revocation list"),
        (mixed, "holds certificates, or no revocation list"),
    ):
        for context in (server_context, client_context):
            with pytest.raises(UsageError) as caught:
                context(replace(node, crl=path))
            assert f"node.tls.crl_file: {path} {words}" in str(caught.value)


def test_a_scanner_whose_certificate_is_taken_back_is_out_without_a_restart(
    run_receiver: Callable[..., Any],
    node_config: Callable[..., Config],
    hospital: Authority,
    free_port: Callable[[], int],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And an archive that calls this node by its own list."""
    node, scanner = hospital.issue("node"), hospital.issue("mr1")
    crl = hospital.revoke(hospital.issue("mr2"))
    tls = {**node.setting, "port": free_port(), "crl_file": str(crl)}
    run_receiver(node={"store": str(tmp_path / "store"), "tls": tls})
    peer = {"ae_title": "QSMNODE", "host": "127.0.0.1", "port": tls["port"]}
    own = hospital.revoke(name="own")

    def config(crl_file: Path | None = None) -> Config:
        more = {} if crl_file is None else {"crl_file": str(crl_file)}
        found = node_config(peers={"node": {**peer, "tls": {**scanner.setting, **more}}})
        return found.model_copy(update={"node": found.node.model_copy(update={"ae_title": "MR1"})})

    assert echo(config(own), "node").peer == "node"
    hospital.revoke(node, name="own")
    with pytest.raises(PeerUnreachable, match="its authority has revoked it"):
        echo(config(own), "node")
    assert echo(config(), "node").peer == "node"
    hospital.revoke(scanner)
    with caplog.at_level(logging.WARNING), pytest.raises(PeerUnreachable):
        echo(config(), "node")
    assert REVOKED in caplog.text


def test_a_dicomweb_server_whose_certificate_is_taken_back_gets_nothing(
    node_config: Callable[..., Config], hospital: Authority
) -> None:
    shown = hospital.issue("web")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    crl = hospital.revoke()
    with DicomwebServer(Reply(204), context) as server:
        config = node_config(
            peers={"web": {"stow": server.url, "tls": {"ca": str(hospital.ca), "crl_file": str(crl)}}}
        )
        assert echo(config, "web").peer == "web"
        hospital.revoke(shown)
        with pytest.raises(PeerUnreachable, match="its authority has revoked it"):
            echo(config, "web")


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        ({}, "node.crl"),
        ({"crl_file": "own.crl"}, "own.crl"),
        ({"ca": "other.pem"}, None),  # the node's lists are not of its authorities
        ({"ca": "other.pem", "crl_file": "own.crl"}, "own.crl"),
    ],
)
def test_whose_list_holds(
    node_config: Callable[..., Config], tmp_path: Path, tls: dict[str, str], expected: str | None
) -> None:
    shown = {"certificate": "a", "key": "b", "ca": "c", "crl_file": "node.crl"}
    config = node_config(
        node={"store": str(tmp_path / "store"), "tls": shown},
        peers={
            "pacs": {"ae_title": "PACS", "host": "192.0.2.1", "port": 104, "tls": tls},
            "web": {"stow": "https://192.0.2.1/dicom-web", "tls": tls},
        },
    )
    found: Any = config.peers
    calls: list[TlsFiles] = [web_target_of(config, "web", found["web"]).tls]
    called = target_of(config, "pacs", found["pacs"]).tls
    assert called is not None
    calls.append(called.files)
    assert {each.crl and each.crl.name for each in calls} == {expected}


@pytest.mark.peers("dcmtk")
def test_dcmtk_with_a_revoked_certificate_is_refused(
    run_receiver: Callable[..., Any],
    echoscu: Callable[..., tuple[int, str]],
    hospital: Authority,
    free_port: Callable[[], int],
    tmp_path: Path,
) -> None:
    node, good, bad = (hospital.issue(name) for name in ("node", "mr1", "mr2"))
    tls = {**node.setting, "port": free_port(), "crl_file": str(hospital.revoke(bad))}
    run_receiver(node={"store": str(tmp_path / "store"), "tls": tls})
    assert echoscu(tls["port"], *good.dcmtk)[0] == 0
    assert echoscu(tls["port"], *bad.dcmtk)[0] != 0
