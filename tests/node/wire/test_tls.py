"""TLS contexts: whom they accept, which files they refuse, and how they are renewed."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.errors import UsageError
from qsmnode.node.wire.tls import Renewable, TlsFiles, client_context, explain, has_subject, server_context
from tests.peers.certificates import Authority, Shown, with_password


@pytest.fixture
def hospital(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def files(shown: Shown) -> TlsFiles:
    return TlsFiles("node.tls", shown.certificate, shown.key, shown.ca)


def shake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[Any, Any]:
    """What each side knows of the other after a handshake and a byte: a certificate, or its error."""
    ends: list[Any] = [None, None]
    links = socket.socketpair()

    def one(side: int, wrap: Callable[[socket.socket], ssl.SSLSocket]) -> None:
        links[side].settimeout(10)
        try:
            with wrap(links[side]) as link:
                link.sendall(b"x")
                assert link.recv(1) == b"x"
                ends[side] = link.getpeercert()
        except OSError as error:
            ends[side] = error
        finally:
            links[side].close()

    there = threading.Thread(target=one, args=(0, lambda link: server.wrap_socket(link, server_side=True)))
    there.start()
    one(1, lambda link: client.wrap_socket(link, server_hostname="localhost"))
    there.join()
    return ends[0], ends[1]


def test_both_sides_show_a_certificate(hospital: Authority) -> None:
    node, scanner = files(hospital.issue("node")), files(hospital.issue("mr1"))
    at_node, at_scanner = shake(server_context(node), client_context(scanner))
    assert has_subject(at_node, "CN=mr1, O=Hospital")
    assert has_subject(at_scanner, "CN=node")
    assert not has_subject(at_node, "CN=mr2")


def test_who_is_not_accepted(hospital: Authority, tmp_path: Path) -> None:
    node, scanner = files(hospital.issue("node")), files(hospital.issue("mr1"))
    rogue = replace(files(Authority(tmp_path, "Rogue CA").issue("mr1")), ca=hospital.ca)
    expired = files(hospital.issue("old", from_day=-2, to_day=-1))
    early = files(hospital.issue("new", from_day=1, to_day=2))
    nothing = TlsFiles("", ca=hospital.ca)
    elsewhere = files(hospital.issue("other", hosts=["pacs.example"]))
    for caller, words in (
        (rogue, "not accepted: unable to get local issuer certificate"),
        (expired, "not accepted: certificate has expired"),
        (early, "not accepted: certificate is not yet valid"),
        (nothing, "it showed no certificate"),
    ):
        at_node, at_caller = shake(server_context(node), client_context(caller))
        assert words in explain(at_node)
        assert isinstance(at_caller, OSError)
    for called, words in (
        (
            replace(files(Authority(tmp_path, "Rogue CA").issue("x")), ca=hospital.ca),
            "not accepted: unable to get",
        ),
        (expired, "not accepted: certificate has expired"),
        (elsewhere, "certificate is not valid for 'localhost'"),
    ):
        _, at_scanner = shake(server_context(called), client_context(scanner))
        assert words in explain(at_scanner)
    at_node, _ = shake(server_context(elsewhere), client_context(scanner, check_name=False))
    assert has_subject(at_node, "CN=mr1")


def test_only_what_bcp_195_recommends(hospital: Authority) -> None:
    node, scanner = files(hospital.issue("node")), files(hospital.issue("mr1"))
    for context in (server_context(node), client_context(scanner)):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert all(suite["aead"] for suite in context.get_ciphers())
        assert {suite["kea"] for suite in context.get_ciphers()} <= {"kx-ecdhe", "kx-any"}
    old = client_context(scanner)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert has_subject(shake(server_context(node), old)[0], "CN=mr1")
    old.set_ciphers("ECDHE-RSA-AES128-SHA256")
    assert "no cipher suite" in explain(shake(server_context(node), old)[0])


def test_files_that_cannot_be_used_say_which_and_why(hospital: Authority, tmp_path: Path) -> None:
    node, other = files(hospital.issue("node")), files(hospital.issue("mr1"))
    empty = tmp_path / "empty"
    empty.touch(mode=0o600)
    assert node.key is not None
    locked = tmp_path / "locked.key"
    locked.touch(mode=0o600)
    locked.write_bytes(with_password(node.key.read_bytes()))
    for bad, words in (
        (replace(node, certificate=tmp_path / "none"), "node.tls.certificate"),
        (replace(node, key=other.key), "are no certificate with its private key"),
        (replace(node, key=empty), "are no certificate with its private key"),
        (replace(node, key=locked), "without a password"),
        (replace(node, ca=empty), "holds no PEM certificates"),
        (replace(node, ca=tmp_path / "none"), "node.tls.ca"),
    ):
        with pytest.raises(UsageError, match=words):
            server_context(bad)
    for mode in (0o604, 0o660, 0o644):
        node.key.chmod(mode)
        with pytest.raises(UsageError, match=rf"mode 0{mode:o}, so that others can use it: chmod 0600"):
            server_context(node)
    node.key.chmod(0o640)  # a group for keys, as Debian has it
    server_context(node)


def test_changed_files_are_used_for_the_next_handshake(
    hospital: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    node, scanner = files(hospital.issue("node")), files(hospital.issue("mr1"))
    renewed = Renewable(node)
    first = renewed.context()
    assert renewed.context() is first
    before = shake(first, client_context(scanner))[1]["serialNumber"]
    hospital.issue("node")
    after = shake(renewed.context(), client_context(scanner))[1]["serialNumber"]
    assert before != after
    assert node.certificate is not None
    whole = node.certificate.read_bytes()
    node.certificate.write_bytes(whole[:200])  # somebody is still writing it
    with caplog.at_level(logging.ERROR):
        kept = [shake(renewed.context(), client_context(scanner))[1]["serialNumber"] for _ in range(2)]
    assert kept == [after, after]
    assert caplog.text.count("the certificate before stays in use") == 1
    node.certificate.unlink()
    assert renewed.context() is not first
    hospital.issue("node")
    assert shake(renewed.context(), client_context(scanner))[1]["serialNumber"] not in (before, after)


_PARTS = st.lists(st.tuples(st.sampled_from(["commonName", "organizationName"]), st.sampled_from("ab")))


@given(_PARTS, _PARTS.filter(bool))
def test_a_subject_fits_where_each_kind_that_is_asked_for_is_the_same(
    there: list[tuple[str, str]], wanted: list[tuple[str, str]]
) -> None:
    short = {"commonName": "CN", "organizationName": "O"}
    text = ",".join(f"{short[kind]}={value}" for kind, value in wanted)
    fits = has_subject({"subject": tuple((part,) for part in there)}, text)
    kinds = {kind for kind, _ in wanted}
    assert fits == all(
        sorted(v for k, v in there if k == kind) == sorted(v for k, v in wanted if k == kind)
        for kind in kinds
    )
    assert not has_subject(None, text)
    assert not has_subject({}, text)
