"""How series present themselves: names, numbers and windows are checked where they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from qsmnode.config import Config, load_text
from qsmnode.errors import ConfigError

_SITE = """\
node: {store: ./store}
peers: {out: {folder: ./out}}
routes: [{name: all, send_to: [out]}]
"""


def loaded(series: str, folder: Path) -> Config:
    text = f"{_SITE}series: {series}\n"
    return load_text(text, file="site.yaml", base_folder=folder, series=("qsm", "swi"))


def test_what_is_written_is_what_is_told(tmp_path: Path) -> None:
    found = loaded("{qsm: {description: Iron, number: 7, window: [40, 200]}, swi: {}}", tmp_path).series
    assert found["qsm"].facts() == ("description=Iron", "number=7", "window=(40.0, 200.0)")
    assert found["swi"].facts() == ()


@pytest.mark.parametrize(
    ("series", "words"),
    [
        ("{qms: {number: 1}}", "4:10: series.qms: unknown product of images; did you mean 'qsm'?"),
        ("{report: {number: 1}}", "unknown product of images; known here: qsm, swi"),
        ("{qsm: {number: 3}, swi: {number: 3}}", "series.qsm has this number already"),
        ("{qsm: {number: 0}}", "series.qsm.number"),
        ("{qsm: {window: [50, 0]}}", "expected a centre and a width above 0"),
        ("{qsm: {window: [50]}}", "series.qsm.window"),
        ("{qsm: {colour: red}}", "series.qsm.colour"),
    ],
)
def test_a_mistake_is_told_with_its_place(series: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as mistakes:
        loaded(series, tmp_path)
    assert words in str(mistakes.value)
