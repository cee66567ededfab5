"""How many connections there may be, in all, per address, and before anybody has said who it is."""

from __future__ import annotations

import threading
from collections import Counter

from qsmnode.node.wire.connection import Connection

_MOST_LEAVING = 64
"""Connections that were told to go and whose threads have not ended; a new one waits for them."""

_PATIENCE_S = 0.25


class Door:
    """Counts connections before they cost a thread; a flood of silent ones keeps no listed peer out.

    A connection without an association is a stranger, one with an association a guest. Where there are too
    many strangers the oldest that never said anything has to go, else the oldest: never the newest, which
    may be a peer's.

    Args:
        most_guests: associations at the same time.
        most_strangers: connections without an association.
        most_strangers_per_address: of which from one address.
    """

    def __init__(self, most_guests: int, most_strangers: int, most_strangers_per_address: int) -> None:
        self._most_guests = most_guests
        self._most_guests_per_address = most_guests - most_guests // 8  # none takes all where there are many
        self._most_strangers = most_strangers
        self._most_per_address = most_strangers_per_address
        self._changed = threading.Condition()
        self._strangers: dict[Connection, str] = {}  # oldest first
        self._guests: dict[Connection, str] = {}
        self._leaving: set[Connection] = set()

    def enter(self, connection: Connection, address: str) -> bool:
        """Whether a connection may come in; where there are too many, another one is told to go."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._leaving) < _MOST_LEAVING, _PATIENCE_S):
                return False
            leaves = self._one_too_many(address)
            if leaves is not None:
                del self._strangers[leaves]
                self._leaving.add(leaves)
            self._strangers[connection] = address
        if leaves is not None:
            leaves.interrupt()
        return True

    def associate(self, connection: Connection, address: str) -> bool:
        """Whether there is room for its association, which then counts."""
        with self._changed:
            here = sum(at == address for at in self._guests.values())
            full = len(self._guests) >= self._most_guests or here >= self._most_guests_per_address
            if full or connection not in self._strangers:
                return False
            del self._strangers[connection]
            self._guests[connection] = address
            return True

    def leave(self, connection: Connection) -> None:
        """The connection is closed."""
        with self._changed:
            self._strangers.pop(connection, None)
            self._guests.pop(connection, None)
            self._leaving.discard(connection)
            self._changed.notify_all()

    def interrupt_all(self) -> None:
        """Let every thread that reads from a connection see its end."""
        with self._changed:
            everybody = [*self._strangers, *self._guests]
        for connection in everybody:
            connection.interrupt()

    def _one_too_many(self, address: str) -> Connection | None:
        """The stranger that has to go before one from ``address`` comes in."""
        counts = Counter(self._strangers.values())
        if counts[address] >= self._most_per_address:
            crowded = address
        elif len(self._strangers) >= self._most_strangers:
            crowded = counts.most_common(1)[0][0]
        else:
            return None
        there = [each for each, at in self._strangers.items() if at == crowded]
        return next((each for each in there if each.is_silent), there[0])
