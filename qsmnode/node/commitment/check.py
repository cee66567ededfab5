"""Whether an object that was received is here whole: its row, its file, its size and its hash."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from qsmnode.errors import UnreadableDicom
from qsmnode.ledger.instances import InstanceRow
from qsmnode.ledger.promises import KEPT
from qsmnode.ledger.store import Store
from qsmnode.node.wire import status
from qsmnode.node.wire.part10 import read_front

_log = logging.getLogger(__name__)


def verdict(store: Store, sop_class_uid: str, sop_instance_uid: str) -> tuple[int, list[int]]:
    """What can be said of an object: 0 or the failure reason, and the instances that it stands for.

    Where it came again with other bytes, all of them have to be whole: any may be what the sender means.
    """
    held = store.promises.held(sop_instance_uid)
    if not held:
        return status.NO_SUCH_OBJECT, []
    if any(row.sop_class_uid != sop_class_uid for row in held):
        return status.CLASS_CONFLICT, []
    for row in held:
        fault = damage(store.path(row.path), row)
        if fault:
            _log.error("instance %d cannot be promised to be kept: %s", row.id, fault)
            return status.PROCESSING_FAILURE, []
    return KEPT, [row.id for row in held]


def damage(path: Path, row: InstanceRow) -> str:
    """What is wrong with an instance's file, "" for nothing."""
    try:
        size = path.stat().st_size
        if size != row.size:
            return f"its file has {size} bytes, {row.size} were acknowledged"
        with path.open("rb") as file:
            file.seek(read_front(path).offset)
            digest = hashlib.file_digest(file, "sha256")
    except UnreadableDicom as error:
        return str(error)
    except OSError as error:
        return f"its file cannot be read ({error.strerror})"
    return "" if digest.hexdigest() == row.sha256 else "its file has other bytes than were acknowledged"
