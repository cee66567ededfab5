"""Which real programs there are, which Debian package brings them, and which are missing here."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

# Never the search path: a virtual environment with pynetdicom has its own storescu, storescp and echoscu.
_FOLDERS = "/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin:/opt/homebrew/bin"

DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")

PROGRAMS = {
    "dcmtk": (
        *("storescu", "storescp", "dcmsend", "echoscu", "findscu", "dcmdump", "dsrdump"),
        *("dcmcjpeg", "dcmcjpls", "dcmcrle", "dcmconv"),
    ),
    "dicom3tools": ("dciodvfy", "dcentvfy"),
    "orthanc": ("Orthanc",),
    "dcm2niix": ("dcm2niix",),
}


def find(program: str) -> Path:
    """The program's full path. FileNotFoundError naming it where it is not installed."""
    found = shutil.which(program, path=_FOLDERS)
    if found is None:
        raise FileNotFoundError(f"{program} is not installed in any of {_FOLDERS}")
    return Path(found)


def missing(packages: Sequence[str] = ()) -> list[str]:
    """What is lacking of these packages (of all, where none is named), as "program (package)"."""
    unknown = set(packages) - set(PROGRAMS)
    if unknown:
        raise ValueError(f"no such peers: {sorted(unknown)}; known: {sorted(PROGRAMS)}")
    lacking = [
        f"{program} ({package})"
        for package in packages or PROGRAMS
        for program in PROGRAMS[package]
        if shutil.which(program, path=_FOLDERS) is None
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
