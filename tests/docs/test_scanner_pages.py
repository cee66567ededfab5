"""The pages about scanners: one per encoding, and every reason that they quote is one the program gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from qsmnode.dicom.encodings.registry import encoding_for
from qsmnode.phantom.vendors import VENDORS

_ROOT = Path(__file__).resolve().parents[2]
_FOLDER = _ROOT / "docs" / "scanners"
_INDEX = (_FOLDER / "README.md").read_text()
_PAGES = sorted(path for path in _FOLDER.glob("*.md") if path.name != "README.md")
_ROWS = re.findall(r"^\| \[(.+)\]\((.+)\) \| (.+) \| (.+) \|$", _INDEX, re.MULTILINE)
_GAP = "…"


@cache
def _said() -> tuple[str, ...]:
    """Every text in the code that reads headers and data, with a gap for each value that is filled in."""
    trees = [ast.parse(path.read_text()) for path in sorted((_ROOT / "qsmnode" / "dicom").rglob("*.py"))]
    return tuple(text for tree in trees for text in _texts(tree))


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else _GAP for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_page_is_in_the_index_and_every_row_leads_to_a_page() -> None:
    assert sorted(row[1] for row in _ROWS) == [path.name for path in _PAGES]
    assert "docs/scanners" in (_ROOT / "README.md").read_text()


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: str(row[0]))
def test_the_index_says_of_each_maker_what_its_encoding_does(row: tuple[str, str, str, str]) -> None:
    name, page, beginnings, direction = row
    words = direction if direction != "the same" else "not checked"
    for beginning in ["Somebody"] if page == "others.md" else beginnings.split(", "):
        encoding = encoding_for(f"{beginning} Medical")
        assert encoding.name == ("unknown vendor" if page == "others.md" else name)
        assert encoding.direction_checked == ("not checked" not in words)
        assert (encoding.phase_sign == -1) == ("falls" in words)


@pytest.mark.parametrize("path", [_FOLDER / "README.md", *_PAGES], ids=lambda path: str(path.name))
def test_every_reason_that_a_page_quotes_is_one_that_the_program_gives(path: Path) -> None:
    refused = path.read_text().split("## What it refuses")[1]
    quoted = re.findall(r'"([^"]+)"', refused.replace("\n", " "))
    assert quoted
    for quote in quoted:
        # what stands between two gaps of a page may itself be filled in by the program
        pattern = ".*".join(re.escape(part) for part in quote.split(_GAP))
        assert any(re.search(pattern, text) for text in _said()), quote


def test_every_simulated_scanner_is_named_on_a_page() -> None:
    text = " ".join(path.read_text().replace("\n", " ") for path in _PAGES)
    assert [name for name in VENDORS if not re.search(rf"`(qsmnode demo --vendor )?{name}`", text)] == []
