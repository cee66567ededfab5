"""The page as a picture of 1024 by 1024: words, pictures, table and lights on black."""

from __future__ import annotations

import io
import textwrap
from functools import cache
from importlib import resources

import font_source_sans_pro
from PIL import Image, ImageDraw, ImageFont

from qsmnode.engine.types import Maps
from qsmnode.measure.regions import REPEATABILITY
from qsmnode.products.context import ProductContext
from qsmnode.products.identity import date_and_time
from qsmnode.products.page import montage
from qsmnode.products.page.lights import Level, Light, lights
from qsmnode.products.page.table import Cells, table
from qsmnode.products.page.words import LANGUAGES, Words

SIDE = 1024
_MARGIN = 24
_TILE_WIDTH, _TILE_HEIGHT, _GAP = 240, 196, 5
_MONTAGE_TOP = 92
_BELOW = _MONTAGE_TOP + 3 * (_TILE_HEIGHT + _GAP) + 26
_TABLE_WIDTH = 560
_LINE = 20
_FOOT = SIDE - 4 * _LINE - 12
_LOGO = (200, 56)
_WHITE, _GREY, _DIM = (255, 255, 255), (185, 185, 185), (120, 120, 120)
_AMBER = (255, 190, 60)
_COLOURS = {Level.GOOD: (60, 200, 90), Level.WARNS: _AMBER, Level.BAD: (240, 70, 60)}
Draw = ImageDraw.ImageDraw


def sheet(context: ProductContext) -> Image.Image:
    """The whole page, RGB."""
    words = LANGUAGES[context.page.language]
    page = Image.new("RGB", (SIDE, SIDE))
    draw = ImageDraw.Draw(page)
    _head(page, draw, context, words)
    _pictures(page, draw, context, words)
    _table(draw, context, words)
    _lights(draw, lights(context, words), words)
    _foot(draw, context, words)
    return page


@cache
def _font(size: int, weight: str = "Regular") -> ImageFont.FreeTypeFont:
    found = resources.files(font_source_sans_pro).joinpath("files", f"SourceSansPro-{weight}.ttf")
    return ImageFont.truetype(io.BytesIO(found.read_bytes()), size)


def _head(page: Image.Image, draw: Draw, context: ProductContext, words: Words) -> None:
    draw.text((_MARGIN, 12), words.title, fill=_WHITE, font=_font(30, "Semibold"))
    draw.text((_MARGIN, 50), words.purpose, fill=_AMBER, font=_font(20, "Semibold"))
    left = _MARGIN + int(draw.textlength(words.purpose, _font(20, "Semibold"))) + 24
    template = context.template
    facts = (
        f"{words.patient} {template.get('PatientID') or '-'}",
        f"{words.study} {template.get('StudyDate') or '-'}",
        f"{words.source} {template.get('SeriesNumber') or '-'}",
    )
    room = SIDE - _MARGIN - left - (_LOGO[0] + 12 if context.page.logo else 0)
    draw.text((left, 53), _shortened(draw, "   ".join(facts), 17, room), fill=_GREY, font=_font(17))
    if context.page.logo:
        with Image.open(io.BytesIO(context.page.logo)) as logo:
            small = logo.convert("RGBA")
        small.thumbnail(_LOGO, Image.Resampling.LANCZOS)
        page.paste(small, (SIDE - _MARGIN - small.width, 16), small)


