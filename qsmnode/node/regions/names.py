"""Which file of a folder belongs to an acquisition: pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ENDINGS = (".dcm", ".nii", ".nii.gz")
POLL_S = 2.0
# no separator, no leading dot, nothing that could lead out of the folder
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Wanted:
    """What files may be named after, from the image headers: anybody's text.

    Attributes:
        series: UIDs of the source series.
        study: UID of the study.
        accession: its accession number.
        frame_of_reference: UID of the source's.
    """

    series: tuple[str, ...]
    study: str
    accession: str
    frame_of_reference: str


@dataclass(frozen=True)
class Segmentation:
    """A DICOM Segmentation by what its header names."""

    name: str
    study: str
    frame_of_reference: str


def by_name(wanted: Wanted) -> Iterator[tuple[str, ...]]:
    """The names that a file may have, the most particular first; names of one kind stand together."""
    for keys in (wanted.series, (wanted.study,), (wanted.accession,)):
        safe = sorted({key for key in keys if is_safe(key)})
        yield tuple(f"{key}{ending}" for key in safe for ending in ENDINGS)


def by_header(found: Iterable[Segmentation], wanted: Wanted) -> tuple[str, ...]:
    """Names of the segmentations of the study: those on the source's frame of reference, else the others."""
    mine = [one for one in found if wanted.study and one.study == wanted.study]
    near = [one for one in mine if one.frame_of_reference == wanted.frame_of_reference]
    return tuple(sorted(one.name for one in near or mine))


def is_safe(key: str) -> bool:
    """Whether a value of a header may be a part of a path."""
    return _NAME.fullmatch(key) is not None and ".." not in key


def pause_s(came: bool, waited_s: float, wait_s: float) -> float | None:
    """How long to wait before the next look; None: no further one."""
    if came or waited_s >= wait_s:
        return None
    return min(POLL_S, wait_s - waited_s)
