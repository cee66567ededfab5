"""The receiver role: one thread per open port, one per connection."""

from __future__ import annotations

import logging
import sqlite3
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from qsmnode.config import Config
from qsmnode.ledger.store import Store
from qsmnode.node.receiver.addresses import Addresses, normalised
from qsmnode.node.receiver.door import Door
from qsmnode.node.receiver.entrance import Entrance, Entry, entries_of
from qsmnode.node.receiver.intake import Intake
from qsmnode.node.receiver.recovery import Recovery
from qsmnode.node.receiver.reserve import Space, space_of
from qsmnode.node.receiver.session import House, Session
from qsmnode.node.receiver.settings import receiver_settings
from qsmnode.node.supervise import Loop
from qsmnode.node.wire.connection import Connection

_log = logging.getLogger(__name__)
_ENOUGH_STRANGERS = 256
_LEDGER_PAUSE_S = 1.0


class Receiver:
    """Answers C-ECHO and C-STORE for the peers that the configuration lists.

    Args:
        config: a loaded configuration.
        store: where objects are put.
        entries: the ports that are listened on; None: those of the configuration.
        space: tells the disk space of a folder.
        refused: told the address of whoever is turned away, every time, and why.

    Raises:
        UsageError: a file that TLS needs cannot be used.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        entries: Sequence[Entry] | None = None,
        space: Callable[[Path], Space] = space_of,
        refused: Callable[[str, str], None] = lambda address, why: None,
    ) -> None:
        settings = receiver_settings(config)
        self._settings = settings
        self._intake = Intake(store, settings.reserve, largest=settings.largest_object, space=space)
        self._door = Door(
            settings.max_associations, settings.max_strangers, settings.max_strangers_per_address
        )
        self._strangers: set[tuple[str, str]] = set()
        self._refused = refused
        self._house = House(settings, self._intake, self._door, Addresses(), self._turned_away)
        self._entries = tuple(entries) if entries is not None else entries_of(config.node)
        self._entrances: list[Entrance] = []
        self._loops: list[Loop] = []
        self._stopping = False
        self._threads: set[threading.Thread] = set()

    @property
    def port(self) -> int:
        """The first port that is listened on, once started."""
        return self._entrances[0].port

    def start(self) -> None:
        """Clear what was never acknowledged, then listen.

        Raises:
            UsageError: address and port cannot be listened on.
        """
        recovery = Recovery(self._intake.store, self._settings.peers)
        recovery.run()
        if recovery.removed:
            _log.info("%d files of objects that were never acknowledged are removed", recovery.removed)
        if recovery.adopted:
            _log.warning("%d objects that the ledger had lost are in it again", recovery.adopted)
        try:
            for entry in self._entries:
                self._entrances.append(Entrance(self._settings.bind, entry))
        except BaseException:
            self._close_entrances()
            raise
        self._intake.register.start()
        for entrance in self._entrances:
            self._listen_at(entrance)

    def stop(self, timeout_s: float) -> None:
        """Listen no longer, abort what is open: what was acknowledged is kept, the rest is sent again."""
        self._stopping = True
        deadline = time.monotonic() + timeout_s
        for loop in self._loops:
            loop.stop(max(0.0, deadline - time.monotonic()))
        self._close_entrances()
        self._door.interrupt_all()
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        self._intake.register.stop(max(0.0, deadline - time.monotonic()))

    def _close_entrances(self) -> None:
        for entrance in self._entrances:
            entrance.close()

    def _listen_at(self, entrance: Entrance) -> None:
        loop = Loop("receiver", lambda: self._accept(entrance, loop), entrance.wake)
        self._loops.append(loop)
        loop.start()

    def _accept(self, entrance: Entrance, loop: Loop) -> None:
        try:
            link, where = entrance.accept()
        except ConnectionAbortedError:
            return
        except OSError:
            if loop.stopping:
                return
            raise
        try:
            connection = Connection(link)
        except OSError:
            link.close()  # gone before it said a word
            return
        address = normalised(where)
        if not self._door.enter(connection, address):
            connection.close()
            self._turned_away(address, "too many connections come at once")
            return
        thread = threading.Thread(
            target=self._serve,
            args=(connection, address, entrance.tls),
            name=f"association {address}",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError:  # the machine has no room for another thread
            self._door.leave(connection)
            connection.close()
            raise

    def _serve(self, connection: Connection, address: str, tls: Callable[[], ssl.SSLContext] | None) -> None:
        session = Session(self._house, connection, address, tls)
        self._threads.add(threading.current_thread())
        try:
            session.serve()
        except Exception as error:  # noqa: BLE001 - one association must not take the node with it
            _log.error("an association from %s: %s", address, type(error).__name__, exc_info=True)
        finally:
            connection.close()
            self._door.leave(connection)
            self._end(session)
            self._threads.discard(threading.current_thread())

    def _end(self, session: Session) -> None:
        """Note the end, again and again where the ledger cannot be written: studies wait for it."""
        while session.association_id is not None:
            try:
                self._intake.end_association(session.association_id)
                session.association_id = None
            except sqlite3.Error as error:
                if self._stopping:
                    return  # a start ends all associations
                _log.error("the end of an association could not be noted: %s", error)
                time.sleep(_LEDGER_PAUSE_S)

    def _turned_away(self, address: str, why: str) -> None:
        """Tell it once: who is refused tries again, and again."""
        self._refused(address, why)
        level = logging.DEBUG if (address, why) in self._strangers else logging.WARNING
        if len(self._strangers) >= _ENOUGH_STRANGERS:
            self._strangers.clear()
        self._strangers.add((address, why))
        _log.log(level, "no association with %s: %s", address, why)
