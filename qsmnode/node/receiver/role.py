"""The receiver role: one listening socket, one thread per connection."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from qsmnode.config import Config
from qsmnode.errors import UsageError
from qsmnode.ledger.store import Store
from qsmnode.node.receiver.addresses import Addresses, normalised
from qsmnode.node.receiver.door import Door
from qsmnode.node.receiver.intake import Intake, free_bytes
from qsmnode.node.receiver.session import House, Session
from qsmnode.node.receiver.settings import ReceiverSettings, receiver_settings
from qsmnode.node.supervise import Loop
from qsmnode.node.wire.connection import Connection

_log = logging.getLogger(__name__)
_BACKLOG = 128
_ENOUGH_STRANGERS = 256
_LEDGER_PAUSE_S = 1.0


class Receiver:
    """Answers C-ECHO and C-STORE for the peers that the configuration lists.

    Args:
        config: a loaded configuration.
        store: where objects are put.
        free: tells the free disk space of a folder in bytes.
    """

    def __init__(self, config: Config, store: Store, *, free: Callable[[Path], int] = free_bytes) -> None:
        settings = receiver_settings(config)
        self._settings = settings
        self._intake = Intake(store, settings.disk_reserve_bytes, free)
        self._door = Door(settings.max_associations)
        self._strangers: set[tuple[str, str]] = set()
        self._house = House(settings, self._intake, self._door, Addresses(), self._turned_away)
        self._listener: socket.socket | None = None
        self._threads: set[threading.Thread] = set()
        self._loop = Loop("receiver", self._accept, self._wake)

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        assert self._listener is not None
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Clear what was never acknowledged, then listen.

        Raises:
            UsageError: address and port cannot be listened on.
        """
        removed = self._intake.sweep()
        if removed:
            _log.info("%d files of objects that were never acknowledged are removed", removed)
        self._listener = _listen(self._settings)
        self._loop.start()

    def stop(self, timeout_s: float) -> None:
        """Listen no longer, abort what is open: what was acknowledged is kept, the rest is sent again."""
        deadline = time.monotonic() + timeout_s
        self._loop.stop(timeout_s)
        if self._listener is not None:
            self._listener.close()
        self._door.interrupt_all()
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))

    def _wake(self) -> None:
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # ends an accept that waits

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            link, where = self._listener.accept()
        except ConnectionAbortedError:
            return
        except OSError:
            if self._loop.stopping:
                return
            raise
        try:
            connection = Connection(link)
        except OSError:
            link.close()  # gone before it said a word
            return
        address = normalised(str(where[0]))
        self._door.enter(connection, address)
        thread = threading.Thread(
            target=self._serve, args=(connection, address), name=f"association {address}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the machine has no room for another thread
            self._door.leave(connection)
            connection.close()
            raise

    def _serve(self, connection: Connection, address: str) -> None:
        session = Session(self._house, connection, address)
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
                self._intake.store.instances.end_association(session.association_id)
                session.association_id = None
            except sqlite3.Error as error:
                if self._loop.stopping:
                    return  # a start ends all associations
                _log.error("the end of an association could not be noted: %s", error)
                time.sleep(_LEDGER_PAUSE_S)

    def _turned_away(self, address: str, why: str) -> None:
        """Tell it once: who is refused tries again, and again."""
        level = logging.DEBUG if (address, why) in self._strangers else logging.WARNING
        if len(self._strangers) >= _ENOUGH_STRANGERS:
            self._strangers.clear()
        self._strangers.add((address, why))
        _log.log(level, "no association with %s: %s", address, why)


def _listen(settings: ReceiverSettings) -> socket.socket:
    where = (settings.bind, settings.port)
    try:
        answers = socket.getaddrinfo(*where, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        families = {answer[0] for answer in answers}
        family = socket.AF_INET if socket.AF_INET in families else socket.AF_INET6
        everywhere = settings.bind == "::" and socket.has_dualstack_ipv6()
        listener = socket.create_server(where, family=family, backlog=_BACKLOG, dualstack_ipv6=everywhere)
    except socket.gaierror as error:
        raise UsageError(f"node.bind {settings.bind}: no address of this host ({error.strerror})") from error
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise UsageError(
            f"node.bind {settings.bind}, node.port {settings.port}: cannot listen there ({why});"
            " is another program using the port?"
        ) from error
    return listener
