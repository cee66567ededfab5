"""How the page writes: fonts, colours, lines that fit."""

from __future__ import annotations

import io
import textwrap
from functools import cache
from importlib import resources

import font_source_sans_pro
from PIL import ImageDraw, ImageFont

Draw = ImageDraw.ImageDraw
Colour = tuple[int, int, int]
SIDE, MARGIN, LINE = 1024, 24, 20
WHITE, GREY, DIM = (255, 255, 255), (185, 185, 185), (130, 130, 130)
AMBER = (255, 190, 60)


@cache
def font(size: int, weight: str = "Regular") -> ImageFont.FreeTypeFont:
    """The page's font."""
    found = resources.files(font_source_sans_pro).joinpath("files", f"SourceSansPro-{weight}.ttf")
    return ImageFont.truetype(io.BytesIO(found.read_bytes()), size)


def paragraph(draw: Draw, text: str, left: int, top: int, colour: Colour, columns: int = 70) -> None:
    """Words folded into lines of so many characters."""
    for number, line in enumerate(textwrap.wrap(text, columns)):
        draw.text((left, top + number * LINE), line, fill=colour, font=font(17))


def shortened(draw: Draw, text: str, size: int, room: int) -> str:
    """As much of a line as there is room for; where it is cut it says so."""
    if draw.textlength(text, font(size)) <= room:
        return text
    while text and draw.textlength(f"{text}...", font(size)) > room:
        text = text[:-1]
    return f"{text}..."
