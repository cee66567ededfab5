"""GE: the kind in a private number, all kinds in one series, phase in mrad and against everybody's sign."""

from __future__ import annotations

import numpy as np
from pydicom import Dataset

from qsmnode.engine.types import Float
from qsmnode.phantom.encoders.classic import Classic, Series
from qsmnode.phantom.encoders.image import (
    FIELD_MAP,
    IMAGINARY,
    MAGNITUDE,
    PHASE,
    REAL,
    UNSAID,
    Image,
    Pixels,
    Scaling,
    images_of,
)
from qsmnode.phantom.encoders.maker import Maker
from qsmnode.phantom.encoders.signal import Signal, coded_magnitude, components
from qsmnode.phantom.scan import Scan

MAKER = Maker(
    "GE MEDICAL SYSTEMS",
    {1.5: "SIGNA Artist", 3.0: "SIGNA Architect", 7.0: "SIGNA 7.0T"},
    ["27", "LX", "MR Software release:DV27.0_R01_1850.a"],
)
# a field map in Hz says 0 like a magnitude
_NUMBERS = {MAGNITUDE: 0, PHASE: 1, REAL: 2, IMAGINARY: 3, FIELD_MAP: 0}


def coded(signal: Signal, kind: str, bits: int) -> tuple[Pixels, Scaling]:
    """Stored values of one kind; no header says what they mean."""
    if kind == PHASE:
        return np.clip(np.rint(-1000.0 * signal.phase), -32767, 32767).astype(np.int16), UNSAID
    if kind == MAGNITUDE:
        return coded_magnitude(signal, bits - 1, signed=True), UNSAID
    stored = components(signal, kind, bits)
    return (-stored if kind == IMAGINARY else stored), UNSAID


def coded_hertz(hertz: Float) -> list[Image]:
    """A field map in whole Hz."""
    pixels = np.clip(np.rint(hertz), -32767, 32767).astype(np.int16)
    return images_of(pixels[None], FIELD_MAP, 16, UNSAID)


def _series(scan: Scan, image: Image) -> Series:
    del image
    return Series(scan.sequence.series_number, ("all",))


def _shared(scan: Scan, image: Image) -> Dataset:
    ds = Dataset()
    ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    ds.EchoTrainLength = 1
    ds.ImagesInAcquisition = scan.kinds * len(scan.sequence.echo_times_s) * scan.geometry.shape[2]
    ds.add_new(0x00190010, "LO", "GEMS_ACQU_01")
    name = "B0map" if image.kind == FIELD_MAP else "SWAN" if scan.sequence.slab else "efgre"
    ds.add_new(0x0019109C, "LO", name)
    ds.add_new(0x0019109E, "LO", name)
    ds.add_new(0x00210010, "LO", "GEMS_RELA_01")
    ds.add_new(0x0021104F, "SS", scan.geometry.shape[2])
    ds.add_new(0x00430010, "LO", "GEMS_PARM_01")
    ds.add_new(0x0043102F, "SS", _NUMBERS[image.kind])
    return ds


def _own(scan: Scan, image: Image) -> Dataset:
    del scan, image
    return Dataset()


GE = Classic(MAKER, _series, _shared, _own)
