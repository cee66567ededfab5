"""What a peer has taken, brought to the ledger a few at a time: each write costs as much as sending."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

_MOST = 16
_LONGEST_S = 0.2


class Acknowledgements:
    """Collects from several threads. What a crash keeps from the ledger is sent again, as the same bytes.

    Args:
        write: notes that the peer has these, durably.
    """

    def __init__(self, write: Callable[[Sequence[int]], None]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._waiting: list[int] = []
        self._written_at = 0.0

    def add(self, index: int) -> None:
        """The peer has this one."""
        with self._lock:
            self._waiting.append(index)
            if len(self._waiting) >= _MOST or time.monotonic() - self._written_at >= _LONGEST_S:
                self._flush()

    def flush(self) -> None:
        """Nothing more comes, or not soon."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._write(self._waiting)
            self._waiting = []
        self._written_at = time.monotonic()
