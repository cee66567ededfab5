"""The atlas that nuclei are looked for with: CIT168, at 1 mm in MNI152NLin2009cAsym.

Pauli, Nili and Tyszka, A high-resolution probabilistic in vivo atlas of human subcortical brain nuclei,
Scientific Data 2018; 5: 180063, https://doi.org/10.1038/sdata.2018.63; its data are CC-BY 4.0 (see
atlas_data/ATTRIBUTION.md).

There is no susceptibility template that anybody may use, so the atlas is painted with typical values of
susceptibility, and that picture is what a map is registered with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from qsmnode.engine.types import Float
from qsmnode.measure.grids import Affine

Labels = npt.NDArray[np.uint8]
_FILE = Path(__file__).parent / "atlas_data" / "CIT168_subcortex.nii.gz"
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_MARGIN = 12
_RIGHT = 100
"""What the atlas adds to a label for the right side."""


@dataclass(frozen=True)
class Part:
    """One nucleus of one side, as the atlas draws it.

    Attributes:
        name: of the nucleus.
        side: left or right.
        labels: of the atlas that make it up.
        typical_ppb: its usual susceptibility against its surroundings, in adults: where the search begins.
    """

    name: str
    side: str
    labels: tuple[int, ...]
    typical_ppb: float


# by the atlas's own numbers: 1 putamen, 2 caudate, 5 GPe, 6 GPi, 7 SNc with PBP and VTA, 8 RN, 9 SNr, 16 STN
_DRAWN = (
    ("caudate", (2,), 45.0),
    ("putamen", (1,), 45.0),
    ("globus pallidus", (5, 6), 130.0),
    ("red nucleus", (8,), 100.0),
    ("substantia nigra", (7, 9), 110.0),
    ("subthalamic nucleus", (16,), 100.0),
)
PARTS = tuple(
    Part(name, side, tuple(label + (_RIGHT if side == "right" else 0) for label in labels), typical)
    for name, labels, typical in _DRAWN
    for side in ("left", "right")
)
"""What is looked for, in the order of the numbers 1, 2, ... in :attr:`Atlas.parts`."""
INNER, OUTER = (6, 6 + _RIGHT), (5, 5 + _RIGHT)
"""The atlas's numbers of the two parts of the globus pallidus."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """The atlas around its nuclei, array axes along patient x (left), y (back), z (up).

    Attributes:
        parts: (X, Y, Z) uint8: 0, or the number of the part, from 1, in the order of :data:`PARTS`.
        labels: (X, Y, Z) uint8: the atlas's own numbers.
        affine: array index to LPS mm of the atlas's space.
    """

    parts: Labels
    labels: Labels
    affine: Affine

    @property
    def centre_mm(self) -> npt.NDArray[np.float64]:
        """Middle of all nuclei, in LPS mm of the atlas's space."""
        return np.asarray(self.affine[:3, :3] @ np.argwhere(self.parts).mean(axis=0) + self.affine[:3, 3])

    def painted(self, values_ppb: npt.NDArray[np.float64] | None = None) -> Float:
        """The atlas in susceptibility (ppb): those of each part, 0 elsewhere."""
        typical = [part.typical_ppb for part in PARTS] if values_ppb is None else values_ppb
        table = np.array([0.0, *typical], np.float32)
        return np.asarray(table[self.parts])


@cache
def atlas() -> Atlas:
    """The atlas, read once."""
    image: Any = nibabel.Nifti1Image.from_filename(_FILE)
    labels = np.asarray(image.dataobj).astype(np.uint8)
    affine = _RAS_TO_LPS @ np.asarray(image.affine, dtype=np.float64)
    for axis in range(3):  # so that indices rise with the coordinates
        if affine[axis, axis] < 0:
            affine[:3, 3] += affine[:3, axis] * (labels.shape[axis] - 1)
            affine[:3, axis] *= -1
            labels = np.flip(labels, axis)
    table = np.zeros(256, np.uint8)
    for number, part in enumerate(PARTS, start=1):
        table[list(part.labels)] = number
    parts = table[labels]
    where = np.argwhere(parts)
    low = np.maximum(where.min(axis=0) - _MARGIN, 0)
    high = where.max(axis=0) + _MARGIN + 1
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    affine[:3, 3] += affine[:3, :3] @ low
    return Atlas(np.ascontiguousarray(parts[box]), np.ascontiguousarray(labels[box]), affine)
