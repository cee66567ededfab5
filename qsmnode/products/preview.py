"""A picture of three planes, for people without a viewer at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from PIL import Image, ImageDraw, ImageFont

from qsmnode.engine.types import Float
from qsmnode.errors import EngineInputError
from qsmnode.products.qsm_series import WINDOW_CENTRE_PPB, WINDOW_WIDTH_PPB
from qsmnode.products.storage import open_private

_GAP = 12
_HEIGHT = 384
_LEGEND = 28


def write_preview(
    path: Path, chi_ppb: Float, voxel_mm: tuple[float, float, float], reference: str = ""
) -> Path:
    """Write a PNG of the three array planes through the middle of the map.

    Args:
        path: where to.
        chi_ppb: (X, Y, Z), finite, ppb, 0 outside the map.
        voxel_mm: voxel edge lengths.
        reference: what zero means; "" where it is not known.

    Raises:
        EngineInputError: no map of three axes, or values that are not finite.
    """
    if chi_ppb.ndim != 3 or not np.isfinite(chi_ppb).all():
        raise EngineInputError(f"chi_ppb: expected finite values (X, Y, Z), got shape {chi_ppb.shape}")
    centre = _middle(chi_ppb)
    planes = [
        (chi_ppb[:, :, centre[2]].T, voxel_mm[1], voxel_mm[0]),
        (chi_ppb[:, centre[1], ::-1].T, voxel_mm[2], voxel_mm[0]),
        (chi_ppb[centre[0], :, ::-1].T, voxel_mm[2], voxel_mm[1]),
    ]
    tiles = [_tile(plane, down, across) for plane, down, across in planes]
    width = sum(tile.width for tile in tiles) + _GAP * (len(tiles) + 1)
    sheet = Image.new("L", (width, _HEIGHT + 2 * _GAP + _LEGEND), 0)
    left = _GAP
    for tile in tiles:
        sheet.paste(tile, (left, _GAP))
        left += tile.width + _GAP
    low, high = WINDOW_CENTRE_PPB - WINDOW_WIDTH_PPB // 2, WINDOW_CENTRE_PPB + WINDOW_WIDTH_PPB // 2
    window = f"window {WINDOW_CENTRE_PPB}/{WINDOW_WIDTH_PPB} ppb ({low} black, {high} white)"
    zero = f" (zero: {reference})" if reference else ""
    ImageDraw.Draw(sheet).text(
        (_GAP, _HEIGHT + _GAP + 6),
        f"magnetic susceptibility{zero}, {window}; research use, not for diagnosis",
        fill=200,
        font=ImageFont.load_default(14),
    )
    with open_private(path) as stream:
        sheet.save(stream, format="PNG")
    return path


def write_capture(path: Path, source: Path) -> Path:
    """Write the picture in a Secondary Capture as a PNG.

    Args:
        path: where to.
        source: a file of this node's own, 8 bits, grey or RGB.
    """
    with open_private(path) as stream:
        Image.fromarray(pydicom.dcmread(source).pixel_array).save(stream, format="PNG")
    return path


def _middle(chi_ppb: Float) -> tuple[int, int, int]:
    """The middle of what is not empty."""
    inside = np.nonzero(chi_ppb)
    if inside[0].size == 0:
        return (chi_ppb.shape[0] // 2, chi_ppb.shape[1] // 2, chi_ppb.shape[2] // 2)
    first, second, third = (int(axis.min() + axis.max()) // 2 for axis in inside)
    return (first, second, third)


def _tile(plane: npt.NDArray[np.float32], down_mm: float, across_mm: float) -> Image.Image:
    low = WINDOW_CENTRE_PPB - WINDOW_WIDTH_PPB / 2
    grey = np.clip((plane - low) / WINDOW_WIDTH_PPB, 0, 1) * 255
    image = Image.fromarray(grey.astype(np.uint8))
    width = round(_HEIGHT * plane.shape[1] * across_mm / (plane.shape[0] * down_mm))
    return image.resize((width, _HEIGHT), Image.Resampling.BICUBIC)
