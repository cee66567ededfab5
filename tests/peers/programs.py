"""Which real programs there are, which package brings them, and which are missing here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# Never the search path: a virtual environment with pynetdicom has its own storescu, storescp and echoscu.
_FOLDERS = "/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin:/opt/homebrew/bin"
# What Debian does not have comes from PyPI, into a folder of its own beside the environment's packages.
_FROM_PYPI = {"dcmqi": Path(sys.prefix) / "peers/dcmqi/bin"}

DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")

PROGRAMS = {
    "dcmtk": (
        *("storescu", "storescp", "dcmsend", "echoscu", "findscu", "dcmdump", "dsrdump", "dcm2json"),
        *("dcmcjpeg", "dcmcjpls", "dcmcrle", "dcmconv"),
    ),
    "dicom3tools": ("dciodvfy", "dcentvfy"),
    "orthanc": ("Orthanc",),
    "dcm2niix": ("dcm2niix",),
    "dcmqi": ("segimage2itkimage", "tid1500reader"),
}


def find(program: str) -> Path:
    """The program's full path. FileNotFoundError naming it where it is not installed."""
    found = _found(program)
    if found is None:
        raise FileNotFoundError(f"{program} is not installed in any of {_FOLDERS}")
    return Path(found)


def _found(program: str) -> str | None:
    own = [str(folder) for package, folder in _FROM_PYPI.items() if program in PROGRAMS[package]]
    return shutil.which(program, path=":".join(own) or _FOLDERS)


def missing(packages: Sequence[str] = ()) -> list[str]:
    """What is lacking of these packages (of all, where none is named), as "program (package)"."""
    unknown = set(packages) - set(PROGRAMS)
    if unknown:
        raise ValueError(f"no such peers: {sorted(unknown)}; known: {sorted(PROGRAMS)}")
    lacking = [
        f"{program} ({package})"
        for package in packages or PROGRAMS
        for program in PROGRAMS[package]
        if _found(program) is None
    ]
    if "orthanc" in (packages or PROGRAMS) and not DICOMWEB_PLUGIN.exists():
        lacking.append(f"{DICOMWEB_PLUGIN.name} (orthanc-dicomweb)")
    return lacking


def run(
    program: str, *arguments: str | Path, timeout_s: float = 300, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs one of the real programs to its end; what it printed on both channels is in `stdout`."""
    return subprocess.run(
        [find(program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=timeout_s,
        env=environment,
        check=False,
    )
