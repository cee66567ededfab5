"""The set-up commands on machines that lack something, with a search path made for the test."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_TOOLS = ("bash", "env", "dirname", "cat", "rm", "cksum", "cp", "sed", "mkdir")
_OLD_PYTHON = "#!/bin/sh\nexit 1\n"  # as the suitability check ends where version or venv do not fit


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that a set-up needs, somewhere else and without a virtual environment."""
    folder = tmp_path / "check out"
    for name in ("deploy/setup.sh", "deploy/demo.sh", "tests/run.sh", "pyproject.toml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(_ROOT / name, folder / name)
    for lock in _ROOT.glob("requirements*.lock"):
        shutil.copy2(lock, folder / lock.name)
    return folder


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A search path with a shell's tools and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in _TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    return folder


def _program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def _run(command: Path, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(path), "HOME": str(path.parent), "LC_ALL": "C"}
    return subprocess.run(
        [command, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("command", ["deploy/setup.sh", "deploy/demo.sh", "tests/run.sh"])
@pytest.mark.parametrize("old", [(), ("python3",), ("python3.12", "python3.11", "python3")])
def test_without_a_suitable_python_it_says_what_to_install(
    checkout: Path, bare_path: Path, command: str, old: tuple[str, ...]
) -> None:
    for name in old:
        _program(bare_path, name, _OLD_PYTHON)
    result = _run(checkout / command, bare_path)
    assert result.returncode == 2
    assert "sudo apt-get install -y python3 python3-venv" in result.stderr.splitlines()[-1]
    assert not (checkout / ".venv").exists()


@pytest.fixture
def fake_python(bare_path: Path) -> Path:
    """A python3.13 on the search path that makes an environment whose pip only notes what it is asked to do.

    Returns the notes' file.
    """
    notes = bare_path.parent / "pip-calls"
    notes.touch()
    maker = """#!/bin/sh
case "$*" in
    *"-m venv "*)
        mkdir -p "$3/bin" && printf '%s' "$3" >"$3/prefix"
        cp "$0" "$3/bin/python" && cp "$0" "$3/bin/pip" ;;
    *sys.prefix*) cat "${0%/bin/*}/prefix" ;;
    *install*) echo "$*" >>NOTES ;;
    *qsmnode.engine.warm*) echo warmed >>NOTES-warmed ;;
esac
"""
    _program(bare_path, "python3.13", maker.replace("NOTES", str(notes)))
    return notes


def test_the_newest_suitable_python_is_taken(checkout: Path, bare_path: Path, fake_python: Path) -> None:
    _program(bare_path, "python3.14", _OLD_PYTHON)
    _program(bare_path, "python3.11", "#!/bin/sh\nexit 0\n")
    result = _run(checkout / "deploy/setup.sh", bare_path)
    assert result.returncode == 0, result.stderr
    assert f"{bare_path}/python3.13" in result.stdout


def test_packages_are_installed_by_hash_and_only_once(
    checkout: Path, bare_path: Path, fake_python: Path
) -> None:
    setup = checkout / "deploy/setup.sh"
    assert _run(setup, bare_path, "--dev").returncode == 0
    locked, itself = fake_python.read_text().splitlines()
    assert "--require-hashes --requirement requirements-dev.lock" in locked
    assert "--no-deps --no-build-isolation --editable ." in itself

    # neither again, nor for the packages that it holds already
    for arguments in ([], ["--atlas"], ["--dev"]):
        again = _run(setup, bare_path, *arguments)
        assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert len(fake_python.read_text().splitlines()) == 2

    with (checkout / "requirements-dev.lock").open("a") as lock:
        lock.write("# changed\n")
    assert _run(setup, bare_path, "--dev").returncode == 0
    assert len(fake_python.read_text().splitlines()) == 4


def test_voxel_loops_are_compiled_after_every_change_of_the_sources(
    checkout: Path, bare_path: Path, fake_python: Path
) -> None:
    """Whether there is anything to compile, the engine knows; an engine that cannot is no installation."""
    setup = checkout / "deploy/setup.sh"
    for times in (1, 2):
        assert _run(setup, bare_path).returncode == 0
        assert Path(f"{fake_python}-warmed").read_text() == "warmed\n" * times
    python = checkout / ".venv/bin/python"
    python.write_text(python.read_text().replace("echo warmed", "exit 2; echo warmed"))
    result = _run(setup, bare_path)
    assert result.returncode == 1
    assert "cannot reconstruct a small head" in result.stderr


def test_tests_can_be_run_where_the_engine_is_broken(
    checkout: Path, bare_path: Path, fake_python: Path
) -> None:
    python = bare_path / "python3.13"
    python.write_text(python.read_text().replace("echo warmed", "exit 2; echo warmed"))
    result = _run(checkout / "deploy/setup.sh", bare_path, "--dev")
    assert result.returncode == 0
    assert "cannot reconstruct a small head" in result.stderr


def test_an_environment_that_was_moved_is_made_anew(
    checkout: Path, bare_path: Path, fake_python: Path
) -> None:
    assert _run(checkout / "deploy/setup.sh", bare_path).returncode == 0
    moved = checkout.with_name("moved")
    checkout.rename(moved)
    result = _run(moved / "deploy/setup.sh", bare_path)
    assert "Making .venv" in result.stdout
    assert (moved / ".venv/prefix").read_text() == str(moved / ".venv")


def test_pips_words_are_shown_where_it_fails(checkout: Path, bare_path: Path, fake_python: Path) -> None:
    python = bare_path / "python3.13"
    python.write_text(
        python.read_text().replace("*install*)", "*install*) echo no route to the index; exit 3;")
    )
    setup = checkout / "deploy/setup.sh"
    for _attempt in range(2):  # and what failed is not taken for done
        result = _run(setup, bare_path)
        assert result.returncode == 1
        assert "no route to the index" in result.stderr


def test_an_unknown_argument_is_refused(checkout: Path, bare_path: Path) -> None:
    result = _run(checkout / "deploy/setup.sh", bare_path, "--frobnicate")
    assert result.returncode == 2
    assert "--frobnicate" in result.stderr


def _pins(lock: str) -> set[str]:
    lines = (_ROOT / lock).read_text().splitlines()
    return {line.rstrip(" \\") for line in lines if line and line[0] not in " #"}


def test_the_locks_agree_and_are_complete() -> None:
    names = ("requirements.lock", "requirements-atlas.lock", "requirements-dev.lock")
    running, atlas, testing = map(_pins, names)
    assert running < atlas < testing
    for pin in testing:
        assert "==" in pin
    for lock in names:
        text = (_ROOT / lock).read_text()
        assert text.count("--hash=sha256:") >= len(_pins(lock))
        assert "://" not in text
        assert "--index-url" not in text


def test_a_peer_of_somebody_else_is_left_alone(tmp_path: Path, bare_path: Path) -> None:
    """With every package there already, nothing is installed and no service is touched."""
    for name in ("apt-get", "sudo", "systemctl", "update-rc.d", "deb-systemd-helper"):
        _program(bare_path, name, f"#!/bin/sh\necho {name} >>{tmp_path}/called\nexit 1\n")
    _program(bare_path, "dpkg-query", "#!/bin/sh\nprintf 'install ok installed'\n")
    place = tmp_path / "checkout"
    shutil.copytree(_ROOT / "tests/peers", place / "tests/peers")
    (place / ".venv/bin").mkdir(parents=True)
    _program(place / ".venv/bin", "pip", f"#!/bin/sh\necho pip >>{tmp_path}/called\nmkdir .venv/peers\n")
    for _ in range(2):
        result = _run(place / "tests/peers/install.sh", bare_path)
        assert result.returncode == 0, result.stderr
        assert (tmp_path / "called").read_text() == "pip\n", "once, for what Debian does not have"
