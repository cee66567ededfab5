"""How the voxels of a NIfTI file lie, and where B0 points in them.

The engine gets the axes that a scanner's own images have (DICOM's: to the patient's left, back or feet), so
that a map does not depend on which way round a file counts. Coordinates are NIfTI's: right, anterior,
superior.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmnode.engine.types import Grid
from qsmnode.errors import NotEligible

SKEW_TOLERANCE = 1e-3
"""Largest cosine of two axes that are taken as perpendicular."""
_SAME_DIRECTION = 0.999  # cosine
_DIGITS_MM = 5  # what an affine in float32 says of an edge: no step may see 5.0000003 mm for 5 mm
_SCANNER, _ALIGNED = 1, 2
_TO_LPS = np.array([-1.0, -1.0, 1.0])
_AGAINST = "resample it to the scanner's axes, or convert the scanner's images again"

Affine = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Placement:
    """A grid of voxels in the scanner.

    Attributes:
        shape: voxels along the file's axes.
        affine: (4, 4), index in the file to mm.
        flipped: which of the file's axes the engine sees the other way round.
        order: which of the file's axes are the engine's X, Y and Z.
        remark: what to say of it, "" where nothing.
    """

    shape: tuple[int, int, int]
    affine: Affine
    flipped: tuple[int, ...]
    order: tuple[int, int, int] = (0, 1, 2)
    remark: str = ""

    def turned(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """From the file's axes to the engine's; (X, Y, Z) are the last three."""
        before = tuple(range(array.ndim - 3))
        flipped = np.flip(array, tuple(axis - 3 for axis in self.flipped))
        return flipped.transpose(*before, *(len(before) + axis for axis in self.order))

    def back(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """From the engine's axes (X, Y, Z) to the file's."""
        return np.flip(array.transpose(np.argsort(self.order)), self.flipped)

    def as_scanned(self, orientation: tuple[float, ...]) -> Placement | None:
        """With the scanner's own rows and columns, which converters may have exchanged.

        Args:
            orientation: their direction cosines, to left, back and head (DICOM's ImageOrientationPatient).

        Returns:
            None where the file's axes are none of these: it has been resampled.
        """
        along = self._directions.T @ np.array(orientation).reshape(2, 3).T
        row, column = (int(axis) for axis in np.abs(along).argmax(axis=0))
        if row == column or min(abs(along[row, 0]), abs(along[column, 1])) < _SAME_DIRECTION:
            return None
        signs = {row: along[row, 0], column: along[column, 1]}
        return replace(self, order=(row, column, 3 - row - column), flipped=self._flipped(row, column, signs))

    @property
    def _directions(self) -> Affine:
        """(3, 3): columns are the directions of the file's axes, to left, back and head."""
        unit = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        return np.asarray(unit * _TO_LPS[:, np.newaxis], dtype=np.float64)

    def _flipped(self, row: int, column: int, signs: Mapping[int, float]) -> tuple[int, ...]:
        """The axes to turn where rows and columns have these signs and the three are right-handed."""
        third = 3 - row - column
        handed = float(np.linalg.det(self._directions[:, [row, column, third]]))
        every = {**signs, third: handed * signs[row] * signs[column]}
        return tuple(axis for axis in range(3) if every[axis] < 0)

    @property
    def engine_grid(self) -> Grid:
        """The engine's."""
        return self._grid(self.flipped, self.order)

    @property
    def file_grid(self) -> Grid:
        """The file's."""
        return self._grid((), (0, 1, 2))

    @property
    def orientation(self) -> tuple[float, ...]:
        """Direction cosines of the engine's rows and columns, to left, back and head (DICOM's)."""
        signs = [-1.0 if axis in self.flipped else 1.0 for axis in range(3)]
        return tuple(
            float(signs[axis] * value) for axis in self.order[:2] for value in self._directions[:, axis]
        )

    def _grid(self, flipped: tuple[int, ...], order: tuple[int, int, int]) -> Grid:
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        b0 = self.affine[2, :3] / lengths
        b0 = b0 / np.linalg.norm(b0)
        # + 0.0: no minus zero
        first, second, third = (float(-b0[i] if i in flipped else b0[i]) + 0.0 for i in order)
        x, y, z = (round(float(lengths[i]), _DIGITS_MM) for i in order)
        return Grid(
            (self.shape[order[0]], self.shape[order[1]], self.shape[order[2]]),
            (x, y, z),
            (first, second, third),
        )


def placement_of(file: str, header: Any) -> Placement:
    """Where the images of a NIfTI header lie.

    Args:
        file: its name, for messages.
        header: nibabel's, of NIfTI 1 or 2.

    Raises:
        NotEligible: it does not lie in the scanner's axes, or its axes are not perpendicular.
    """
    affine, remark = _scanner_affine(file, header)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.all(np.isfinite(affine)) or float(lengths.min()) <= 0:
        raise NotEligible(f"{file}: affine: expected three axes of finite length; {_AGAINST}", check="slices")
    unit = affine[:3, :3] / lengths
    skew = float(np.abs(unit.T @ unit - np.eye(3)).max())
    if skew > SKEW_TOLERANCE:
        raise NotEligible(
            f"{file}: affine: expected perpendicular axes, found a sheared grid (cosine {skew:.4f}): its "
            f"voxels are no boxes; {_AGAINST}",
            check="slices",
        )
    shape = tuple(int(count) for count in header.get_data_shape()[:3])
    return _usual(Placement((shape[0], shape[1], shape[2]), affine, (), remark=remark))


def _scanner_affine(file: str, header: Any) -> tuple[Affine, str]:
    """The transform into the scanner's axes, and what to say of it."""
    unit = header.get_xyzt_units()[0]
    if unit not in ("mm", "unknown"):
        raise NotEligible(f"{file}: xyzt_units: expected mm, found {unit}; write the affine in mm")
    codes = {"sform": int(header["sform_code"]), "qform": int(header["qform_code"])}
    for name, code in codes.items():
        if code == _SCANNER:
            return np.asarray(getattr(header, f"get_{name}")(), dtype=np.float64), ""
    if codes["sform"] == _ALIGNED:
        remark = f"{file}: sform_code 2 (aligned): its axes are taken as the scanner's"
        return np.asarray(header.get_sform(), dtype=np.float64), remark
    raise NotEligible(
        f"{file}: sform_code {codes['sform']}, qform_code {codes['qform']}: expected 1 (the scanner's axes), "
        f"as B0 is taken from the affine; {_AGAINST}",
        check="b0_axis",
    )


def _usual(placement: Placement) -> Placement:
    """Rows and columns are the file's first axes, and go to left, back or feet."""
    lps = placement._directions
    signs = {}
    for axis in (0, 1):
        main = int(np.argmax(np.abs(lps[:, axis])))
        signs[axis] = -lps[main, axis] if main == 2 else lps[main, axis]
    return replace(placement, flipped=placement._flipped(0, 1, signs))
