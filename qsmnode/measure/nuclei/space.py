"""Volumes with their place in the patient, and how one is read on the grid of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmnode.engine.types import Float
from qsmnode.measure.grids import Affine, Box

Points = npt.NDArray[np.float64]
_TRUNCATED = 3.0


@dataclass(frozen=True, eq=False)
class Volume:
    """Values on a grid.

    Attributes:
        values: (X, Y, Z).
        affine: (4, 4), array index to LPS mm.
    """

    values: npt.NDArray[Any]
    affine: Affine

    @property
    def spacing_mm(self) -> Points:
        """Edge lengths of a voxel."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))

    def smoothed(self, sigma_mm: float) -> Volume:
        """With a Gaussian."""
        return Volume(gaussian(self.values, sigma_mm / self.spacing_mm), self.affine)

    def on(self, box: Box, transform: Affine | None = None, *, nearest: bool = False) -> npt.NDArray[Any]:
        """On another grid; 0 where this one does not reach.

        Args:
            box: the grid asked for.
            transform: (4, 4), LPS mm of that grid to LPS mm of this volume; None: they share their space.
            nearest: the nearest voxel's value, else linear between them (float32).
        """
        to_here = np.linalg.inv(self.affine) @ (np.eye(4) if transform is None else transform) @ box.affine
        found: npt.NDArray[Any] = ndimage.affine_transform(
            self.values if nearest else self.values.astype(np.float32),
            to_here[:3, :3],
            to_here[:3, 3],
            box.shape,
            order=0 if nearest else 1,
            mode="constant",
        )
        return found


def gaussian(values: npt.NDArray[Any], sigma_voxels: Points) -> Float:
    """Smoothed, with zeros around."""
    smooth = ndimage.gaussian_filter(
        values.astype(np.float32), sigma_voxels, mode="constant", truncate=_TRUNCATED
    )
    return np.asarray(smooth, np.float32)


def around(points_mm: Points, spacing_mm: float, margin_mm: float) -> Box:
    """A grid along the patient's axes that holds points (N, 3)."""
    low, high = points_mm.min(axis=0) - margin_mm, points_mm.max(axis=0) + margin_mm
    shape = np.ceil((high - low) / spacing_mm).astype(int) + 1
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = low
    return Box((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def places(mask: npt.NDArray[np.bool_], affine: Affine) -> Points:
    """(N, 3) LPS mm of a mask's voxels."""
    return moved(np.argwhere(mask).astype(np.float64), affine)


def moved(points: Points, affine: Affine) -> Points:
    """(N, 3) points after an affine transform."""
    # sums of our own: a library's order of summing may depend on its threads
    x, y, z = points.T
    return np.stack([row[0] * x + row[1] * y + row[2] * z + row[3] for row in affine[:3]], axis=1)


def voxel_places(box: Box) -> Points:
    """(N, 3) LPS mm of all voxels of a grid, in the order of the array."""
    return moved(np.indices(box.shape, dtype=np.float64).reshape(3, -1).T, box.affine)


def image(values: npt.NDArray[Any], box: Box) -> Any:
    """For SimpleITK, whose axes are reversed and whose space is LPS, too; for grids along the patient."""
    import SimpleITK as sitk  # noqa: N813

    made = sitk.GetImageFromArray(np.ascontiguousarray(values.T))
    made.SetOrigin(box.affine[:3, 3].tolist())
    made.SetSpacing(np.diag(box.affine)[:3].tolist())
    return made
