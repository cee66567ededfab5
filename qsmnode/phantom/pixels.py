"""From arrays to stored pixels and plane geometry: what every vendor's writer needs and none may change."""

from __future__ import annotations

import math
from typing import Protocol as Interface

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from qsmnode.engine.types import EchoStack, Float
from qsmnode.phantom.protocol import Protocol, SliceGeometry

Stored = npt.NDArray[np.uint16]


class Measured(Interface):
    """Anything simulated that can be written as a scanner would: a head, a sphere."""

    @property
    def stack(self) -> EchoStack:
        """Magnitude and phase."""

    @property
    def geometry(self) -> SliceGeometry:
        """Where the grid lies."""

    @property
    def protocol(self) -> Protocol:
        """How it was measured."""

    @property
    def seed(self) -> int:
        """What the identity follows from."""


def decimal(value: float) -> str:
    """A DS of at most 16 characters that keeps as many digits as fit."""
    for digits in range(12, 3, -1):
        text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
        if len(text) <= 16:
            return "0" if text == "-0" else text
    return f"{value:.8g}"


def stored_magnitude(magnitude: Float, bits: int = 12) -> Stored:
    """Magnitude on whole numbers of ``bits``; one scale for all echoes, the brightest near the top."""
    top = (1 << bits) - 1
    bright = float(np.percentile(magnitude[0][::2, ::2, ::2], 99.9))
    scale = 0.8 * top / bright if bright > 0 else 1.0
    stored: Stored = np.clip(np.rint(magnitude * np.float32(scale)), 0, top).astype(np.uint16)
    return stored


def stored_phase(phase: Float, bits: int = 12) -> Stored:
    """Phase (rad) as one turn on ``2**bits`` steps, 0 standing for -pi; the last step wraps to the first."""
    turn = 1 << bits
    steps = np.rint(phase.astype(np.float64) * (turn / (2.0 * math.pi)) + turn / 2)
    return (steps.astype(np.int64) % turn).astype(np.uint16)


def plane_bytes(stored: Stored, index: int) -> bytes:
    """Pixel data of slice ``index`` of an (X, Y, Z) array: row by row."""
    return np.ascontiguousarray(stored[:, :, index].T).astype("<u2").tobytes()


def plane_module(geometry: SliceGeometry) -> Dataset:
    """Orientation, spacing and matrix, the same for all slices."""
    ds = Dataset()
    ds.ImageOrientationPatient = [decimal(cosine) for cosine in geometry.orientation]
    ds.PixelSpacing = [decimal(geometry.voxel_mm[1]), decimal(geometry.voxel_mm[0])]
    ds.SliceThickness = decimal(geometry.voxel_mm[2])
    ds.Columns, ds.Rows = geometry.shape[0], geometry.shape[1]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    return ds


def plane_position(geometry: SliceGeometry, index: float) -> Dataset:
    """Position of the first pixel of slice ``index``, which may lie off the grid, and its place."""
    corner = geometry.affine[:3] @ np.array([0.0, 0.0, index, 1.0])
    ds = Dataset()
    ds.ImagePositionPatient = [decimal(value) for value in corner]
    ds.SliceLocation = decimal(float(corner @ geometry.axes[:, 2]))
    return ds
