"""Machine code is kept for exactly the sources it was made from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import qsmnode

_CALL = (
    "import numpy as np; from qsmnode.engine.wrapping import wrapped;"
    " from qsmnode.engine.compiled import cache_folder;"
    " wrapped(np.zeros((2, 2, 2), np.float32)); print(cache_folder())"
)


def _folder(package: Path, **environment: str) -> Path:
    ended = subprocess.run(
        [sys.executable, "-c", _CALL],
        env={
            "PYTHONPATH": str(package),
            "PATH": "/usr/bin:/bin",
            "HOME": str(package / "home"),
            **environment,
        },
        cwd=package,
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(ended.stdout.strip())


def test_a_change_in_any_file_takes_another_folder(tmp_path: Path) -> None:
    source = Path(qsmnode.__file__).parent
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, tmp_path / "qsmnode", ignore=ignore)
    first = _folder(tmp_path)
    assert first.is_relative_to(tmp_path / "qsmnode")
    assert any(first.rglob("*.nbi"))
    assert _folder(tmp_path) == first
    changed = tmp_path / "qsmnode" / "phantom" / "tissues.py"
    changed.write_text(changed.read_text() + "\n# another version\n")
    assert _folder(tmp_path) != first


def test_a_folder_that_numba_is_told_of_is_used(tmp_path: Path) -> None:
    source = Path(qsmnode.__file__).parent.parent
    chosen = tmp_path / "elsewhere"
    assert _folder(source, NUMBA_CACHE_DIR=str(chosen)).is_relative_to(chosen)


def test_where_nothing_can_be_written_it_works_without() -> None:
    source = Path(qsmnode.__file__).parent.parent
    assert _folder(source, NUMBA_CACHE_DIR="/proc/nowhere") == Path("None")
