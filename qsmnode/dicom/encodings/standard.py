"""Everybody else, by the standard's own attributes; phase only where the header proves what a turn is."""

from __future__ import annotations

from pydicom import Dataset

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
    rescale,
    shows_field,
    spans_one_turn,
)
from qsmnode.dicom.frames import ImageView
from qsmnode.dicom.reading import texts, whole


def kind_of(view: ImageView) -> str:
    """Kind by ComplexImageComponent, else by the one image type value that names a component."""
    kinds = image_type(view)
    if PROCESSED.intersection(kinds):
        return OTHER
    if shows_field(view) or {"FIELD_MAP", "B0"}.intersection(kinds):
        return FIELD_MAP
    component = texts(view.get("ComplexImageComponent"))[:1]
    if component and component[0] in COMPONENTS:
        return COMPONENTS[component[0]]
    named = {_NAMES[value] for value in kinds[2:] if value in _NAMES}
    return named.pop() if len(named) == 1 else OTHER


_NAMES = {**LETTERS, **COMPONENTS}


def _flags(view: ImageView) -> tuple[str, ...]:
    return tuple(sorted(set(image_type(view)[2:]) - set(_NAMES) - {"NONE", ""}))


def _phase(view: ImageView) -> Scaling | None:
    pair = rescale(view)
    if pair is None or not spans_one_turn(pair[0], bits_stored(view)):
        return None
    return Scaling(pair[0], pair[1], "rescale values in rad")


def _declared(dataset: Dataset) -> Declared:
    slices = whole(dataset, "NumberOfSlices")
    return Declared(slices=slices if slices and slices > 0 else None)


STANDARD = Encoding("unknown vendor", kind_of, _flags, _phase, _declared, numbers_acquisitions=False)
