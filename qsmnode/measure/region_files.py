"""Regions from a file: a label image with its lookup, or a DICOM Segmentation."""

from __future__ import annotations

from pathlib import Path

from qsmnode.dicom.reading import text
from qsmnode.dicom.source import Source
from qsmnode.errors import NotEligible, UnreadableDicom, UsageError
from qsmnode.measure import label_image, segmentation_file
from qsmnode.measure.grids import Box
from qsmnode.measure.regions import Region


def read_regions(path: Path, source: Source, *, named: bool = True) -> tuple[Region, ...]:
    """Every region of a file, on the grid of a source's map.

    Args:
        path: of the file.
        source: of the map.
        named: whether a segmentation has to name the source's study and frame of reference; not where it was
            drawn on the map itself, by somebody who is not told these.

    Raises:
        UsageError: there is no such file.
        NotEligible: it holds no regions that can be placed on the map; says why.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; expected a DICOM Segmentation or a NIfTI label image")
    box = Box(source.stack.grid.shape, source.affine)
    if path.name.lower().endswith((".nii", ".nii.gz")):
        return label_image.read(path, box)
    study, frame = (text(source.template, name) for name in ("StudyInstanceUID", "FrameOfReferenceUID"))
    try:
        return segmentation_file.read(path, box, study if named else None, frame)
    except UnreadableDicom as error:
        raise NotEligible(
            f"{error}; regions come as DICOM Segmentation or as NIfTI (.nii, .nii.gz)"
        ) from error
