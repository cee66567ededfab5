"""What is missing is skipped and named at the end, or is a failure where it is required."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_ASKING = """
import pytest

def test_asks_for_an_archive(orthanc):
    assert orthanc.studies() == []

@pytest.mark.peers("dcmtk", "dicom3tools")
def test_asks_by_marker():
    pass

def test_asks_for_scanner_files(corpus):
    assert (corpus / "somebody.dcm").exists()

def test_asks_for_nothing():
    pass
"""


@pytest.fixture
def bare_project(tmp_path: Path) -> Path:
    """The tests' set-up with four tests of its own, on a machine without any peer."""
    shutil.copy2(_ROOT / "pyproject.toml", tmp_path)
    tests = tmp_path / "tests"
    shutil.copytree(_ROOT / "tests/peers", tests / "peers", ignore=shutil.ignore_patterns("test_*", "__py*"))
    shutil.copy2(_ROOT / "tests/conftest.py", tests)
    programs = tests / "peers/programs.py"
    text = programs.read_text()
    assert '"/usr/bin:' in text
    programs.write_text(text.replace("/usr/", "/nowhere/").replace("/opt/", "/nowhere/"))
    (tests / "test_asking.py").write_text(_ASKING)
    return tmp_path


def _pytest(project: Path, **settings: str) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QSMNODE_")}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=project,
        env=environment | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout


def test_what_is_missing_is_skipped_and_named(bare_project: Path) -> None:
    code, output = _pytest(bare_project)
    assert code == 0
    assert "1 passed, 3 skipped" in output
    assert "2 not run: to run them: ./tests/run.sh --install-peers" in output
    assert "test_asks_for_an_archive: Orthanc (orthanc), libOrthancDicomWeb.so (orthanc-dicomweb)" in output
    assert "test_asks_by_marker: storescu (dcmtk)" in output
    assert "test_asks_for_scanner_files: QSMNODE_CORPUS is not set" in output


def test_what_is_required_fails_with_the_reason(bare_project: Path) -> None:
    code, output = _pytest(bare_project, QSMNODE_REQUIRE_PEERS="1", QSMNODE_REQUIRE_CORPUS="1")
    assert code == 1
    assert "1 passed, 3 errors" in output
    assert "Orthanc (orthanc)" in output
    assert "QSMNODE_CORPUS is not set (QSMNODE_REQUIRE_CORPUS is set)" in output


def test_a_corpus_is_used_where_it_is_named(bare_project: Path) -> None:
    folder = bare_project / "scanner"
    folder.mkdir()
    code, output = _pytest(bare_project, QSMNODE_REQUIRE_CORPUS="1", QSMNODE_CORPUS=str(folder))
    assert code == 1
    assert "is no folder with files in it" in output
    (folder / "somebody.dcm").touch()
    code, output = _pytest(bare_project, QSMNODE_REQUIRE_CORPUS="1", QSMNODE_CORPUS=str(folder))
    assert code == 0
    assert "2 passed, 2 skipped" in output
