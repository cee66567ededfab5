"""GE: the kind is a private number, phase is in mrad and runs against everybody else's."""

from __future__ import annotations

from pydicom import Dataset

from qsmnode.dicom.csa import private_tag
from qsmnode.dicom.encodings import standard
from qsmnode.dicom.encodings.encoding import (
    FIELD_MAP,
    IMAGINARY,
    MAGNITUDE,
    OTHER,
    PHASE,
    PROCESSED,
    REAL,
    Declared,
    Encoding,
    Scaling,
    image_type,
    refined,
    rescale,
    shows_field,
)
from qsmnode.dicom.frames import ImageView
from qsmnode.dicom.reading import number, text, whole

_NUMBERS = {0: MAGNITUDE, 1: PHASE, 2: REAL, 3: IMAGINARY}


def _private(dataset: Dataset, group: int, creator: str, offset: int) -> tuple[int, int] | None:
    return private_tag(dataset, group, creator, offset)


def _kind(view: ImageView) -> str:
    if PROCESSED.intersection(image_type(view)):
        return OTHER
    if shows_field(view):
        return FIELD_MAP
    tag = _private(view.dataset, 0x0043, "GEMS_PARM_01", 0x2F)
    code = whole(view.dataset, tag) if tag is not None else None
    if code is None:
        return standard.kind_of(view)
    kind = _NUMBERS.get(code, OTHER)
    return FIELD_MAP if kind == MAGNITUDE and _holds_hertz(view) else refined(kind, view)


def _holds_hertz(view: ImageView) -> bool:
    """A map in Hz says 0 as well, but no magnitude is negative; else the sequence's name counts."""
    smallest = number(view.dataset, "SmallestImagePixelValue")
    if smallest is not None:
        return smallest < 0
    return is_field_map_sequence(view.dataset)


def is_field_map_sequence(dataset: Dataset) -> bool:
    """Whether the pulse sequence is GE's field map."""
    for offset in (0x9C, 0x9E):
        tag = _private(dataset, 0x0019, "GEMS_ACQU_01", offset)
        if tag is not None and "b0map" in text(dataset, tag).lower():
            return True
    return False


def _flags(view: ImageView) -> tuple[str, ...]:
    """None: ImageType is always OTHER."""
    del view
    return ()


def _phase(view: ImageView) -> Scaling | None:
    pair = rescale(view) or (1.0, 0.0)
    if pair != (1.0, 0.0):
        return None
    return Scaling(1e-3, 0.0, "GE stored values in mrad")


def _declared(dataset: Dataset) -> Declared:
    tag = _private(dataset, 0x0021, "GEMS_RELA_01", 0x4F)
    slices = whole(dataset, tag) if tag is not None else None
    images = whole(dataset, "ImagesInAcquisition")
    return Declared(slices=slices if slices and slices > 0 else None, images=images or None)


GE = Encoding(
    "GE",
    _kind,
    _flags,
    _phase,
    _declared,
    phase_sign=-1,
    may_alternate=True,
    prefers_complex=True,
    one_series=True,
)
