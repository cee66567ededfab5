"""The process that reads headers: paths in, a line of JSON out for each, within limits that it sets itself.

Run by :mod:`qsmnode.node.headers`; ends when its input ends.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from qsmnode.dicom.instance import read_instance
from qsmnode.errors import UnreadableDicom
from qsmnode.node.headers import HEADER, READY, REASON

_STATM = Path("/proc/self/statm")


def main(arguments: Sequence[str]) -> None:
    """Answer until there is nothing more to read.

    Args:
        arguments: the folder; seconds and MB that one header may take; MB of a deflated object once inflated.
    """
    root, timeout_s, memory_mb = Path(arguments[0]), float(arguments[1]), int(arguments[2])
    most_inflated = int(arguments[3]) * 1_000_000
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, no path
            os.dup2(nowhere.fileno(), sys.stdout.fileno())  # a library that prints is no answer
        _limit(memory_mb)
        answers.write(READY + b"\n")
        answers.flush()
        for line in sys.stdin.buffer:
            for path in json.loads(line):
                # the default action of the signal ends the process, wherever it is
                signal.setitimer(signal.ITIMER_REAL, timeout_s)
                answer = _answer(root / path, most_inflated)
                signal.setitimer(signal.ITIMER_REAL, 0)
                answers.write(answer + b"\n")
                answers.flush()


def _answer(path: Path, most_inflated: int) -> bytes:
    try:
        return HEADER + read_instance(path, most_inflated).to_json().encode("utf-8", "replace")
    except UnreadableDicom as error:
        reason = str(error).removeprefix(f"{path.name}: ")
        return REASON + json.dumps(reason).encode()


def _limit(memory_mb: int) -> None:
    """Bound the address space to so much more than is taken now; no core file, which would hold a header."""
    taken = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    limit = taken + memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # whoever stops the node stops this by ending its input


if __name__ == "__main__":
    main(sys.argv[1:])
