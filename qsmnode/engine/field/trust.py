"""Which voxels of a mask stay in it once the field is known."""

from __future__ import annotations

from qsmnode.engine.mask.morphology import filled
from qsmnode.engine.types import Float, Mask


def trusted(mask: Mask, weight: Float) -> Mask:
    """The mask without unusable voxels at its rim; unusable ones inside stay, with their weight of 0.

    Args:
        mask: (X, Y, Z).
        weight: (X, Y, Z), 0 where the field is not usable.
    """
    return filled(mask & (weight > 0)) & mask
