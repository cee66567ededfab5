"""Philips: classic objects with all kinds in one series, and enhanced objects with one kind per frame."""

from __future__ import annotations

from pydicom import Dataset

from qsmnode.dicom.csa import private_tag
from qsmnode.dicom.encodings.encoding import (
    COMPONENTS,
    FIELD_MAP,
    LETTERS,
    OTHER,
    PROCESSED,
    Declared,
    Encoding,
    Scaling,
    bits_stored,
    image_type,
    refined,
    rescale,
    says_unwrapped,
    shows_field,
    spans_one_turn,
)
from qsmnode.dicom.frames import ImageView
from qsmnode.dicom.reading import texts, whole

_CREATOR = "PHILIPS IMAGING DD 001"
_FIELD_NAMES = frozenset({"B0", "B0 MAP", "FIELD_MAP"})


def _kind(view: ImageView) -> str:
    kinds = image_type(view)
    if PROCESSED.intersection(kinds):
        return OTHER
    if _FIELD_NAMES.intersection(kinds) or shows_field(view):
        return FIELD_MAP
    if len(kinds) > 3 and kinds[3] in LETTERS:
        return refined(LETTERS[kinds[3]], view)
    component = texts(view.get("ComplexImageComponent"))[:1]
    return refined(COMPONENTS.get(component[0], OTHER), view) if component else OTHER


def _flags(view: ImageView) -> tuple[str, ...]:
    """The values beyond the kind (M_FFE, PHASE MAP, FFE, T1) only say the kind and technique again."""
    return ("UNWRAPPED",) if says_unwrapped(view) else ()


def _phase(view: ImageView) -> Scaling | None:
    """Philips rescale values are mrad even where RescaleType says US."""
    pair = rescale(view)
    if pair is None or not spans_one_turn(pair[0] * 1e-3, bits_stored(view)):
        return None
    return Scaling(pair[0] * 1e-3, pair[1] * 1e-3, "Philips rescale values in mrad")


def _declared(dataset: Dataset) -> Declared:
    return Declared(slices=_count(dataset, 0x18), echoes=_count(dataset, 0x14))


def _count(dataset: Dataset, offset: int) -> int | None:
    tag = private_tag(dataset, 0x2001, _CREATOR, offset)
    count = whole(dataset, tag) if tag is not None else None
    return count if count is not None and count > 0 else None


PHILIPS = Encoding("Philips", _kind, _flags, _phase, _declared, numbers_are_unique=True)
