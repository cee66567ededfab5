"""What a peer has taken, brought to the ledger by a thread of its own: nothing waits for a durable write."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType


class Acknowledgements:
    """Takes them from several threads, in a ``with`` block, at whose end all of them are written.

    What a crash keeps from the ledger is sent again, as the same bytes.

    Args:
        write: notes that the peer has these, durably.
    """

    def __init__(self, write: Callable[[Sequence[int]], None]) -> None:
        self._write = write
        self._changed = threading.Condition()
        self._waiting: list[int] = []
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="acknowledgements", daemon=True)

    def __enter__(self) -> Acknowledgements:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def add(self, index: int) -> None:
        """The peer has this one. Raises what an earlier write raised."""
        with self._changed:
            if self._error is not None:
                raise self._error
            self._waiting.append(index)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                taken, self._waiting = self._waiting, []
            if not taken:
                return
            try:
                self._write(taken)
            except BaseException as error:  # noqa: BLE001 - raised again by whoever sends
                self._error = error
                return
