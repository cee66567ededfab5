"""Machine code is kept for exactly the sources it was made from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import qsmnode
from qsmnode.engine.compiled import cache_folder

DAY_S = 24 * 3600.0

_CALL = (
    "import numpy as np; from qsmnode.engine.wrapping import wrapped;"
    " from qsmnode.engine.compiled import cache_folder;"
    " wrapped(np.zeros((2, 2, 2), np.float32)); print(cache_folder())"
)


_GONE = (
    "import shutil; from qsmnode.engine.compiled import cache_folder; shutil.rmtree(cache_folder());" + _CALL
)


def _folder(package: Path, call: str = _CALL, **environment: str) -> Path:
    ended = subprocess.run(
        [sys.executable, "-c", call],
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


def _of_other_sources(place: Path, name: str, days: float, marked: bool = True) -> Path:
    """A folder for machine code, last used so many days ago."""
    folder = place / name
    (folder / "qsmnode_engine").mkdir(parents=True)
    (folder / "qsmnode_engine" / "loop.nbi").write_bytes(b"code")
    used = time.time() - days * DAY_S
    if marked:
        (folder / "used").touch()
        os.utime(folder / "used", (used, used))
    else:
        os.utime(folder, (used, used))
    return folder


def _found(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a process that starts now finds."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(place))
    folder = cache_folder.__wrapped__()
    assert folder is not None
    return folder


def test_with_a_new_folder_those_go_that_were_not_used_for_30_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = _of_other_sources(tmp_path, "compiled-00000000000000aa", 31)
    unmarked = _of_other_sources(tmp_path, "compiled-00000000000000bb", 31, marked=False)
    kept = {
        _of_other_sources(tmp_path, "compiled-00000000000000cc", 29),
        _of_other_sources(tmp_path, "compiled-00000000000000dd", 29, marked=False),
        _of_other_sources(tmp_path, "compiled-00000000000000ee", -5),  # a clock that was wrong
        _of_other_sources(tmp_path, "compiled-by-somebody-else", 99),
    }
    elsewhere = _of_other_sources(tmp_path / "elsewhere", "precious", 99)
    (tmp_path / "compiled-00000000000000ff").symlink_to(elsewhere)
    folder = _found(tmp_path, monkeypatch)
    assert not old.exists()
    assert not unmarked.exists()
    assert {path for path in tmp_path.glob("compiled-*") if not path.is_symlink()} == kept | {folder}
    assert (elsewhere / "qsmnode_engine" / "loop.nbi").exists()


def test_use_is_marked_and_without_a_new_folder_nothing_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _found(tmp_path, monkeypatch)
    os.utime(folder / "used", (0, 0))
    old = _of_other_sources(tmp_path, "compiled-00000000000000aa", 31)
    assert _found(tmp_path, monkeypatch) == folder
    assert time.time() - (folder / "used").stat().st_mtime < DAY_S
    assert old.exists()


def test_several_processes_may_tidy_at_once(tmp_path: Path) -> None:
    source = Path(qsmnode.__file__).parent.parent
    for number in range(200):
        _of_other_sources(tmp_path, f"compiled-{number:016x}", 31)
    with ThreadPoolExecutor(3) as pool:
        folders = set(pool.map(lambda _: _folder(source, NUMBA_CACHE_DIR=str(tmp_path)), range(3)))
    assert list(tmp_path.iterdir()) == list(folders)
    assert any(folders.pop().rglob("*.nbi"))


def test_a_process_goes_on_whose_folder_was_removed(tmp_path: Path) -> None:
    source = Path(qsmnode.__file__).parent.parent
    folder = _folder(source, _GONE, NUMBA_CACHE_DIR=str(tmp_path))
    assert any(folder.rglob("*.nbi"))


def test_a_folder_that_cannot_be_removed_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "compiled-00000000000000aa").write_bytes(b"no folder")
    os.utime(tmp_path / "compiled-00000000000000aa", (0, 0))
    assert _found(tmp_path, monkeypatch).is_dir()
    assert (tmp_path / "compiled-00000000000000aa").exists()


def test_without_a_home_there_is_still_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    folder = cache_folder.__wrapped__()
    assert folder is None or folder.is_relative_to(Path(qsmnode.__file__).parent)
