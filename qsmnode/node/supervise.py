"""A role's thread: calls one step again and again, survives whatever a step raises, stops when told to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger(__name__)
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


class Loop:
    """Runs ``step`` in a thread of its own until :meth:`stop`.

    ``step`` waits by itself (on the ledger) and returns; an exception in it is logged, followed by a growing
    pause, and never ends the thread: a role that dies in silence loses studies.
    """

    def __init__(self, name: str, step: Callable[[], None], wake: Callable[[], None]) -> None:
        self.name = name
        self._step = step
        self._wake = wake
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def stopping(self) -> bool:
        """Whether :meth:`stop` was called: a long step looks here."""
        return self._stopping.is_set()

    def stop(self, timeout_s: float) -> bool:
        """Ask the step to return and wait for it; whether it did."""
        self._stopping.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                self._step()
                pause = _FIRST_PAUSE_S
            except Exception as error:  # noqa: BLE001 - the supervised loop
                # the message may quote a header: type and place only, the traceback without locals
                _log.error("%s: %s; again in %.0f s", self.name, type(error).__name__, pause, exc_info=True)
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
