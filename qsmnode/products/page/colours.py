"""The colours of the segmentation as a screen shows them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qsmnode.products import segmentation
from qsmnode.products.context import ProductContext
from qsmnode.products.page.ink import Colour

_WHITE = np.array([0.9505, 1.0, 1.089])  # D65
_TO_RGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
_BEND = 6.0 / 29.0


def colours(context: ProductContext) -> Mapping[str, Colour]:
    """Of the measured regions, by name."""
    return {name: on_screen(*lab) for name, lab in segmentation.colours(context).items()}


def on_screen(lightness: float, a: float, b: float) -> Colour:
    """CIE L*a*b* as sRGB (IEC 61966-2-1), cut off at what a screen can show."""
    y = (lightness + 16.0) / 116.0
    bent = np.array([y + a / 500.0, y, y - b / 200.0])
    xyz = _WHITE * np.where(bent > _BEND, bent**3, 3.0 * _BEND**2 * (bent - 4.0 / 29.0))
    linear = np.clip(_TO_RGB @ xyz, 0.0, 1.0)
    curved = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    red, green, blue = (round(255 * float(value)) for value in curved)
    return red, green, blue
