"""The susceptibility map as classic MR images: stored value = ppb."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qsmnode.engine.types import Float
from qsmnode.measure.statistics import reference_statement
from qsmnode.products import codes
from qsmnode.products.context import ProductContext
from qsmnode.products.image_series import LARGEST, SMALLEST, ImageSeries, Pixels, in_steps, stored

NAME = "qsm"
WINDOW_CENTRE_PPB, WINDOW_WIDTH_PPB = 50, 300
PPB_PER_PPM = 1000.0


def stored_ppb(susceptibility_ppm: Float) -> npt.NDArray[np.int16]:
    """What is stored: whole ppb, cut off at what 16 bits can hold.

    Raises:
        JobFailed: a value is not finite; an integer image has no way to say so.
    """
    return stored("susceptibility", susceptibility_ppm, PPB_PER_PPM)


def clipped_voxels(susceptibility_ppm: Float) -> int:
    """How many voxels the stored values cannot hold."""
    whole = in_steps(susceptibility_ppm, PPB_PER_PPM)
    return int(np.count_nonzero((whole > LARGEST) | (whole < SMALLEST)))


def _pixels(context: ProductContext) -> Pixels:
    return Pixels(stored_ppb(context.maps.susceptibility), 1.0, WINDOW_CENTRE_PPB, WINDOW_WIDTH_PPB)


def _about(context: ProductContext) -> str:
    return f"Quantitative susceptibility map, ppb, 0 outside the mask. {reference_statement(context.maps)}"


SERIES = ImageSeries(
    name=NAME,
    offset=1,
    title="QSM ppb",
    kind="QSM",
    label="QSM",
    explanation="Magnetic susceptibility",
    unit=codes.PPB,
    quantity=codes.SUSCEPTIBILITY,
    pixels=_pixels,
    about=_about,
    derivation=codes.SUSCEPTIBILITY,
)
