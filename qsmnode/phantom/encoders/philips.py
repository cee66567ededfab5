"""Philips classic: every kind and echo of a scan in one series, the counts in private elements."""

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
    Image,
    Pixels,
    Scaling,
    images_of,
)
from qsmnode.phantom.encoders.maker import Maker
from qsmnode.phantom.encoders.signal import Signal, coded_component, coded_magnitude, coded_phase
from qsmnode.phantom.scan import Scan

HALF_TURN_MRAD = 3142.0
MAGNITUDE_SLOPE = 1.2915751
"""Rescaled magnitudes are no whole numbers; any slope does."""

MAKER = Maker("Philips", {1.5: "Ingenia", 3.0: "Ingenia Elition X", 7.0: "Achieva"}, ["5.7.1", "5.7.1.1"])
_TYPES = {
    MAGNITUDE: ("M_FFE", "M", "FFE"),
    PHASE: ("PHASE MAP", "P", "FFE"),
    REAL: ("R_FFE", "R", "FFE"),
    IMAGINARY: ("I_FFE", "I", "FFE"),
    FIELD_MAP: ("B0 MAP", "B0", "UNSPECIFIED"),
}


def coded(signal: Signal, kind: str, bits: int) -> tuple[Pixels, Scaling]:
    """Stored values of one kind; the last step of phase stands for the end of the turn."""
    if kind == PHASE:
        return coded_phase(signal, bits, HALF_TURN_MRAD, "mrad", closed=True)
    if kind == MAGNITUDE:
        return coded_magnitude(signal, bits), Scaling(MAGNITUDE_SLOPE, 0.0, "normalized")
    pixels, scaling = coded_component(signal, kind, bits)
    return pixels, Scaling(scaling.slope, scaling.intercept, "normalized")


def coded_hertz(hertz: Float) -> list[Image]:
    """A field map in whole Hz."""
    pixels = np.clip(np.rint(hertz) + 2048, 0, 4095).astype(np.uint16)
    return images_of(pixels[None], FIELD_MAP, 12, Scaling(1.0, -2048.0, "Hz"))


def counts(scan: Scan) -> Dataset:
    """The private elements that declare slices and echoes."""
    ds = Dataset()
    ds.add_new(0x20010010, "LO", "Philips Imaging DD 001")
    ds.add_new(0x20011014, "SL", len(scan.sequence.echo_times_s))
    ds.add_new(0x20011018, "SL", scan.geometry.shape[2])
    return ds


def series_number(scan: Scan) -> int:
    """Scan 7 has series 701."""
    return 100 * scan.sequence.series_number + 1


def image_type(kind: str) -> list[str]:
    """ImageType of a classic image."""
    return ["ORIGINAL", "PRIMARY", *_TYPES[kind]]


def _series(scan: Scan, image: Image) -> Series:
    del image
    return Series(series_number(scan), ("all",))


def _shared(scan: Scan, image: Image) -> Dataset:
    ds = counts(scan)
    ds.ImageType = image_type(image.kind)
    ds.AcquisitionNumber = scan.sequence.series_number
    ds.EchoTrainLength = len(scan.sequence.echo_times_s)
    ds.WindowCenter, ds.WindowWidth = ("0", "6284") if image.kind != MAGNITUDE else ("1600", "3200")
    return ds


def _own(scan: Scan, image: Image) -> Dataset:
    del scan
    ds = Dataset()
    ds.TemporalPositionIdentifier = ds.NumberOfTemporalPositions = 1
    if image.kind == FIELD_MAP:
        ds.EchoTime = "0"
    return ds


PHILIPS = Classic(MAKER, _series, _shared, _own)
