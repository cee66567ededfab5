"""Whether a peer is sent to at all: after failures in a row it is only asked whether it is back."""

from __future__ import annotations

import time
from collections.abc import Callable

from qsmnode.config import DeliverySettings
from qsmnode.node.sender.decide import backoff_s

FAILURES = 3
"""In a row, whatever the delivery: from then on nothing is sent until the peer answers a question."""

_LONGEST_S = 60.0
"""Between two questions, which cost a peer next to nothing: whoever has mended it need not wait for long."""


class Circuit:
    """Open after failures in a row: deliveries wait, uncounted. The first object that is taken closes it.

    Args:
        settings: how long between two questions.
        clock: seconds, from any origin.
    """

    def __init__(self, settings: DeliverySettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._failures = 0
        self._asks_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the peer has to answer a question before anything is sent."""
        return self._failures >= FAILURES

    @property
    def wait_s(self) -> float:
        """Seconds until it may be asked; 0 where it may now, or need not be."""
        return max(0.0, self._asks_at - self._clock()) if self.is_open else 0.0

    def failed(self) -> None:
        """It was away: an attempt to send, or a question, that came to nothing."""
        self._failures += 1
        wait = backoff_s(max(0, self._failures - FAILURES), self._settings)
        self._asks_at = self._clock() + min(wait, _LONGEST_S)

    def succeeded(self) -> None:
        """It took an object."""
        self._failures = 0
