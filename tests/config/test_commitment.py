"""Storage commitment and the comparison of identities: off where nothing is said, errors at their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from qsmnode.config import Config, DicomPeer, load_text
from qsmnode.errors import ConfigError

TEXT = """\
peers:
  mr1: {ae_title: MR1, host: 127.0.0.1}
  pacs: {ae_title: PACS, host: 127.0.0.1, port: 104, commitment: true, check_identity: true}
  viewer: {ae_title: VIEWER, host: 127.0.0.1, port: 104}
  out: {folder: ./out}
routes:
  - name: brain
    send_to: [pacs]
commitment: {provide: true, archive: pacs}
"""


def _load(text: str, folder: Path) -> Config:
    return load_text(text, file="site.yaml", base_folder=folder, environ={})


def test_both_ways_are_off_until_somebody_switches_them_on(tmp_path: Path) -> None:
    assert _load(TEXT, tmp_path).commitment.archive == "pacs"
    plain = _load(TEXT.replace("commitment: {provide: true, archive: pacs}", ""), tmp_path)
    viewer = plain.peers["viewer"]
    assert isinstance(viewer, DicomPeer)
    assert (plain.commitment.provide, viewer.commitment, viewer.check_identity) == (False, False, False)


@pytest.mark.parametrize(
    ("old", "new", "where", "words"),
    [
        ("archive: pacs", "archive: pasc", (9, "commitment.archive"), "did you mean 'pacs'"),
        ("archive: pacs", "archive: viewer", (9, "commitment.archive"), "set peers.viewer.commitment"),
        ("archive: pacs", "archive: out", (9, "commitment.archive"), "set peers.out.commitment"),
        ("127.0.0.1}\n  pacs", "h, commitment: true}\n  pacs", (2, "peers.mr1.commitment"), "no port"),
        (
            "127.0.0.1}\n  pacs",
            "h, check_identity: true}\n  pacs",
            (2, "peers.mr1.check_identity"),
            "no port",
        ),
        ("archive: pacs", "archive: pacs, rounds: 0", (9, "commitment.rounds"), "1"),
        ("archive: pacs", "archive: pacs, timeout_s: 0", (9, "commitment.timeout_s"), "0"),
    ],
)
def test_what_cannot_be_is_an_error_at_its_place(
    tmp_path: Path, old: str, new: str, where: tuple[int, str], words: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        _load(TEXT.replace(old, new), tmp_path)
    (problem,) = refused.value.problems
    assert (problem.line, problem.key_path) == where
    assert words in problem.message
