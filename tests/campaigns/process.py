"""A node in a process of its own, forked, in which steps towards the disk may go wrong."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from qsmnode.config import Config
from qsmnode.node.recipes import WrittenOut, written_out
from tests.campaigns.steps import Steps


class NodeProcess:
    """A forked node; ``steps`` go wrong in it."""

    def __init__(self, config: Config, log: Path, steps: Steps | None = None) -> None:
        recipes = written_out(config)  # the engine is taken into memory here once, not in every node
        ready, tell = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ready)
            _be_the_node(config, recipes, log, steps, tell)
        os.close(tell)
        self._ready = ready
        self._status: int | None = None

    def wait_ready(self) -> bool:
        """Until it listens; False where it died before."""
        with os.fdopen(self._ready, "rb") as pipe:
            return pipe.read(1) == b"1"

    def alive(self) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is None

    def end(self, number: int = signal.SIGTERM, patience_s: float = 60.0) -> int:
        """Ends it; its wait status."""
        if self.alive():
            os.kill(self.pid, number)
        deadline = time.monotonic() + patience_s
        while self.alive():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.02)
        assert self._status is not None
        return self._status


def _be_the_node(
    config: Config, recipes: Mapping[str, WrittenOut], log: Path, steps: Steps | None, tell: int
) -> None:
    from qsmnode.node.runtime import Node
    from qsmnode.observe.log import set_up

    code = 1
    try:
        stream = log.open("a")
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
        set_up("info", sys.stderr)
        asked = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: asked.set())
        if steps is not None:
            steps.install(os.getpid())
        with Node(config, recipes):
            os.write(tell, b"1")
            while not asked.wait(0.05):
                pass
        code = 0
    finally:
        os._exit(code)
