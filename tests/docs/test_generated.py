"""The pages that follow from the program say what the program says."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from qsmnode.cli import VERBS, parser
from qsmnode.config import Config
from qsmnode.node.wire import status
from qsmnode.products.registry import PRODUCTS

_ROOT = Path(__file__).resolve().parents[2]
_DOCS = _ROOT / "docs"
_REMEDY = "run .venv/bin/python docs/generate.py"


def _generator() -> Any:
    """docs/generate.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("docs_generate", _DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_what_the_program_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert _generator().main(["--check"]) == 0, f"{capsys.readouterr().err}: {_REMEDY}"


def test_a_page_that_has_drifted_is_named_and_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = _generator()
    assert generator.main([], tmp_path) == 0
    (tmp_path / "cli.md").write_text("something else\n")
    assert generator.main(["--check"], tmp_path) == 1
    named = capsys.readouterr().err
    assert "cli.md" in named
    assert "conformance.md" not in named
    assert generator.main([], tmp_path) == 0
    assert (tmp_path / "cli.md").read_text() == (_DOCS / "cli.md").read_text()


def test_every_verb_has_a_section() -> None:
    page = (_DOCS / "cli.md").read_text()
    sections = re.findall(r"^## qsmnode (\w+)$", page, re.MULTILINE)
    assert sections == list(VERBS)
    for verb in sections:
        assert f"(#qsmnode-{verb})" in page


def test_every_option_of_the_help_is_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    page = (_DOCS / "cli.md").read_text()
    for section in page.split("\n## qsmnode ")[1:]:
        verb = section.split("\n")[0]
        with pytest.raises(SystemExit):
            parser().parse_args([verb, "--help"])
        help_text = capsys.readouterr().out
        for option in set(re.findall(r"--[a-z-]+", help_text)) - {"--help"}:
            assert option in section, f"{verb} {option}: {_REMEDY}"


def test_the_conformance_statement_names_every_status_that_the_receiver_answers() -> None:
    page = (_DOCS / "conformance.md").read_text()
    answered = {
        node.attr
        for path in (_ROOT / "qsmnode/node/receiver").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "status"
        and node.attr.isupper()
    }
    assert {"SUCCESS", "OUT_OF_RESOURCES"} <= answered
    statuses = page.split("### Storage")[1].split("### What becomes of it")[0]
    for name in answered:
        assert status.describe(getattr(status, name)) in statuses, name


def test_the_conformance_statement_names_every_product_and_the_defaults() -> None:
    page = (_DOCS / "conformance.md").read_text()
    for name in PRODUCTS:
        assert f"| `{name}` |" in page
    config = Config.model_validate({"peers": {}, "routes": []})
    assert f"`limits.max_associations` | {config.limits.max_associations} |" in page
    assert f"`delivery.response_timeout_s` | {config.delivery.response_timeout_s:g} |" in page
