"""DCMTK's own storescu and echoscu, as a scanner would use them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.peers import programs

_SENDING = re.compile(r"^I: Sending file: (.+)$")
_STATUS = re.compile(r"^D: DIMSE Status\s+: 0x([0-9a-fA-F]{4})")

_REPORTED = re.compile(r"^DIMSE Status +: 0x([0-9a-fA-F]{4})", re.MULTILINE)


@dataclass(frozen=True)
class StoreResult:
    """What came of one run of storescu."""

    returncode: int
    output: str
    statuses: dict[Path, int | None]
    """For every file that it began to send, in order: the C-STORE status, None where no response came."""


def _address(host: str, port: int, called: str, calling: str) -> list[str]:
    return ["-aec", called, "-aet", calling, host, str(port)]


def _environment(nodelay: bool) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"}
    return environment | {"TCP_NODELAY": "1"} if nodelay else environment


def _statuses(output: str) -> dict[Path, int | None]:
    statuses: dict[Path, int | None] = {}
    current: Path | None = None
    for line in output.splitlines():
        if sending := _SENDING.match(line):
            current = Path(sending[1])
            statuses[current] = None
        elif current is not None and (status := _STATUS.match(line)):
            statuses[current] = int(status[1], 16)
    return statuses


def storescu(
    files: Path | Sequence[Path],
    port: int,
    *options: str,
    called: str = "QSMNODE",
    calling: str = "MR1",
    host: str = "127.0.0.1",
    nodelay: bool = True,
    timeout_s: float = 300,
) -> StoreResult:
    """Sends files, or a folder with everything below it, on one association.

    `options` come before the address, e.g. "+tls", key, certificate; "-R" (propose only what is needed) and
    "-nh" (go on after a refused file) are always given. `nodelay=False` leaves Nagle on, as real senders do.
    """
    paths = [files] if isinstance(files, Path) else list(files)
    result = programs.run(
        "storescu",
        "--debug",
        "--required",
        "--no-halt",
        "--scan-directories",
        "--recurse",
        *options,
        *_address(host, port, called, calling),
        *paths,
        timeout_s=timeout_s,
        environment=_environment(nodelay),
    )
    return StoreResult(result.returncode, result.stdout, _statuses(result.stdout))


def dcmsend(
    files: Sequence[Path], port: int, report: Path, *, called: str = "QSMNODE", calling: str = "MR1"
) -> list[int]:
    """Sends files on one association, private SOP classes too, which storescu cannot: the statuses."""
    programs.run(
        "dcmsend",
        "--no-uid-checks",
        "--no-halt",
        "--single-association",
        "--create-report-file",
        report,
        *["-aec", called, "-aet", calling, "127.0.0.1", str(port)],
        *files,
        timeout_s=300,
        environment=_environment(nodelay=True),
    )
    return [int(code, 16) for code in _REPORTED.findall(report.read_text())]


def echoscu(
    port: int,
    *options: str,
    called: str = "QSMNODE",
    calling: str = "MR1",
    host: str = "127.0.0.1",
    timeout_s: float = 60,
) -> tuple[int, str]:
    """One C-ECHO: (exit code, output); 0 where it was answered with success."""
    result = programs.run(
        "echoscu", "--verbose", *options, *_address(host, port, called, calling), timeout_s=timeout_s
    )
    return result.returncode, result.stdout
