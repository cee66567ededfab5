"""Who is asked for missing images: a peer that can be called and may send, or an error at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from qsmnode.config import Config, load_text
from qsmnode.errors import ConfigError

TEXT = """\
peers:
  mr1: {ae_title: MR1, host: 127.0.0.1}
  pacs: {ae_title: PACS, host: 127.0.0.1, port: 104}
  viewer: {ae_title: VIEWER, host: 127.0.0.1, port: 104, may_send: false}
  out: {folder: ./out}
routes:
  - name: brain
    ask_for_missing: PEER
    send_to: [pacs]
"""


def _load(text: str, folder: Path) -> Config:
    return load_text(text, file="site.yaml", base_folder=folder, environ={})


def test_an_archive_can_be_asked(tmp_path: Path) -> None:
    config = _load(TEXT.replace("PEER", "pacs"), tmp_path)
    assert config.routes[0].ask_for_missing == "pacs"
    assert config.assembly.ask_after == 0.5


@pytest.mark.parametrize(
    ("peer", "words"),
    [
        ("pasc", "unknown peer"),
        ("out", "it has no AE title and port"),
        ("mr1", "it has no AE title and port"),
        ("viewer", "may_send: false"),
    ],
)
def test_who_cannot_be_asked_is_an_error_at_its_place(tmp_path: Path, peer: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _load(TEXT.replace("PEER", peer), tmp_path)
    (problem,) = refused.value.problems
    assert (problem.line, problem.key_path) == (8, "routes[0].ask_for_missing")
    assert words in problem.message


@pytest.mark.parametrize("part", ["0", "1", "-0.5"])
def test_the_time_to_ask_lies_within_the_deadline(tmp_path: Path, part: str) -> None:
    with pytest.raises(ConfigError, match="ask_after"):
        _load(TEXT.replace("PEER", "pacs") + f"assembly: {{ask_after: {part}}}\n", tmp_path)
