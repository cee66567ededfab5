"""How much a picture of the screen resembles what should be seen: pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Picture = npt.NDArray[np.uint8]
Grey = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_COLOURED = 24  # levels between the strongest and the weakest of red, green and blue
_BLACK = 3
_MOSTLY = 0.3  # of a row or column is black where a page crosses it


@dataclass(frozen=True)
class Rectangle:
    """A part of the screen, in its pixels."""

    left: int
    top: int
    width: int
    height: int

    def of(self, picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """That part of a picture."""
        return picture[self.top : self.top + self.height, self.left : self.left + self.width]


def windowed(values: npt.NDArray[Any], window: tuple[float, float]) -> Grey:
    """Grey levels after PS3.3 C.11.2.1.2.1, the linear function."""
    centre, width = window
    return np.clip((values - (centre - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0) * 255.0


def fitted(viewport: Rectangle, width_mm: float, height_mm: float) -> Rectangle:
    """Where an image lies that fills as much of a viewport as it can, in its middle."""
    scale = min(viewport.width / width_mm, viewport.height / height_mm)
    width, height = round(scale * width_mm), round(scale * height_mm)
    left = viewport.left + (viewport.width - width) // 2
    return Rectangle(left, viewport.top + (viewport.height - height) // 2, width, height)


def stretched(values: npt.NDArray[Any], place: Rectangle, *, smooth: bool = True) -> Grey:
    """An image's rows and columns on the pixels of the screen."""
    way = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    image = Image.fromarray(np.asarray(values, np.float32)).resize((place.width, place.height), way)
    return np.asarray(image, np.float64)


def grey(picture: Picture) -> Grey:
    """Mean of red, green and blue."""
    return picture[..., :3].mean(axis=2, dtype=np.float64)


def correlation(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Pearson's; 0 where one of them has no contrast at all."""
    a, b = one - one.mean(dtype=np.float64), other - other.mean(dtype=np.float64)
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum(dtype=np.float64)) / norm if norm > 0 else 0.0


def coloured(picture: Picture) -> Mask:
    """Pixels that are not grey."""
    colours = picture[..., :3].astype(np.int16)
    return np.asarray(colours.max(axis=2) - colours.min(axis=2) > _COLOURED)


def dice(one: Mask, other: Mask) -> float:
    """Overlap of two masks; 0 where both are empty: nothing seen is no success."""
    total = int(one.sum()) + int(other.sum())
    return 2.0 * int((one & other).sum()) / total if total else 0.0


def hues(picture: Picture, inside: Mask) -> int:
    """How many clearly different hues (of twelve) a tenth or more of the given pixels share."""
    colours = picture[inside][:, :3].astype(np.float64)
    if not len(colours):
        return 0
    red, green, blue = (colours - colours.mean(axis=1, keepdims=True)).T
    angle = np.arctan2(np.sqrt(3.0) * (green - blue), 2.0 * red - green - blue)
    counts = np.bincount((np.floor(angle / (2 * np.pi) * 12.0).astype(int)) % 12, minlength=12)
    return int((counts >= 0.1 * len(colours)).sum())


def page_within(picture: Picture, area: Rectangle) -> Rectangle | None:
    """The black sheet on a viewer's dark grey; None where there is none."""
    black = grey(area.of(picture)) <= _BLACK
    columns = np.flatnonzero(black.mean(axis=0) > _MOSTLY)
    rows = np.flatnonzero(black.mean(axis=1) > _MOSTLY)
    if not len(columns) or not len(rows):
        return None
    left, right, top, bottom = (int(one) for one in (columns[0], columns[-1], rows[0], rows[-1]))
    return Rectangle(area.left + left, area.top + top, right - left + 1, bottom - top + 1)
