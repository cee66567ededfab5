"""The service for systemd: its unit, its user and its configuration are good, and hang together."""

from __future__ import annotations

import configparser
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qsmnode.cli import main
from qsmnode.cli.settings import load_config

_ROOT = Path(__file__).resolve().parents[2]
_FOLDER = _ROOT / "deploy" / "systemd"
_INSTALLED = "/opt/qsmnode"


@pytest.fixture
def systemd() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one of systemd's programs. Skipped, saying which, where there is none."""

    def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        found = shutil.which(program)
        if found is None:
            pytest.skip(f"{program} is not installed (package systemd)")
        return subprocess.run([found, *arguments], capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit as it would be for this checkout and this user, so that its paths can be judged."""
    text = (_FOLDER / "qsmnode.service").read_text()
    program = Path(sys.executable).with_name("qsmnode")
    text = text.replace(f"{_INSTALLED}/.venv/bin/qsmnode", str(program))
    text = text.replace(f"{_INSTALLED}/.venv/bin/python", sys.executable)
    text = re.sub(r"^(User|Group)=.*$", r"\1=root", text, flags=re.MULTILINE)
    path = tmp_path / "qsmnode.service"
    path.write_text(text.replace(f"file://{_INSTALLED}/README.md", "man:systemd.unit(5)"))
    return path


def _settings() -> dict[str, str]:
    """What the unit sets once."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(_FOLDER / "qsmnode.service")
    return dict(parser["Service"])


def _commands(name: str) -> list[str]:
    """What is run as ``name``, in its order: a setting that may stand there more than once."""
    text = (_FOLDER / "qsmnode.service").read_text()
    return re.findall(rf"^{name}=(.*)$", text, flags=re.MULTILINE)


def test_systemd_finds_no_fault(systemd: Callable[..., subprocess.CompletedProcess[str]], unit: Path) -> None:
    judged = systemd("systemd-analyze", "verify", "--man=no", unit)
    assert judged.returncode == 0, judged.stderr
    assert str(unit.name) not in judged.stderr


def test_a_fault_would_be_found(systemd: Callable[..., subprocess.CompletedProcess[str]], unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=perhaps"))
    assert unit.name in systemd("systemd-analyze", "verify", "--man=no", unit).stderr


def test_it_is_hardened(systemd: Callable[..., subprocess.CompletedProcess[str]], unit: Path) -> None:
    """At most 2.5 on systemd's scale of exposure, from 0 to 10; without any of its settings it would be 9."""
    unit.write_text(unit.read_text().replace("User=root", "User=qsmnode"))
    judged = systemd("systemd-analyze", "security", "--offline=true", "--threshold=25", unit)
    assert judged.returncode == 0, judged.stdout[-3000:] + judged.stderr


def test_the_user_can_be_made(
    systemd: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    made = systemd("systemd-sysusers", f"--root={tmp_path}", "--dry-run", _FOLDER / "qsmnode.sysusers")
    assert made.returncode == 0, made.stderr
    assert "qsmnode" in made.stderr + made.stdout


def test_the_store_lies_where_only_the_service_can_read() -> None:
    settings = _settings()
    assert settings["StateDirectoryMode"] == "0700"
    assert settings["UMask"] == "0077"
    assert settings["User"] == "qsmnode"
    config = load_config(_FOLDER / "qsmnode.yaml")
    assert config.node.store.is_relative_to(Path("/var/lib") / settings["StateDirectory"])
    assert config.node.port >= 1024


def test_a_mistake_in_the_configuration_is_not_tried_again() -> None:
    settings = _settings()
    assert settings["Restart"] == "on-failure"
    assert settings["RestartPreventExitStatus"] == "2"
    assert settings["OOMPolicy"] == "continue"


def test_what_the_unit_and_its_readme_name_is_there() -> None:
    assert main(["check", str(_FOLDER / "qsmnode.yaml")]) == 0
    readme = (_FOLDER / "README.md").read_text()
    for name in re.findall(r"qsmnode\.(?:service|sysusers|yaml)\b", readme):
        assert (_FOLDER / name).exists()
    for script in re.findall(rf"{_INSTALLED}/(deploy/\S+\.sh)", readme):
        assert (_ROOT / script).exists()
    checked, warmed = _commands("ExecStartPre")
    (run,) = _commands("ExecStart")
    for command in (checked, run):
        assert command.startswith(f"{_INSTALLED}/.venv/bin/qsmnode ")
    # the minus: what only saves time must not keep the node from starting
    program, _, module = warmed.partition(" -m ")
    assert program == f"-{_INSTALLED}/.venv/bin/python"
    assert importlib.util.find_spec(module) is not None


def test_only_what_may_stand_more_than_once_does() -> None:
    text = (_FOLDER / "qsmnode.service").read_text()
    names = re.findall(r"^(\w+)=", text, flags=re.MULTILINE)
    assert {name for name in names if names.count(name) > 1} == {"ExecStartPre"}


def test_voxel_loops_are_compiled_where_the_service_may_write_and_has_the_time() -> None:
    settings = _settings()
    assert settings["Environment"] == f"NUMBA_CACHE_DIR=/var/cache/{settings['CacheDirectory']}"
    assert int(settings["TimeoutStartSec"]) >= 600
    assert "MemoryDenyWriteExecute" not in settings
