"""How many connections there may be, in all, per address, and before anybody has said who it is."""

from __future__ import annotations

import threading
from collections import Counter

from qsmnode.node.wire.connection import Connection

_MOST_STRANGERS = 48
"""Connections without an association yet. One more, and the oldest of the busiest address has to go."""


class Door:
    """Counts connections; a flood of silent ones cannot keep a listed peer out.

    Args:
        most: associations at the same time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_per_address = most - most // 8  # one address cannot take all where there are many
        self._lock = threading.Lock()
        self._strangers: dict[Connection, str] = {}
        self._guests: dict[Connection, str] = {}

    def enter(self, connection: Connection, address: str) -> None:
        """A connection came in; where there are too many, another one is interrupted for it."""
        with self._lock:
            leaves = None
            if len(self._strangers) >= _MOST_STRANGERS:
                busiest = Counter(self._strangers.values()).most_common(1)[0][0]
                leaves = next(each for each, at in self._strangers.items() if at == busiest)
                del self._strangers[leaves]
            self._strangers[connection] = address
        if leaves is not None:
            leaves.interrupt()

    def associate(self, connection: Connection, address: str) -> bool:
        """Whether there is room for its association, which then counts."""
        with self._lock:
            here = sum(at == address for at in self._guests.values())
            if len(self._guests) >= self._most or here >= self._most_per_address:
                return False
            self._strangers.pop(connection, None)
            self._guests[connection] = address
            return True

    def leave(self, connection: Connection) -> None:
        """The connection is closed."""
        with self._lock:
            self._strangers.pop(connection, None)
            self._guests.pop(connection, None)

    def interrupt_all(self) -> None:
        """Let every thread that reads from a connection see its end."""
        with self._lock:
            everybody = [*self._strangers, *self._guests]
        for connection in everybody:
            connection.interrupt()
