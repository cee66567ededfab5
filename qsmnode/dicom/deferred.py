"""Long values of a header: what is left on disk, and what is read all the same."""

from __future__ import annotations

from typing import Protocol

from pydicom import Dataset
from pydicom.dataelem import RawDataElement

from qsmnode.errors import UnreadableDicom

DEFER_BYTES = 1 << 20
"""Larger element values stay on disk: a header needs none, and a damaged length may claim gigabytes."""

MAX_FRAMES_BYTES = 1 << 25
"""Of the functional groups of an enhanced object, where they state their length; 1600 frames have a tenth."""

_FUNCTIONAL_GROUPS = (0x52009229, 0x52009230)  # of all frames together, and of each


class Stream(Protocol):
    """What a header is read from."""

    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...


def settle_deferred(stream: Stream, dataset: Dataset) -> None:
    """Read what describes the frames, and leave other long values on disk for good.

    Asking for one of those would read all of it. Afterwards the stream stands where it stood.

    Args:
        stream: the one that ``dataset`` was read from.
        dataset: read with ``DEFER_BYTES``; changed in place.

    Raises:
        UnreadableDicom: a sequence is cut short, or longer than any measure.
    """
    end = stream.tell()
    for tag, raw in list(dataset.items()):
        if isinstance(raw, RawDataElement) and raw.value is None and raw.length > DEFER_BYTES:
            del dataset[tag]
            if tag in _FUNCTIONAL_GROUPS:
                dataset[tag] = raw._replace(value=_value(stream, raw))
    stream.seek(end)


def _value(stream: Stream, raw: RawDataElement) -> bytes:
    if raw.length > MAX_FRAMES_BYTES:
        raise UnreadableDicom(
            f"its frames are described in {raw.length >> 20} MB, expected at most {MAX_FRAMES_BYTES >> 20} MB"
        )
    stream.seek(raw.value_tell)
    value = stream.read(raw.length)
    if len(value) < raw.length:
        raise UnreadableDicom("cut short within the description of its frames; send it again")
    return value
