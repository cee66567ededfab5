"""One image on its way into a file: stored pixels, what they mean, which kind, echo and place it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from qsmnode.phantom.pixels import decimal

Pixels = npt.NDArray[np.integer[Any]]

MAGNITUDE, PHASE, REAL, IMAGINARY, FIELD_MAP = "M", "P", "R", "I", "F"
KINDS = (MAGNITUDE, PHASE, REAL, IMAGINARY, FIELD_MAP)
SHORT = {MAGNITUDE: "mag", PHASE: "pha", REAL: "rea", IMAGINARY: "ima", FIELD_MAP: "fld"}
COMPONENTS = {
    MAGNITUDE: "MAGNITUDE",
    PHASE: "PHASE",
    REAL: "REAL",
    IMAGINARY: "IMAGINARY",
    FIELD_MAP: "REAL",
}


@dataclass(frozen=True)
class Scaling:
    """Value = stored x slope + intercept, in ``unit``; ``said`` is whether the header says so."""

    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    said: bool = True


UNSAID = Scaling(said=False)


@dataclass(frozen=True)
class Image:
    """One image of a scan.

    Attributes:
        kind: one of ``KINDS``: magnitude, phase, real, imaginary, field map in Hz.
        echo, index: echo and slice, from 0.
        pixels: (X, Y), of a signed type where the vendor stores signed values.
        bits: BitsStored.
        scaling: what a stored value means.
        shift: how far along the normal it lies from its place in the grid, in slice spacings.
        copy: 0, or the number of another object of the same image.
        echo_number: EchoNumbers; None leaves it out.
        instance: InstanceNumber in place of the vendor's own numbering.
    """

    kind: str
    echo: int
    index: int
    pixels: Pixels
    bits: int
    scaling: Scaling
    shift: float = 0.0
    copy: int = 0
    echo_number: int | None = None
    instance: int | None = None

    @property
    def place(self) -> float:
        """Where it lies along the normal, in slice spacings from the first slice."""
        return self.index + self.shift

    @property
    def identity(self) -> tuple[object, ...]:
        """What its UID follows from, besides scan and series."""
        parts = (self.kind, self.echo, self.index)
        return (*parts, "copy", self.copy) if self.copy else parts


def images_of(volumes: Pixels, kind: str, bits: int, scaling: Scaling) -> list[Image]:
    """Echo by echo and slice by slice, the images of (E, X, Y, Z) stored values."""
    return [
        Image(kind, echo, index, volume[:, :, index], bits, scaling, echo_number=echo + 1)
        for echo, volume in enumerate(volumes)
        for index in range(volume.shape[2])
    ]


def pixel_elements(image: Image) -> Dataset:
    """Pixel data and their layout; the smallest and largest of them, as scanners write."""
    signed = image.pixels.dtype.kind == "i"
    ds = Dataset()
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, image.bits, image.bits - 1
    ds.PixelRepresentation = int(signed)
    vr = "SS" if signed else "US"
    ds.add_new("SmallestImagePixelValue", vr, int(image.pixels.min()))
    ds.add_new("LargestImagePixelValue", vr, int(image.pixels.max()))
    ds.PixelData = pixel_bytes(image)
    ds["PixelData"].VR = "OW"
    return ds


def pixel_bytes(image: Image) -> bytes:
    """Pixel data of one image: row by row."""
    order = "<i2" if image.pixels.dtype.kind == "i" else "<u2"
    return np.ascontiguousarray(image.pixels.T).astype(order).tobytes()


def rescale_elements(scaling: Scaling) -> Dataset:
    """Rescale slope, intercept and type, where the header says them."""
    ds = Dataset()
    if scaling.said:
        ds.RescaleIntercept, ds.RescaleSlope = decimal(scaling.intercept), decimal(scaling.slope)
        if scaling.unit:
            ds.RescaleType = scaling.unit
    return ds
