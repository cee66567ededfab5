"""The standard's own attributes: for vendors without a rule of their own, and for everybody unknown.

Phase counts only where the header proves what a turn is, by a unit or by stored values that span one turn.
"""

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
    refined,
    rescale,
    shows_field,
    spans_one_turn,
)
from qsmnode.dicom.frames import ImageView
from qsmnode.dicom.reading import texts, whole


def kind_of(view: ImageView) -> str:
    """Kind by ComplexImageComponent, and by the one image type value that names a component.

    Where both name one and they differ, neither is believed.
    """
    kinds = image_type(view)
    if PROCESSED.intersection(kinds):
        return OTHER
    if shows_field(view) or {"FIELD_MAP", "B0"}.intersection(kinds):
        return FIELD_MAP
    component = texts(view.get("ComplexImageComponent"))[:1]
    named = {_NAMES[value] for value in kinds[2:] if value in _NAMES}
    named |= {COMPONENTS[value] for value in component if value in COMPONENTS}
    return refined(named.pop(), view) if len(named) == 1 else OTHER


_NAMES = {**LETTERS, **COMPONENTS}


def flags_of(view: ImageView) -> tuple[str, ...]:
    """Every image type value that says no kind."""
    return tuple(sorted(set(image_type(view)[2:]) - set(_NAMES) - {"NONE", ""}))


def phase_of(view: ImageView) -> Scaling | None:
    """Rescale values without a unit are rad where the stored values span one turn by them."""
    pair = rescale(view)
    if pair is None or not spans_one_turn(pair[0], bits_stored(view)):
        return None
    return Scaling(pair[0], pair[1], "rescale values in rad")


def declared_of(dataset: Dataset) -> Declared:
    """NumberOfSlices (0054,0081), where a vendor writes it into MR images."""
    slices = whole(dataset, "NumberOfSlices")
    return Declared(slices=slices if slices and slices > 0 else None)


def by_the_standard(name: str) -> Encoding:
    """The encoding of a vendor whose scanners write the standard's attributes and no other."""
    return Encoding(
        name,
        kind_of,
        flags_of,
        phase_of,
        declared_of,
        numbers_acquisitions=False,
        direction_checked=False,
    )


STANDARD = by_the_standard("unknown vendor")
