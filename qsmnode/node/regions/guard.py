"""A program's keeper, a process of its own: ``guard.py STATUS_FD TIMEOUT_S PROGRAM ARGUMENT...``.

Runs the program in a process group and ends that group when the program is done, at the limit, or when
whoever asked is gone: its standard input ends then, however that came. Knows the standard library alone.
How it ended is one line of JSON on STATUS_FD, which the program does not have.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time

_LOOK_S = 0.05


def main() -> int:
    """Run it to its end."""
    status, timeout_s, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    told = json.dumps(_run(command, timeout_s)).encode()
    with contextlib.suppress(BrokenPipeError):
        os.write(status, told)
    return 0


def _run(command: list[str], timeout_s: float) -> dict[str, object]:
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    except (OSError, ValueError) as error:
        return {"not_started": getattr(error, "strerror", None) or "no usable command"}
    ended = _wait(child.pid, timeout_s)
    # before it is waited for, so that nobody else can have its number
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    code = child.wait()
    return {"code": code} if ended else {"late": True}


def _wait(pid: int, timeout_s: float) -> bool:
    """Whether it ended by itself."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        readable, _, _ = select.select([0], [], [], _LOOK_S)
        if readable and not os.read(0, 1):
            return False
    return False


if __name__ == "__main__":
    sys.exit(main())
