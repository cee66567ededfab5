"""Siemens syngo XA: enhanced objects, one per echo and kind, or their export as classic objects.

Both keep the protocol with its counts in a private element of their own (0021,1019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from pydicom import Dataset
from pydicom.sequence import Sequence as Items

from qsmnode.phantom.encoders.classic import Classic, Series, file_label
from qsmnode.phantom.encoders.enhanced import Dimension, Object, write_object
from qsmnode.phantom.encoders.image import (
    COMPONENTS,
    KINDS,
    MAGNITUDE,
    PHASE,
    SHORT,
    UNSAID,
    Image,
    Pixels,
    Scaling,
)
from qsmnode.phantom.encoders.maker import Maker
from qsmnode.phantom.encoders.signal import Signal, coded_component, coded_magnitude, coded_phase
from qsmnode.phantom.scan import SLICE_TIME, Scan
from qsmnode.phantom.siemens import protocol_text

HALF_TURN = 4096.0
MAKER = Maker(
    "Siemens Healthineers",
    {1.5: "MAGNETOM Sola", 3.0: "MAGNETOM Vida", 7.0: "MAGNETOM Terra.X"},
    "syngo MR XA30",
)
_OF_SERIES, _OF_IMAGE = "SIEMENS MR SDS 01", "SIEMENS MR SDI 02"
_EFFECTIVE_ECHO_TIME, _ECHO_GROUP = 0x00189082, 0x00189114
_FIRST = timedelta(seconds=0.6025)  # from the start of a scan to its first slice


def coded(signal: Signal, kind: str, bits: int) -> tuple[Pixels, Scaling]:
    """Stored values of one kind, as all Siemens scanners store them."""
    if kind == MAGNITUDE:
        return coded_magnitude(signal, bits), UNSAID
    if kind == PHASE:
        if signal.turns == 1:
            return coded_phase(signal, bits, HALF_TURN, "US")
        return coded_phase(signal, bits, 1000.0 * math.pi, "mrad")
    pixels, scaling = coded_component(signal, kind, bits)
    return pixels, Scaling(2.0 * scaling.slope, 2.0 * scaling.intercept, "US")


def _protocol(scan: Scan) -> Dataset:
    ds = Dataset()
    ds.add_new(0x00210010, "LO", _OF_SERIES)
    text = protocol_text(scan).encode("latin-1")
    ds.add_new(0x00211019, "OB", text + bytes(len(text) % 2))
    return ds


def write_enhanced(scan: Scan, images: Sequence[Image], folder: Path) -> list[Path]:
    """One object per echo and kind, one series per kind."""
    shared = Dataset()
    shared.add_new(0x00210010, "LO", _OF_SERIES)
    shared.add_new(0x002110FE, "SQ", Items([_protocol(scan)]))
    written = []
    for kind, echo in sorted(
        {(i.kind, i.echo) for i in images}, key=lambda key: (KINDS.index(key[0]), key[1])
    ):
        frames = [image for image in images if (image.kind, image.echo) == (kind, echo)]
        number = scan.sequence.series_number + KINDS.index(kind)
        made = Object(
            maker=MAKER,
            number=number,
            parts=(number,),
            instance=echo + 1 if frames[0].instance is None else 1,
            image_type=["ORIGINAL", "PRIMARY", kind, "NONE"],
            component=COMPONENTS[kind],
            dimensions=(Dimension(_EFFECTIVE_ECHO_TIME, _ECHO_GROUP, lambda image: image.echo_number or 1),),
            frame_type=lambda image: ["ORIGINAL", "PRIMARY", image.kind, "NONE"],
            frame=_frame,
        )
        path = folder / f"{number:04d}-{SHORT[kind]}-e{echo + 1:02d}-all{file_label(scan)}.dcm"
        written.append(write_object(scan, frames, made, shared, Dataset(), path))
    return written


def _frame(scan: Scan, image: Image, number: int) -> Dataset:
    """Private facts of a frame: when after the start, and the image type with its reconstruction."""
    del number
    after = _FIRST if scan.sequence.slab else _FIRST + SLICE_TIME * image.index
    inner = Dataset()
    inner.add_new(0x00210011, "LO", _OF_IMAGE)
    inner.add_new(0x00211104, "DS", f"{after.total_seconds():.4f}")
    inner.add_new(0x00211175, "CS", ["ORIGINAL", "PRIMARY", image.kind, *scan.sequence.flags])
    ds = Dataset()
    ds.add_new(0x00210011, "LO", _OF_IMAGE)
    ds.add_new(0x002111FE, "SQ", Items([inner]))
    return ds


def _split_series(scan: Scan, image: Image) -> Series:
    """One series per echo and kind; the numbers jump."""
    number = scan.sequence.series_number + 3 * image.echo + 40 * KINDS.index(image.kind)
    return Series(number, (number,))


def _split_shared(scan: Scan, image: Image) -> Dataset:
    ds = _protocol(scan)
    ds.ImageType = ["ORIGINAL", "PRIMARY", image.kind, *scan.sequence.flags, "MFSPLIT"]
    return ds


def _split_own(scan: Scan, image: Image) -> Dataset:
    del scan, image
    return Dataset()


XA_SPLIT = Classic(MAKER, _split_series, _split_shared, _split_own)
