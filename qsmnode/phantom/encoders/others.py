"""Canon, UIH and Hitachi: the standard's own attributes, each in its own habit.

What one stored step of phase means stands in the rescale values, and the stored range is one turn.
"""

from __future__ import annotations

import math

from pydicom import Dataset

from qsmnode.phantom.encoders.classic import Classic, Series
from qsmnode.phantom.encoders.image import (
    COMPONENTS,
    KINDS,
    PHASE,
    UNSAID,
    Image,
    Pixels,
    Scaling,
)
from qsmnode.phantom.encoders.maker import Maker
from qsmnode.phantom.encoders.signal import Signal, coded_magnitude, coded_phase
from qsmnode.phantom.pixels import decimal
from qsmnode.phantom.scan import Scan


def coded_canon(signal: Signal, kind: str, bits: int) -> tuple[Pixels, Scaling]:
    """Signed values; phase in rad, with no name for the unit unless several turns need one."""
    if kind == PHASE:
        unit = "" if signal.turns == 1 else "rad"
        return coded_phase(signal, bits, math.pi, unit, signed=True)
    return coded_magnitude(signal, min(bits, 15), signed=True), Scaling(1.0, 0.0)


def coded_uih(signal: Signal, kind: str, bits: int) -> tuple[Pixels, Scaling]:
    """Unsigned values; phase in rad, under the type that says nothing unless several turns need one."""
    if kind == PHASE:
        return coded_phase(signal, bits, math.pi, "US" if signal.turns == 1 else "rad")
    return coded_magnitude(signal, bits), UNSAID


def coded_hitachi(signal: Signal, kind: str, bits: int) -> tuple[Pixels, Scaling]:
    """Unsigned values; phase in mrad, which RescaleType says."""
    if kind == PHASE:
        return coded_phase(signal, bits, 1000.0 * math.pi, "mrad")
    return coded_magnitude(signal, bits), UNSAID


def _by_kind(scan: Scan, image: Image) -> Series:
    """One series per kind."""
    number = scan.sequence.series_number + KINDS.index(image.kind)
    return Series(number, (number,))


def _canon(scan: Scan, image: Image) -> Dataset:
    ds = Dataset()
    ds.ImageType = ["ORIGINAL", "PRIMARY", "GDC"]
    ds.ComplexImageComponent = COMPONENTS[image.kind]
    ds.EchoTrainLength = len(scan.sequence.echo_times_s)
    return ds


def _uih(scan: Scan, image: Image) -> Dataset:
    """The frequency is in Hz, the number of slices is declared, and the echo train is that of a slab."""
    ds = Dataset()
    ds.ImageType = ["ORIGINAL", "PRIMARY", image.kind, "UCA", "IF"]
    ds.ComplexImageComponent = COMPONENTS[image.kind]
    ds.ImagingFrequency = decimal(round(1e6 * scan.frequency_mhz))
    ds.EchoTrainLength = ds.NumberOfSlices = scan.geometry.shape[2]
    return ds


def _hitachi(scan: Scan, image: Image) -> Dataset:
    del scan
    ds = Dataset()
    ds.ImageType = ["ORIGINAL", "PRIMARY", image.kind]
    return ds


def _nothing(scan: Scan, image: Image) -> Dataset:
    del scan, image
    return Dataset()


CANON = Classic(
    Maker("CANON_MEC", {1.5: "Vantage Orian", 3.0: "Galan 3T"}, "V6.1SP3002*"), _by_kind, _canon, _nothing
)
UIH = Classic(Maker("UIH", {1.5: "uMR 570", 3.0: "uMR 770"}, "R002"), _by_kind, _uih, _nothing)
HITACHI = Classic(
    Maker("Hitachi Medical Corporation", {1.5: "ECHELON", 3.0: "TRILLIUM OVAL"}, "V6.0"),
    _by_kind,
    _hitachi,
    _nothing,
)
