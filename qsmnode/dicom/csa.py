"""Counts that a Siemens protocol declares, read from its text inside the private headers.

The protocol is a list ``name = value`` between ``### ASCCONV BEGIN`` and ``### ASCCONV END``. It stands in
the series header (0029,1020) of classic objects, within the SV10 binary layout or as plain text, and in
(0021,1019) of syngo XA objects, where it is a text of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from pydicom import Dataset

from qsmnode.dicom.reading import element_value, items

_BEGIN = b"### ASCCONV BEGIN"
_END = b"### ASCCONV END"
_MAX_TEXT = 1 << 22
_MAX_CONTRASTS = 1024
_SERIES_AT_ONCE = 16  # every image of a series carries the same long text
# blanks only: \s would run over lines, and a long run of empty ones would take its square in time
_LINE = re.compile(rb"^[ \t]*([A-Za-z][\w.\[\]]*)[ \t]*=[ \t]*(\"*[^\r\n#]*)", re.MULTILINE)
_WANTED = re.compile(
    rb"lContrasts|sSliceArray\.lSize|sKSpace\.lImagesPerSlab|sKSpace\.ucDimension|alTE\[\d+\]|tSequenceFileName"
)


@dataclass(frozen=True)
class Protocol:
    """The facts of a Siemens protocol that this package uses; None where the text lacks one."""

    contrasts: int | None
    slice_groups: int | None  # 2-D: slices; 3-D: slabs
    images_per_slab: int | None
    echo_times_s: tuple[float, ...]
    sequence: str


def protocol_of(dataset: Dataset) -> Protocol | None:
    """The protocol of an instance, or None where it carries none."""
    for raw in _candidates(dataset):
        start = raw.find(_BEGIN)
        if start >= 0:
            end = raw.find(_END, start)
            return _parse(raw[start : end if end > start else start + _MAX_TEXT])
    return None


def _candidates(dataset: Dataset) -> tuple[bytes, ...]:
    found = [_block(dataset, 0x0029, "SIEMENS CSA HEADER", 0x20)]
    for holder in (dataset, *items(dataset, "SharedFunctionalGroupsSequence")):
        found.append(_block(holder, 0x0021, "SIEMENS MR SDS 01", 0x19))
        nested = _private_items(holder, 0x0021, "SIEMENS MR SDS 01", 0xFE)
        found.extend(_block(item, 0x0021, "SIEMENS MR SDS 01", 0x19) for item in nested)
    return tuple(raw for raw in found if raw)


def private_tag(dataset: Dataset, group: int, creator: str, offset: int) -> tuple[int, int] | None:
    """Tag of a private element whose block was reserved by ``creator``; None where it was not."""
    for block in range(0x10, 0x100):
        name = element_value(dataset, (group, block))
        if isinstance(name, str) and name.strip().upper() == creator:
            return (group, block << 8 | offset)
        if name is None and block > 0x20:
            return None
    return None


def _block(dataset: Dataset, group: int, creator: str, offset: int) -> bytes:
    tag = private_tag(dataset, group, creator, offset)
    value = element_value(dataset, tag) if tag is not None else None
    if isinstance(value, str):
        return value.encode("latin-1", errors="replace")
    return bytes(value) if isinstance(value, bytes | bytearray) else b""


def _private_items(dataset: Dataset, group: int, creator: str, offset: int) -> tuple[Dataset, ...]:
    tag = private_tag(dataset, group, creator, offset)
    return items(dataset, tag) if tag is not None else ()


@lru_cache(maxsize=_SERIES_AT_ONCE)
def _parse(raw: bytes) -> Protocol:
    """SV10 and plain text hold the same lines, so they are read the same way."""
    values: dict[str, str] = {}
    for name, value in _LINE.findall(raw):
        if _WANTED.fullmatch(name):
            values.setdefault(name.decode("ascii"), value.decode("latin-1").strip().strip('"'))
    contrasts = _count(values.get("lContrasts"), _MAX_CONTRASTS)
    times = [_count(values.get(f"alTE[{index}]")) for index in range(contrasts or 0)]
    known = tuple(round(time * 1e-6, 9) for time in times if time is not None)
    return Protocol(
        contrasts=contrasts,
        slice_groups=_count(values.get("sSliceArray.lSize")),
        images_per_slab=_count(values.get("sKSpace.lImagesPerSlab")),
        echo_times_s=known if len(known) == contrasts else (),
        sequence=values.get("tSequenceFileName", ""),
    )


def _count(value: str | None, most: int = 1_000_000_000) -> int | None:
    """A positive count, None beyond ``most``; the protocol writes decimal and hexadecimal numbers."""
    try:
        number = int(value, 0) if value else 0
    except ValueError:
        return None
    return number if 0 < number <= most else None
