"""A delivery to a folder: study/series/object.dcm, named by their UIDs, each file whole or not there."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from qsmnode.errors import UnreadableDicom
from qsmnode.ledger.store import fsync_folder
from qsmnode.node.sender.shortfall import Shortfall
from qsmnode.node.wire.part10 import Part10
from qsmnode.node.wire.uids import is_uid

_PARTIAL = ".partial"


class _OtherContent(Exception):
    """The folder holds another file of that name."""


def deliver(
    name: str,
    folder: Path,
    files: Sequence[Part10],
    acknowledged: Callable[[int], None],
    stopping: Callable[[], bool],
) -> Shortfall | None:
    """Write the files; None where the folder has all of them.

    Args:
        name: the peer's name.
        folder: where to.
        files: what it does not have yet.
        acknowledged: told the index of each file that is there now, durable.
        stopping: asked between files; True ends the try.
    """
    try:
        for index, file in enumerate(files):
            _place(file, folder / _relative(file))
            acknowledged(index)
            if stopping():
                return Shortfall("the node was stopped while writing", permanent=False)
    except OSError as error:
        return Shortfall(
            f"{name} (folder {folder}): cannot be written ({error.strerror}); check its disk and its owner",
            permanent=False,
            peer_is_down=True,
            unreachable=True,
        )
    except _OtherContent as error:
        return Shortfall(
            f"{name} (folder {folder}): {error} is there with other content; move it away, then retry",
            permanent=True,
        )
    except UnreadableDicom as error:
        return Shortfall(f"an object of this node's store: {error}", permanent=True)
    return None


def _relative(file: Part10) -> str:
    try:
        header = pydicom.dcmread(
            file.path, specific_tags=["StudyInstanceUID", "SeriesInstanceUID"], stop_before_pixels=True
        )
    except (InvalidDicomError, EOFError, ValueError) as error:
        raise UnreadableDicom(f"{file.path.name}: its header cannot be read") from error
    parts = [str(header.get(keyword, "")) for keyword in ("StudyInstanceUID", "SeriesInstanceUID")]
    if not all(is_uid(part) for part in parts):
        raise UnreadableDicom(f"{file.path.name}: it lacks StudyInstanceUID or SeriesInstanceUID")
    return f"{parts[0]}/{parts[1]}/{file.sop_instance_uid}.dcm"


def _place(file: Part10, path: Path) -> None:
    """Copy to ``path`` in one step that survives a power cut; the same file again changes nothing."""
    if path.exists():
        if not filecmp.cmp(file.path, path, shallow=False):
            raise _OtherContent(path.name)
        fsync_folder(path.parent)
        return
    _make(path.parent)
    partial = path.with_name(f".{path.name}{_PARTIAL}")
    try:
        descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as target, file.path.open("rb") as source:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        partial.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    fsync_folder(path.parent)


def _make(folder: Path) -> None:
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        fsync_folder(each.parent)
