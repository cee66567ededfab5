"""How the voxels of a NIfTI file lie, and where B0 points in them.

The engine gets the axes that a scanner's own images have (DICOM's: to the patient's left, back or feet), so
that a map does not depend on which way round a file counts. Coordinates are NIfTI's: right, anterior,
superior.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmnode.engine.types import Grid
from qsmnode.errors import NotEligible

SKEW_TOLERANCE = 1e-3
"""Largest cosine of two axes that are taken as perpendicular."""
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
        flipped: which axes the engine sees the other way round.
        remark: what to say of it, "" where nothing.
    """

    shape: tuple[int, int, int]
    affine: Affine
    flipped: tuple[int, ...]
    remark: str = ""

    def turned(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """From the file's axes to the engine's, or back; (X, Y, Z) are the last three."""
        return np.flip(array, tuple(axis - 3 for axis in self.flipped))

    @property
    def engine_grid(self) -> Grid:
        """The engine's."""
        return self._grid(self.flipped)

    @property
    def file_grid(self) -> Grid:
        """The file's."""
        return self._grid(())

    @property
    def orientation(self) -> tuple[float, ...]:
        """Direction cosines of the engine's rows and columns, to left, back and head (DICOM's)."""
        unit = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0) * _TO_LPS[:, np.newaxis]
        signs = [-1.0 if axis in self.flipped else 1.0 for axis in (0, 1)]
        return tuple(float(signs[axis] * value) for axis in (0, 1) for value in unit[:, axis])

    def _grid(self, flipped: tuple[int, ...]) -> Grid:
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        b0 = self.affine[2, :3] / lengths
        b0 = b0 / np.linalg.norm(b0)
        # + 0.0: no minus zero
        first, second, third = (float(-b0[i] if i in flipped else b0[i]) + 0.0 for i in range(3))
        x, y, z = map(float, lengths)
        return Grid(self.shape, (x, y, z), (first, second, third))


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
    return Placement((shape[0], shape[1], shape[2]), affine, _flips(unit), remark)


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


def _flips(unit: Affine) -> tuple[int, ...]:
    """Which axes to turn: rows and columns go to left, back or feet, and the three are right-handed."""
    lps = unit * _TO_LPS[:, np.newaxis]
    signs = []
    for axis in (0, 1):
        main = int(np.argmax(np.abs(lps[:, axis])))
        wanted = -1.0 if main == 2 else 1.0
        signs.append(1.0 if lps[main, axis] * wanted > 0 else -1.0)
    handed = float(np.linalg.det(lps)) * signs[0] * signs[1]
    signs.append(1.0 if handed > 0 else -1.0)
    return tuple(axis for axis, sign in enumerate(signs) if sign < 0)
