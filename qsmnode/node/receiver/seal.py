"""What makes a received file prove that it is whole: size and hash of its data set, in its own preamble.

PS3.10 leaves the 128 bytes of the preamble to whoever writes the file. They are written last, and synced with
the rest: a file with a true seal holds all that was sent, whatever became of the ledger.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

from qsmnode.errors import UnreadableDicom
from qsmnode.node.wire.part10 import Part10, read_front

_SEAL = struct.Struct(">8sQ32s")
_MARK = b"qsmnode\1"


@dataclass(frozen=True)
class Sealed:
    """A file that is whole."""

    front: Part10
    sha256: str


def seal(size: int, digest: bytes) -> bytes:
    """The first bytes of a file whose data set has this size and SHA-256."""
    return _SEAL.pack(_MARK, size, digest)


def read_sealed(path: Path) -> Sealed | None:
    """What a file holds where its seal is true; None where it is not whole, or none of ours.

    Raises:
        OSError: it cannot be read.
    """
    try:
        front = read_front(path)
    except UnreadableDicom:
        return None
    with path.open("rb") as file:
        mark, size, digest = _SEAL.unpack(file.read(_SEAL.size))
        if mark != _MARK or size != front.size:
            return None
        file.seek(front.offset)
        found = hashlib.file_digest(file, "sha256")
    return Sealed(front, found.hexdigest()) if found.digest() == digest else None
