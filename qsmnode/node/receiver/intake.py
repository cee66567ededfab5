"""From bytes on the wire to a file that survives a power cut and can be found again; only then Success."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qsmnode.errors import PeerError
from qsmnode.ledger.store import Store, fsync_folder
from qsmnode.node.receiver.register import Kept, Register
from qsmnode.node.receiver.reserve import Reserve, Space, space_of
from qsmnode.node.receiver.seal import seal
from qsmnode.node.receiver.shelf import Place, Shelf
from qsmnode.node.wire import status
from qsmnode.node.wire.part10 import encode_front

_log = logging.getLogger(__name__)
_LOOK_AT_DISK_EVERY = 16_000_000  # bytes
# pixel data of one object have a 32-bit length: nothing real is longer, an endless data set is an attack
LARGEST_DATA_SET = (1 << 32) + (1 << 26)
_DISK_BUFFER = 131072


@dataclass(frozen=True)
class Described:
    """What the command said about the object that follows."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    calling_ae: str
    peer: str


@dataclass(frozen=True)
class Answer:
    """A status with the words for it; ``stored`` where the object is here now."""

    status: int
    comment: str = ""

    @property
    def stored(self) -> bool:
        return self.status == status.SUCCESS


class Refusal:
    """A data set that is read to its end and thrown away: the answer was clear before it came."""

    def __init__(self, answer: Answer, largest: int = LARGEST_DATA_SET) -> None:
        self._answer = answer
        self._largest = largest
        self._size = 0

    def take(self, data: memoryview) -> None:
        """The next bytes."""
        self._size = _grown(self._size, data, self._largest)

    def finish(self) -> Answer:
        """What to answer."""
        return self._answer

    def discard(self) -> None:
        """Nothing was kept."""


class Intake:
    """The way into the store, shared by all associations.

    Args:
        store: where to.
        reserve: free disk space below which nothing is accepted.
        largest: bytes of a data set; one more, and the association is aborted.
        space: tells how much is free.
    """

    def __init__(
        self,
        store: Store,
        reserve: Reserve,
        *,
        largest: int = LARGEST_DATA_SET,
        space: Callable[[Path], Space] = space_of,
    ) -> None:
        self.store = store
        self.largest = largest
        self._reserve = reserve
        self._space = space
        self._refusing = False
        self.register = Register(store)

    def begin(self, described: Described, association: Callable[[], int], shelf: Shelf) -> Arrival | Refusal:
        """Get ready for a data set.

        Args:
            described: what the command said about it.
            association: gives the row of the association that it comes in.
            shelf: gives it its place.
        """
        if self.register.trouble:
            return Refusal(self.out_of_resources(described, self.register.trouble), self.largest)
        try:
            self.check_space()
            row = association()
            return Arrival(self, described, row, shelf.place())
        except OSError as error:
            return Refusal(self.out_of_resources(described, f"the disk: {error.strerror}"), self.largest)
        except sqlite3.Error as error:
            return Refusal(self.out_of_resources(described, f"the ledger: {error}"), self.largest)

    def check_space(self) -> None:
        """Raise OSError where the disk is down to its reserve."""
        shortage = self._reserve.shortage(self._space(self.store.root))
        if shortage:
            raise OSError(0, shortage)

    def out_of_resources(self, described: Described, why: str) -> Answer:
        """The answer that makes a sender keep its object and come again; one alert when it begins."""
        if not self._refusing:
            _log.error("objects from %s are answered 0xA700, the sender keeps them: %s", described.peer, why)
        self._refusing = True
        return Answer(status.OUT_OF_RESOURCES, why)

    def end_association(self, association_id: int) -> None:
        """Note that it ended, after all that came in it.

        Raises:
            sqlite3.Error: the ledger cannot be written.
        """
        self.register.flush()
        self.store.instances.end_association(association_id)

    def working(self) -> None:
        """An object was kept: tell it where the last ones were not."""
        if self.register.trouble:
            return
        if self._refusing:
            _log.warning("objects are accepted again")
        self._refusing = False


class Arrival:
    """One object on its way into the store: a file that the node named, hashed as it comes.

    Raises:
        OSError: nothing can be written.
    """

    def __init__(self, intake: Intake, described: Described, association_id: int, place: Place) -> None:
        self._intake = intake
        self._described = described
        self._association_id = association_id
        self._hash = hashlib.sha256()
        self._size = 0
        self._look_at = _LOOK_AT_DISK_EVERY
        self._failure: Answer | None = None
        self._place = place
        self._path = place.path
        front = encode_front(
            described.sop_class_uid,
            described.sop_instance_uid,
            described.transfer_syntax,
            described.calling_ae,
        )
        self._file = os.fdopen(place.descriptor, "wb", buffering=_DISK_BUFFER)
        self._front_size = len(front)
        try:
            self._file.write(front)
        except OSError:
            self.discard()
            raise

    def take(self, data: memoryview) -> None:
        """The next bytes; what cannot be written is read to its end all the same, then refused."""
        self._size = _grown(self._size, data, self._intake.largest)
        if self._failure is not None:
            return
        try:
            if self._size > self._look_at:
                self._look_at += _LOOK_AT_DISK_EVERY
                self._intake.check_space()
            self._file.write(data)
        except OSError as error:
            self._give_up(f"the disk: {error.strerror}")
            return
        self._hash.update(data)

    def finish(self) -> Answer:
        """Make the file durable under its name; what to answer."""
        if self._failure is None:
            try:
                self._file.flush()
                os.pwrite(self._file.fileno(), seal(self._size, self._hash.digest()), 0)
                os.fsync(self._file.fileno())
                self._file.close()
                if not self._place.named:
                    fsync_folder(self._path.parent)
            except OSError as error:
                self._give_up(f"the disk: {error.strerror}")
        return self._failure or self._enter()

    def discard(self) -> None:
        """Remove the file: it was not acknowledged."""
        with contextlib.suppress(OSError):
            self._file.close()
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("a file that was not acknowledged stays until the next start: %s", error.strerror)

    def _enter(self) -> Answer:
        described = self._described
        self._intake.register.add(
            Kept(
                sop_instance_uid=described.sop_instance_uid,
                sop_class_uid=described.sop_class_uid,
                transfer_syntax=described.transfer_syntax,
                sha256=self._hash.hexdigest(),
                size=self._front_size + self._size,
                relative=self._place.relative,
                association_id=self._association_id,
                peer=described.peer,
                received_at=time.time(),
            )
        )
        self._intake.working()
        return Answer(status.SUCCESS)

    def _give_up(self, why: str) -> None:
        self._failure = self._intake.out_of_resources(self._described, why)
        self.discard()


def _grown(size: int, data: memoryview, largest: int) -> int:
    size += len(data)
    if size > largest:
        raise PeerError(f"a data set of more than {largest // 1_000_000} MB (limits.max_object_mb)")
    return size
