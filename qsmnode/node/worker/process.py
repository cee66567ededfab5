"""One attempt: the subprocess, its pipe of progress, its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from qsmnode.node.worker.folder import STDERR

_NAME_LIMIT = 200


class Attempt:
    """A running computation in its own process group; killed when the block is left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.progress: tuple[float, str] = (0.0, "")
        self._news = threading.Event()

    def __enter__(self) -> Attempt:
        log = os.open(self._folder / STDERR, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "qsmnode.node.worker.compute", str(self._folder), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
        self._reader = threading.Thread(target=self._read, name="worker-pipe", daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._reader.join(10)

    @property
    def returncode(self) -> int:
        """Exit code, negative for a signal; only after :meth:`wait` said True."""
        assert self._process.returncode is not None
        return self._process.returncode

    @property
    def news(self) -> bool:
        """Whether progress came since this was last asked."""
        came = self._news.is_set()
        self._news.clear()
        return came

    def wait(self, timeout_s: float) -> bool:
        """Whether it has ended by then."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
            return True
        return False

    def kill(self) -> None:
        """End it and everything it started."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as pipe:
            for line in pipe:
                with contextlib.suppress(
                    ValueError, KeyError, TypeError
                ):  # a library that prints is no progress
                    message = json.loads(line)
                    self.progress = (float(message["progress"]), str(message["step"])[:_NAME_LIMIT])
                    self._news.set()
