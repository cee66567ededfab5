"""What a reconstruction starts from and its products refer back to: arrays, geometry, header, references."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from qsmnode.dicom.geometry import affine_of
from qsmnode.engine.types import EchoStack


@dataclass(frozen=True)
class ImageReference:
    """One source image: an instance, or a frame of one.

    Attributes:
        frame_number: from 1, or None for an instance with a single frame.
        kind: magnitude, phase, real or imaginary.
        echo: from 1, in the order of the echo times.
    """

    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None
    kind: str
    echo: int


@dataclass(frozen=True)
class SliceSource:
    """One slice of the stack: its ImagePositionPatient and every image that it was read from."""

    position_mm: tuple[float, float, float]
    references: tuple[ImageReference, ...]


@dataclass(frozen=True)
class Source:
    """One acquisition, read: arrays in the engine's axes and everything that its products must repeat.

    Attributes:
        stack: axes (E, X, Y, Z) with X = column, Y = row, Z along row x column ascending; phase in rad.
        slices: index = Z of the arrays.
        orientation: ImageOrientationPatient.
        pixel_spacing_mm: DICOM order, (between rows, between columns).
        slice_thickness_mm: SliceThickness.
        slice_spacing_mm: distance of neighbouring slices along the normal.
        template: one source header, enhanced ones flattened: patient, study, frame of reference, equipment
            and sequence facts; no pixel data, no private elements.
        content_sha256: over SOP instance UIDs, echo times, geometry and the arrays' bytes.
        warnings: what a reader of the maps should know, e.g. "2-D acquisition".
    """

    stack: EchoStack
    slices: tuple[SliceSource, ...]
    orientation: tuple[float, ...]
    pixel_spacing_mm: tuple[float, float]
    slice_thickness_mm: float
    slice_spacing_mm: float
    template: Dataset
    content_sha256: str
    warnings: tuple[str, ...]

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """(4, 4): array index (X, Y, Z, 1) to patient LPS coordinates in mm."""
        return affine_of(
            self.orientation, self.pixel_spacing_mm, self.slice_spacing_mm, self.slices[0].position_mm
        )
