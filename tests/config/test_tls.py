"""TLS, DICOMweb servers and their secrets in the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.config import Config, DicomPeer, WebPeer, load_text
from qsmnode.config.tls import parse_subject
from qsmnode.errors import ConfigError

TEXT = """\
node: {tls: {certificate: node.crt, key: node.key, ca: ca.pem}}
peers:
  mr1: {ae_title: MR1, host: 192.0.2.1, certificate_subject: "CN=mr1, O=Hospital"}
  pacs: {ae_title: PACS, host: pacs.example, port: 2762, tls: {}}
  web: {stow: "https://pacs.example/dicom-web/", token: "${env:TOKEN}"}
routes:
  - {name: brain, send_to: [pacs, web]}
"""


def read(text: str) -> Config:
    return load_text(text, file="s", base_folder=Path("/srv"), environ={"TOKEN": "secret"})


def test_a_file_of_all_of_it() -> None:
    config = read(TEXT)
    assert config.node.tls is not None
    assert config.node.tls.key == Path("/srv/node.key")
    assert (config.node.tls.port, config.node.plain_port) == (2762, None)
    pacs, web = config.peers["pacs"], config.peers["web"]
    assert isinstance(pacs, DicomPeer)
    assert pacs.tls is not None
    assert pacs.associations == 2
    assert isinstance(web, WebPeer)
    assert (web.stow, web.token, web.can_receive) == ("https://pacs.example/dicom-web", "secret", True)
    assert "secret" not in repr(config)


def test_the_plain_port_is_open_where_it_is_stated() -> None:
    assert read(TEXT.replace("{tls:", "{port: 104, tls:")).node.plain_port == 104
    without = "peers: {mr1: {ae_title: MR1, host: h}}\nroutes: []"
    assert read(without).node.plain_port == 11112


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (", ca: ca.pem", "", "node.tls.ca: required, and not given"),
        ("{tls:", "{port: 2762, tls:", "node.port: is the port of node.tls as well"),
        ("CN=mr1, O=Hospital", "mr1", "certificate_subject: expected parts of a certificate's subject"),
        ("CN=mr1, O=Hospital", "CN=mr1, X=y", "certificate_subject: expected parts"),
        ("tls: {}", "tls: {certificate: a}", "peers.pacs.tls: certificate and key belong together"),
        ("port: 2762, tls: {}", "tls: {}", "peers.pacs.tls: is for calling this peer, which has no port"),
        ("pacs.example, port", "127.0.0.1, port", "peers.pacs: is this node itself"),
        ('"${env:TOKEN}"', "plain", "peers.web.token: a secret does not belong here"),
        ("https:", "ftp:", "peers.web.stow: expected a URL such as"),
        ("https://", "https://u:p@", "peers.web.stow: a URL without user"),
        ("dicom-web/", "dicom-web?a=1", "peers.web.stow: a URL without user"),
        ("https:", "http:", "peers.web.stow: credentials would cross the network in the clear"),
        ("token:", "password:", "peers.web: user and password belong together"),
        ("token:", 'user: u, password: "${env:TOKEN}", token:', "peers.web: a token or user and password"),
        ("https:", "http:", "peers.web.stow: credentials"),
        ('token: "${env:TOKEN}"', "password: plain", "peers.web.password: a secret does not belong here"),
        ("https://pacs.example/dicom-web/", "http://127.0.0.1/x\", tls: {}, user: \"u", "tls: is for https"),
        ("token:", "batch: 0, token:", "peers.web.batch: expected at least 1"),
        ("token:", "port: 1, token:", "peers.web.port: unknown key"),
        ("tls: {}", "tls: {}, associations: 9", "peers.pacs.associations: expected at most 8"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(old: str, new: str, expected: str) -> None:
    assert old in TEXT
    with pytest.raises(ConfigError) as caught:
        read(TEXT.replace(old, new))
    found = [str(problem) for problem in caught.value.problems]
    assert len([line for line in found if expected in line]) == 1, found
    assert "secret" not in "".join(found).replace("a secret does not", "")


def test_without_the_node_s_own_what_a_peer_needs_is_said() -> None:
    with pytest.raises(ConfigError) as caught:
        read(TEXT.partition("\n")[2])
    found = "\n".join(str(problem) for problem in caught.value.problems)
    assert "peers.mr1.certificate_subject: no certificate comes without TLS" in found
    assert "peers.pacs.tls: whom to trust?" in found


_VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\\\0,"), min_size=1).filter(
    lambda text: text == text.strip()
)


@given(st.lists(st.tuples(st.sampled_from(["CN", "O", "OU"]), _VALUES), min_size=1))
def test_a_subject_is_read_as_it_was_written(parts: list[tuple[str, str]]) -> None:
    names = {"CN": "commonName", "O": "organizationName", "OU": "organizationalUnitName"}
    text = ", ".join(f"{kind}={value}, O=a\\,b" for kind, value in parts)
    expected = [pair for kind, value in parts for pair in ((names[kind], value), ("organizationName", "a,b"))]
    assert list(parse_subject(text)) == expected
