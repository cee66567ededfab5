"""The store: one folder with the ledger, received files, job folders and products; one writer at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from qsmnode.errors import StoreError
from qsmnode.ledger.acquisitions import Acquisitions
from qsmnode.ledger.commitments import Commitments
from qsmnode.ledger.database import Database
from qsmnode.ledger.deliveries import Deliveries
from qsmnode.ledger.finished import FinishedRequests
from qsmnode.ledger.holdings import Holdings
from qsmnode.ledger.instances import Instances
from qsmnode.ledger.jobs import Jobs
from qsmnode.ledger.promises import Promises
from qsmnode.ledger.questions import Questions
from qsmnode.ledger.trail import AuditEvents

FOLDERS = ("instances", "jobs", "products")


class Store:
    """An open store.

    Args:
        root: the folder; made (0700) where it is missing and ``read_only`` is false.
        read_only: only look (several readers may, beside the node that writes).

    Raises:
        StoreError: another process writes this store, or it cannot be used.
    """

    def __init__(self, root: Path, *, read_only: bool = False) -> None:
        self.root = root
        self._lock: int | None = None
        if not read_only:
            _make_folders(root)
            self._lock = _lock(root)
        try:
            self.database = Database(root / "ledger.sqlite", read_only=read_only)
        except BaseException:
            self._unlock()
            raise
        self.instances = Instances(self.database)
        self.acquisitions = Acquisitions(self.database)
        self.jobs = Jobs(self.database)
        self.deliveries = Deliveries(self.database)
        self.holdings = Holdings(self.database)
        self.commitments = Commitments(self.database, self.deliveries)
        self.promises = Promises(self.database)
        self.finished_requests = FinishedRequests(self.database)
        self.audit_events = AuditEvents(self.database)
        self.questions = Questions(self.database, self.acquisitions)

    def path(self, relative: str) -> Path:
        """The file behind a path of the ledger."""
        return self.root / relative

    @property
    def control_socket(self) -> Path:
        """Where a running node listens for the command line."""
        return self.root / "control.sock"

    def close(self) -> None:
        """Close the ledger and let the next writer in."""
        self.database.close()
        self._unlock()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folders(root: Path) -> None:
    try:
        for folder in (root, *(root / name for name in FOLDERS)):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fsync_folder(folder.parent)
    except OSError as error:
        raise StoreError(
            f"{root}: the store cannot be made there ({error.strerror}); choose node.store"
        ) from error


def _lock(root: Path) -> int:
    path = root / "lock"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); check the store's owner") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise StoreError(f"{root}: in use by process {holder or '?'}; one node per store") from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        os.close(descriptor)
        raise StoreError(f"{path}: cannot be written ({error.strerror}); make room on the disk") from error
    return descriptor
