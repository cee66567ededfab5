"""tests/run.sh itself: what it calls, what it says and how it ends, with stand-ins for the tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_CHECKS = {
    "ruff check": "ruff check ",
    "ruff format": "ruff format",
    "mypy": "mypy",
    "lint-imports": "lint-imports",
}
# notes its name and arguments, and fails where FAIL matches them
_STAND_IN = """#!/bin/bash
line="$(basename "$0") $*"
echo "$line" >>"$NOTES"
echo "corpus=$QSMNODE_CORPUS" >>"$NOTES"
if [[ -n "${FAIL-}" && "$line" == *"$FAIL"* ]]; then exit "${CODE-1}"; fi
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout whose set-up, peers' installation and tools are stand-ins."""
    folder = tmp_path / "check out"
    for name in ("deploy/setup.sh", "tests/peers/install.sh"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(_STAND_IN)
        (folder / name).chmod(0o755)
    for name in ("ruff", "mypy", "lint-imports", "python"):
        tool = folder / ".venv/bin" / name
        tool.parent.mkdir(parents=True, exist_ok=True)
        tool.write_text(_STAND_IN)
        tool.chmod(0o755)
    shutil.copy2(_ROOT / "tests/run.sh", folder / "tests/run.sh")
    shutil.copytree(_ROOT / ".ci", folder / ".ci")
    return folder


def _run(
    project: Path, *arguments: str, command: str = "tests/run.sh", **settings: str
) -> tuple[int, str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QSMNODE_")}
    notes = project / "notes"
    result = subprocess.run(
        [project / command, *arguments],
        cwd=project.parent,
        env=environment | {"NOTES": str(notes)} | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout, notes.read_text()


def test_every_check_is_run_and_a_pass_is_said(project: Path) -> None:
    code, output, notes = _run(project, "-k", "two words")
    assert code == 0
    assert output.splitlines()[-1] == "tests/run.sh: everything passed"
    assert "setup.sh --dev" in notes
    for called in _CHECKS.values():
        assert called in notes
    assert "-m pytest -n auto --dist loadfile --no-loadscope-reorder -k two words" in notes
    assert "install.sh" not in notes


@pytest.mark.parametrize("name", _CHECKS)
def test_one_failing_check_stops_none_and_fails_the_run(project: Path, name: str) -> None:
    code, output, notes = _run(project, FAIL=_CHECKS[name])
    assert code == 1
    assert output.splitlines()[-1] == f"tests/run.sh: FAILED: {name}"
    assert "-m pytest" in notes


@pytest.mark.parametrize("pytest_code", ["1", "5"])
def test_pytests_own_exit_code_is_kept(project: Path, pytest_code: str) -> None:
    code, output, _notes = _run(project, FAIL="-m pytest", CODE=pytest_code)
    assert code == int(pytest_code)
    assert output.splitlines()[-1] == f"tests/run.sh: FAILED: pytest (exit code {pytest_code})"


@pytest.mark.parametrize("failing", ["setup.sh", "install.sh"])
def test_nothing_is_tested_where_the_setup_fails(project: Path, failing: str) -> None:
    code, _output, notes = _run(project, "--install-peers", FAIL=failing, CODE="2")
    assert code == 2
    assert "pytest" not in notes


def test_a_corpus_is_relative_to_where_the_command_is_called(project: Path) -> None:
    _code, _output, notes = _run(project, QSMNODE_CORPUS="scanner")
    assert f"corpus={project.parent}/scanner" in notes


def test_the_whole_check_requires_everything(project: Path) -> None:
    code, _output, notes = _run(project, command=".ci/run")
    assert code == 0
    assert "install.sh" in notes
    assert f"corpus={project.parent}/shared/scanner" in notes
