"""Promises of the whole repository: its layers, its words, the size of its parts, what its README says."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_MAX_FILE_LINES = 450
_MAX_FUNCTION_LINES = 60
_TEXT = {".py", ".sh", ".md", ".yaml", ".yml", ".toml", ".txt", ".sql", ".lock", ".json", ".html", ".css", ""}
_NOT_OURS = {"__pycache__", "build", "dist", "qsmnode-data", "demo-out", "out"}
_DISTRIBUTION = {
    "font_source_sans_pro": "font-source-sans-pro",
    "yaml": "pyyaml",
    "PIL": "pillow",
    "pydantic_core": "pydantic",
    "dicomweb_client": "dicomweb-client",
    "SimpleITK": "simpleitk",
}
_DECODERS = {"python-gdcm", "pyjpegls"}  # imported by pydicom, where it decodes

# Character classes keep these expressions from finding themselves.
_FORBIDDEN = {
    "a package registry's host": re.compile(r"pypi[.]org|pythonhosted[.]org|npmjs[.]", re.IGNORECASE),
    "a path of one machine": re.compile(r"(?<![\w.])/(?:wor[k]|hom[e]/\w+|roo[t]|User[s]/\w+)/"),
    "something unfinished": re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X]|HAC[K])\b|rais[e] NotImplemented"),
    "a test that is switched off": re.compile(r"pytest[.]mark[.](?:ski[p]|xfai[l])"),
}


def _files(top: Path = _ROOT) -> Iterator[Path]:
    for folder, below, names in os.walk(top):
        below[:] = [
            name
            for name in sorted(below)
            if (not name.startswith(".") or name == ".ci")
            and name not in _NOT_OURS
            and not name.endswith(".egg-info")
        ]
        yield from (Path(folder) / name for name in sorted(names) if Path(name).suffix in _TEXT)


def _sources(room: str) -> list[Path]:
    return [path for path in _files(_ROOT / room) if path.suffix == ".py"]


def _lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy_of_package(tmp_path: Path) -> Path:
    shutil.copy2(_ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(_ROOT / "qsmnode", tmp_path / "qsmnode", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_imports_go_down_only(copy_of_package: Path) -> None:
    result = _lint_imports(copy_of_package)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("engine/intruder.py", "import pydicom"),
        ("dicom/intruder.py", "import qsmnode.node"),
        ("measure/intruder.py", "import qsmnode.phantom"),
        ("room_without_a_layer.py", ""),
    ],
)
def test_an_import_that_goes_up_is_found(copy_of_package: Path, module: str, line: str) -> None:
    (copy_of_package / "qsmnode" / module).write_text(line + "\n")
    result = _lint_imports(copy_of_package)
    assert result.returncode == 1, result.stdout
    assert Path(module).stem in result.stdout


@pytest.mark.parametrize("what", _FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    found = [
        f"{path.relative_to(_ROOT)}:{number}: {line.strip()[:100]}"
        for path in _files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if _FORBIDDEN[what].search(line)
    ]
    assert not found, "\n".join(found)


def test_no_file_is_too_long() -> None:
    lengths = {
        path: len(path.read_text().splitlines()) for room in ("qsmnode", "tests") for path in _sources(room)
    }
    long = {str(path.relative_to(_ROOT)): n for path, n in lengths.items() if n > _MAX_FILE_LINES}
    assert not long


def test_no_function_is_too_long() -> None:
    long = [
        f"{path.relative_to(_ROOT)}:{node.lineno}: {node.name}, {node.end_lineno - node.lineno} lines"
        for path in _sources("qsmnode")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno - _docstring_lines(node) > _MAX_FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def _docstring_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    text = ast.get_docstring(function, clean=False)
    return 0 if text is None else text.count("\n") + 1


def _imported_distributions() -> set[str]:
    modules: set[str] = set()
    for path in _sources("qsmnode"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                modules.add(node.module.split(".")[0])
    return {_DISTRIBUTION.get(name, name) for name in modules - sys.stdlib_module_names - {"qsmnode"}}


def test_dependencies_are_what_the_package_imports() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    declared = _names(project["dependencies"]) | _names(project["optional-dependencies"]["atlas"])
    assert _imported_distributions() | _DECODERS == declared


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", requirement)[0].lower() for requirement in requirements}


def test_what_only_nuclei_need_is_imported_where_they_are_looked_for() -> None:
    """Inside functions, so that everything else runs without the extra."""
    for path in _sources("qsmnode"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if "SimpleITK" in names:
                assert path.parent.name == "nuclei", path
                assert node not in tree.body, path


def _readme_commands() -> list[str]:
    readme = (_ROOT / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`((?:\./|qsmnode )[^`]+)`", readme)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line] + inline


def test_readme_names_scripts_and_verbs_that_exist() -> None:
    commands = _readme_commands()
    assert {"./deploy/demo.sh", "./tests/run.sh"} <= {command.split()[0] for command in commands}
    usage = subprocess.run(
        [sys.executable, "-m", "qsmnode", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in commands:
        program, *arguments = command.split()
        if program.startswith("./") and program.endswith(".sh"):
            assert os.access(_ROOT / program, os.X_OK), command
        elif program.split("/")[-1] == "qsmnode":
            assert re.search(rf"^\s+{re.escape(arguments[0])}\b", usage, re.MULTILINE), command


def test_links_between_pages_lead_somewhere() -> None:
    dead = [
        f"{page.relative_to(_ROOT)}: {target}"
        for page in _files()
        if page.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not dead