def _pictures(page: Image.Image, draw: Draw, context: ProductContext, words: Words) -> None:
    label = _font(16, "Semibold")
    for number, row in enumerate(montage.rows(context, _TILE_WIDTH, _TILE_HEIGHT)):
        top = _MONTAGE_TOP + number * (_TILE_HEIGHT + _GAP)
        for column, tile in enumerate((row.outlined, *row.maps)):
            page.paste(tile, (_MARGIN + column * (_TILE_WIDTH + _GAP), top))
        draw.text((_MARGIN + 6, top + 4), words.planes[number], fill=_WHITE, font=label)
        side = words.sides[1] if number == 2 else words.sides[0]
        draw.text((_MARGIN + 6, top + _TILE_HEIGHT // 2 - 10), side, fill=_WHITE, font=label)
    centre, width = montage.window_of(context)
    low, high = centre - width / 2, centre + width / 2
    under = _MONTAGE_TOP + 3 * (_TILE_HEIGHT + _GAP)
    draw.text((_MARGIN, under), words.magnitude, fill=_DIM, font=_font(16))
    window = words.window.format(centre=centre, width=width, low=low, high=high)
    draw.text((_MARGIN + _TILE_WIDTH + _GAP, under), window, fill=_DIM, font=_font(16))


def _table(draw: Draw, context: ProductContext, words: Words) -> None:
    draw.text((_MARGIN, _BELOW), words.regions, fill=_WHITE, font=_font(20, "Semibold"))
    top = _BELOW + 28
    if context.withheld:
        _paragraph(draw, words.withheld, _MARGIN, top, _AMBER)
        return
    if not context.measurements:
        _paragraph(draw, words.nothing_measured, _MARGIN, top, _AMBER)
        return
    _cells(draw, words.columns, top, _DIM)
    room = (_FOOT - top - _LINE) // _LINE - (context.region_failure is not None)
    doubtful = {one.title for one in context.regions if one.issues}
    for line in table(context.measurements, words, room, doubtful):
        top += _LINE
        _cells(draw, line, top, _WHITE)
    if context.region_failure is not None:
        draw.text((_MARGIN, top + _LINE), words.no_regions, fill=_AMBER, font=_font(17))


def _cells(draw: Draw, cells: Cells, top: int, colour: tuple[int, int, int]) -> None:
    """The first flush left, numbers flush right."""
    draw.text((_MARGIN, top), _shortened(draw, cells[0], 17, 190), fill=colour, font=_font(17))
    for right, cell in zip((258, 318, 392, 490, _TABLE_WIDTH + 12), cells[1:], strict=False):
        draw.text((_MARGIN + right, top), cell, fill=colour, font=_font(17), anchor="ra")


def _lights(draw: Draw, found: tuple[Light, ...], words: Words) -> None:
    left, top = _MARGIN + _TABLE_WIDTH + 50, _BELOW
    draw.text((left, top), words.quality, fill=_WHITE, font=_font(20, "Semibold"))
    top += 28
    for number, light in enumerate(found):
        across, down = left + number % 2 * 150, top + number // 2 * _LINE
        draw.ellipse((across, down + 4, across + 13, down + 17), fill=_COLOURS[light.level])
        draw.text((across + 22, down), light.name, fill=_WHITE, font=_font(17))
    top += (len(found) + 1) // 2 * _LINE
    said = [line for light in found for line in light.reasons]
    if not said:
        _paragraph(draw, words.no_departure, left, top + 4, _GREY, columns=46)
        return
    room = (_FOOT - top - 8) // _LINE
    if len(said) > room:
        said = [*said[: room - 1], words.more.format(count=len(said) - room + 1)]
    for line in said:
        draw.text(
            (left, top + 4), _shortened(draw, line, 16, SIDE - _MARGIN - left), fill=_AMBER, font=_font(16)
        )
        top += _LINE


def _foot(draw: Draw, context: ProductContext, words: Words) -> None:
    date, time = date_and_time(context)
    made = f"{date[:4]}-{date[4:6]}-{date[6:]} {time[:2]}:{time[2:4]}"
    change = words.change.format(same=REPEATABILITY.same_site_ppb, across=REPEATABILITY.across_sites_ppb)
    lines = (
        f"{words.zero}: {_zero(context.maps)}",
        "" if context.withheld else (change.replace(".", ",") if words is LANGUAGES["de"] else change),
        f"{words.made} {made}, {context.node}, {context.algorithm}",
    )
    draw.line((_MARGIN, _FOOT - 4, SIDE - _MARGIN, _FOOT - 4), fill=_DIM)
    for number, line in enumerate(lines):
        text = _shortened(draw, line, 16, SIDE - 2 * _MARGIN)
        draw.text((_MARGIN, _FOOT + number * (_LINE + 4)), text, fill=_GREY, font=_font(16))


def _zero(maps: Maps) -> str:
    return maps.reference or "-"


def _paragraph(
    draw: Draw, text: str, left: int, top: int, colour: tuple[int, int, int], columns: int = 70
) -> None:
    for number, line in enumerate(textwrap.wrap(text, columns)):
        draw.text((left, top + number * _LINE), line, fill=colour, font=_font(17))


def _shortened(draw: Draw, text: str, size: int, room: int) -> str:
    """As much of a line as there is room for; where it is cut it says so."""
    if draw.textlength(text, _font(size)) <= room:
        return text
    while text and draw.textlength(f"{text}...", _font(size)) > room:
        text = text[:-1]
    return f"{text}..."
