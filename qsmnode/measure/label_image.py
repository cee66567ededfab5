"""Regions from a NIfTI image of labels, on any grid of the map's space."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from qsmnode.errors import NotEligible
from qsmnode.measure import lookup
from qsmnode.measure.grids import Affine, Box, Labels, beyond, onto
from qsmnode.measure.regions import Region

MOST_VOXELS = 1 << 28
# DICOM's coordinates point left and posterior where NIfTI's point right and anterior
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read(path: Path, box: Box) -> tuple[Region, ...]:
    """Every region of a label image and its lookup, on the map's grid.

    Args:
        path: NIfTI, with its lookup beside it.
        box: the map's grid.

    Raises:
        NotEligible: the image or its lookup cannot be used; says why.
    """
    entries = lookup.read(lookup.beside(path))
    labels, affine = _labels(path)
    _refuse_unnamed(path, labels, entries)
    placed = onto(labels, affine, box)
    if not placed.any():
        raise NotEligible(
            f"{path.name}: no label lies in the map's field of view; expected a label image in the "
            "same space as the images, such as one drawn on them"
        )
    regions = []
    for entry in entries:
        drawn = labels == entry.number
        regions.append(
            Region(
                name=entry.name,
                side=entry.side,
                number=entry.number,
                mask=placed == entry.number,
                structure=entry.structure,
                drawn_by="the site's label image",
                drawn_voxels=int(np.count_nonzero(drawn)),
                beyond_voxels=beyond(drawn, affine, box),
            )
        )
    return tuple(regions)


def _labels(path: Path) -> tuple[Labels, Affine]:
    """Whole numbers of three dimensions, and where they lie."""
    try:
        image: Any = nibabel.Nifti1Image.from_filename(path)
        header, shape = image.header, tuple(image.shape)
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        if len(shape) != 3 or not 0 < int(np.prod(shape, dtype=np.int64)) <= MOST_VOXELS:
            raise NotEligible(
                f"{path.name}: expected three dimensions with at most {MOST_VOXELS} voxels, got {image.shape}"
            )
        if not (int(header["sform_code"]) or int(header["qform_code"])):
            raise NotEligible(f"{path.name}: expected its place in space (sform or qform), got neither")
        values = np.asanyarray(image.dataobj).reshape(shape)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        raise NotEligible(f"{path.name}: no readable NIfTI image ({type(error).__name__})") from error
    affine = _RAS_TO_LPS @ np.asarray(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(float(np.linalg.det(affine[:3, :3]))) < 1e-6:
        raise NotEligible(f"{path.name}: expected a place in space (sform or qform), got one without volume")
    return _whole(path, values), affine


def _whole(path: Path, values: Labels) -> Labels:
    if values.dtype.kind not in "iufb":
        raise NotEligible(f"{path.name}: expected labels that are whole numbers, got {values.dtype}")
    if values.dtype.kind == "f":
        broken = int(np.count_nonzero(~np.isfinite(values)))
        if broken:
            raise NotEligible(
                f"{path.name}: expected labels that are whole numbers, got {broken} voxels of NaN"
            )
        if np.any(values != np.rint(values)):
            raise NotEligible(f"{path.name}: expected labels that are whole numbers, got fractions")
    if values.min() < 0:
        raise NotEligible(f"{path.name}: expected labels from 1 and 0 for none, got {values.min():g}")
    if not values.any():
        raise NotEligible(f"{path.name}: expected labels, got 0 everywhere")
    if values.max() > np.iinfo(np.uint16).max:
        raise NotEligible(f"{path.name}: expected labels up to 65535, got {values.max():g}")
    return values.astype(np.uint16)


def _refuse_unnamed(path: Path, labels: Labels, entries: tuple[lookup.Entry, ...]) -> None:
    present = np.flatnonzero(np.bincount(labels.ravel(), minlength=1)[1:]) + 1
    unnamed = sorted(set(present.tolist()) - {entry.number for entry in entries})
    if unnamed:
        shown = ", ".join(map(str, unnamed[:8])) + (" and more" if len(unnamed) > 8 else "")
        raise NotEligible(f"{path.name}: its lookup names no label {shown}; add a line for each")
