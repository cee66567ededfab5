"""Rows of received objects, written to the ledger in groups.

An object is safe with its file alone: the file's seal lets a start make the row again. So no sender waits for
the ledger, where every other role has its turn as well. While rows cannot be written, nothing is accepted.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from dataclasses import dataclass

from qsmnode.ledger.store import Store
from qsmnode.node.supervise import Loop

_log = logging.getLogger(__name__)
_GATHER_S = 0.05
_AGAIN_S = 1.0
_MOST_WAITING = 2000


@dataclass(frozen=True)
class Kept:
    """A durable file that has no row yet."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax: str
    sha256: str
    size: int
    relative: str
    association_id: int
    peer: str
    received_at: float


class Register:
    """Brings what was kept into the ledger, in the order in which it came.

    Args:
        store: whose ledger.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[Kept] = deque()
        self._some = threading.Event()
        self._writing = threading.Lock()
        self._loop = Loop("register", self._step, self._some.set)
        self.trouble = ""
        """Why rows cannot be written; "" where they can."""

    def start(self) -> None:
        """Write by itself from now on, a moment after something came."""
        self._loop.start()

    def stop(self, timeout_s: float) -> None:
        """Write what waits, and end; what cannot be written is found by the next start."""
        self._loop.stop(timeout_s)
        with contextlib.suppress(sqlite3.Error):
            self.flush()

    def add(self, kept: Kept) -> None:
        """Have a row made soon; where too many wait, this waits with them."""
        self._waiting.append(kept)
        self._some.set()
        if len(self._waiting) > _MOST_WAITING:
            with contextlib.suppress(sqlite3.Error):  # then there is trouble, and nothing more is accepted
                self.flush()

    def flush(self) -> None:
        """Return when everything that was added before has its row.

        Raises:
            sqlite3.Error: the ledger cannot be written; all of it waits still.
        """
        with self._writing:
            group = list(self._waiting)
            if not group:
                return
            try:
                again, other = self._write(group)
            except sqlite3.Error as error:
                if not self.trouble:
                    _log.error(
                        "%d objects are kept and wait for their rows: the ledger: %s", len(group), error
                    )
                self.trouble = f"the ledger: {error}"
                raise
            self.trouble = ""
            for _ in group:
                self._waiting.popleft()
        for kept in again:
            self._remove(kept)
        for kept in other:
            _log.warning(
                "%s sent SOP Instance UID %s again with other bytes: kept as conflicting, the first is used",
                kept.peer,
                kept.sop_instance_uid,
            )

    def _write(self, group: list[Kept]) -> tuple[list[Kept], list[Kept]]:
        """All rows of a group; those that are here already, and those whose UID has other bytes here."""
        instances = self._store.instances
        again, other = [], []
        with self._store.database.transaction(durable=False):  # a start makes the rows again
            for kept in group:
                if instances.known(kept.sop_instance_uid, kept.sha256):
                    again.append(kept)
                    continue
                if instances.absent([kept.sop_instance_uid]) == []:
                    other.append(kept)
                instances.add(
                    sop_instance_uid=kept.sop_instance_uid,
                    sop_class_uid=kept.sop_class_uid,
                    transfer_syntax=kept.transfer_syntax,
                    sha256=kept.sha256,
                    size=kept.size,
                    path=kept.relative,
                    association_id=kept.association_id,
                    received_at=kept.received_at,
                )
        return again, other

    def _remove(self, kept: Kept) -> None:
        try:
            self._store.path(kept.relative).unlink(missing_ok=True)
        except OSError as error:
            _log.warning("a second copy of an object stays until the next start: %s", error.strerror)

    def _step(self) -> None:
        self._some.wait()
        self._some.clear()
        time.sleep(_GATHER_S)
        try:
            self.flush()
        except sqlite3.Error:
            if not self._loop.stopping:
                time.sleep(_AGAIN_S)
                self._some.set()
