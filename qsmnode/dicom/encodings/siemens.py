"""Siemens: VB to VE classic objects, syngo XA enhanced objects and their classic export."""

from __future__ import annotations

import math

from pydicom import Dataset

from qsmnode.dicom.csa import private_tag, protocol_of
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
)
from qsmnode.dicom.frames import ImageView
from qsmnode.dicom.reading import element_value, items, number, text, texts

HALF_TURN = 4096
"""Rescaled phase values from -4096 to 4094 mean -pi to pi: the divisor is never the data's maximum."""
_BARE = (2.0, -4096.0)  # what the rescale tags would say where they are absent

_NO_RECONSTRUCTION = frozenset({"NONE", "MFSPLIT", "", "M", "P", "R", "I"})


def _kind(view: ImageView) -> str:
    kinds = image_type(view)
    if PROCESSED.intersection(kinds):
        return OTHER
    if shows_field(view):
        return FIELD_MAP
    component = texts(view.get("ComplexImageComponent"))[:1]
    if component and component[0] in COMPONENTS:
        return refined(COMPONENTS[component[0]], view)
    return refined(LETTERS.get(kinds[2], OTHER), view) if len(kinds) > 2 else OTHER


def _flags(view: ImageView) -> tuple[str, ...]:
    kinds = _private_image_type(view) or image_type(view)
    return tuple(sorted(set(kinds[3:]) - _NO_RECONSTRUCTION))


def _private_image_type(view: ImageView) -> tuple[str, ...]:
    """syngo XA keeps ND, DIS2D and NORM in a private image type only (0021,1175)."""
    if view.frame is None:
        return ()
    tag = private_tag(view.frame, 0x0021, "SIEMENS MR SDI 02", 0xFE)
    for item in items(view.frame, tag)[:1] if tag is not None else ():
        inner = private_tag(item, 0x0021, "SIEMENS MR SDI 02", 0x75)
        if inner is not None:
            return texts(element_value(item, inner))
    return ()


def time_after_start_s(view: ImageView) -> float | None:
    """Seconds from the start of the scan to this image: (0019,1016), XA (0021,1104)."""
    if view.frame is None:
        tag = private_tag(view.dataset, 0x0019, "SIEMENS MR HEADER", 0x16)
        return number(view.dataset, tag) if tag is not None else None
    tag = private_tag(view.frame, 0x0021, "SIEMENS MR SDI 02", 0xFE)
    for item in items(view.frame, tag)[:1] if tag is not None else ():
        inner = private_tag(item, 0x0021, "SIEMENS MR SDI 02", 0x04)
        if inner is not None:
            return number(item, inner)
    return None


def _phase(view: ImageView) -> Scaling | None:
    slope, intercept = rescale(view) or _BARE
    rule = "Siemens rescale / 4096 x pi" if rescale(view) else "Siemens without rescale values: x 2 - 4096"
    turn = 2 * HALF_TURN
    # 16-bit objects keep 12-bit phase; the values themselves are checked when they are read
    fits = any(abs(slope * (1 << bits) - turn) <= slope for bits in {12, bits_stored(view)})
    if not fits or abs(intercept + HALF_TURN) > slope:
        return None
    return Scaling(slope / HALF_TURN * math.pi, intercept / HALF_TURN * math.pi, rule)


def _declared(dataset: Dataset) -> Declared:
    protocol = protocol_of(dataset)
    if protocol is None:
        return Declared()
    slices = protocol.slice_groups
    if text(dataset, "MRAcquisitionType").upper() == "3D":
        slices = None if protocol.images_per_slab is None else protocol.images_per_slab * (slices or 1)
    return Declared(slices=slices, echoes=protocol.contrasts, echo_times_s=protocol.echo_times_s)


def is_field_map_sequence(dataset: Dataset) -> bool:
    """Whether the product field map made this: its one phase image set is the difference of two echoes."""
    names = (text(dataset, "SequenceName"), text(dataset, "PulseSequenceName"))
    return any(name.lower().lstrip("*").startswith(("fm2d", "fm3d")) for name in names)


SIEMENS = Encoding("Siemens", _kind, _flags, _phase, _declared)
