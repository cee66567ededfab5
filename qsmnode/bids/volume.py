"""One NIfTI file: its header checked, its values as they are stored."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from qsmnode.bids.phase import Stored
from qsmnode.bids.placement import Placement, placement_of
from qsmnode.errors import NotEligible

_LARGEST_VOXELS = 1 << 31  # of all echoes
_DAMAGED = "is it damaged, or no NIfTI file? Convert the scanner's images again"


@dataclass(frozen=True)
class Volume:
    """An opened file; nothing of its values is in memory yet."""

    path: Path
    image: Any
    placement: Placement
    echoes: int

    def stored(self, placement: Placement) -> Stored:
        """Its values, (E, X, Y, Z) in the engine's axes as the placement has them.

        Raises:
            NotEligible: the file is cut short or damaged.
        """
        proxy = self.image.dataobj
        try:
            values = np.asarray(proxy.get_unscaled())
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise NotEligible(
                f"{self.path.name}: cannot be read ({type(error).__name__}); {_DAMAGED}"
            ) from error
        values = values.reshape(*placement.shape, self.echoes)
        return Stored(placement.turned(np.moveaxis(values, -1, 0)), float(proxy.slope), float(proxy.inter))


def opened(path: Path) -> Volume:
    """Read the header of a file.

    Raises:
        NotEligible: it is no NIfTI file of three dimensions, or four with the echo last.
    """
    try:
        image: Any = nibabel.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        raise NotEligible(f"{path.name}: cannot be read ({type(error).__name__}); {_DAMAGED}") from error
    if not isinstance(image, nibabel.Nifti1Pair | nibabel.Nifti2Pair):
        raise NotEligible(f"{path.name}: expected NIfTI, found {type(image).__name__}; {_DAMAGED}")
    shape = tuple(int(count) for count in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    header: Any = image.header
    kind = header.get_data_dtype()
    if (
        len(shape) not in (3, 4)
        or min(shape) < 1
        or math.prod(shape) > _LARGEST_VOXELS
        or kind.kind not in "iuf"
    ):
        raise NotEligible(
            f"{path.name}: expected real numbers in three dimensions, or four with the echo last, found "
            f"{kind} of shape {shape}; write one file for each echo and part"
        )
    return Volume(path, image, placement_of(path.name, header), shape[3] if len(shape) == 4 else 1)
