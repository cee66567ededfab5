"""The page as a picture of 1024 by 1024: words, pictures, table and lights on black."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from qsmnode.engine.types import Maps
from qsmnode.measure.regions import REPEATABILITY
from qsmnode.products import numbers
from qsmnode.products.context import ProductContext
from qsmnode.products.identity import date_and_time
from qsmnode.products.page import listing, montage
from qsmnode.products.page.colours import colours
from qsmnode.products.page.ink import (
    AMBER,
    DIM,
    GREY,
    LINE,
    MARGIN,
    SIDE,
    WHITE,
    Draw,
    font,
    paragraph,
    shortened,
)
from qsmnode.products.page.lights import Level, Light, lights
from qsmnode.products.page.table import Table, table
from qsmnode.products.page.words import LANGUAGES, Words

_TILE_WIDTH, _GAP = 240, 5
_TILE_HEIGHT, _SMALLEST_TILE = 196, 128
_MONTAGE_TOP, _CAPTION = 92, 26
_FOOT_LINE = 21
_FOOT = SIDE - 4 * _FOOT_LINE - 10
_LOGO = (200, 56)
_COLOURS = {Level.GOOD: (60, 200, 90), Level.WARNS: AMBER, Level.BAD: (240, 70, 60)}


def sheet(context: ProductContext) -> Image.Image:
    """The whole page, RGB."""
    words = LANGUAGES[context.page.language]
    page = Image.new("RGB", (SIDE, SIDE))
    draw = ImageDraw.Draw(page)
    found = None if context.withheld else table(context, words)
    tile = _TILE_HEIGHT if found is None else _tile_height(listing.height(found))
    below = _below(tile)
    _head(page, draw, context, words)
    _pictures(page, draw, context, words, tile)
    listing.draw_table(draw, context, words, found, below, _FOOT - 8)
    _lights(draw, lights(context, words), words, below)
    _foot(draw, context, words)
    return page


def _below(tile: int) -> int:
    """Where table and lights begin below pictures so high."""
    return _MONTAGE_TOP + 3 * (tile + _GAP) + _CAPTION


def room_for(found: Table) -> int:
    """How many lines of a table the page has room for, with pictures as small as may be."""
    return listing.room(_FOOT - 8 - _below(_tile_height(listing.height(found))))


def _tile_height(wanted: int) -> int:
    """How high pictures may be that leave so much to the table."""
    free = _FOOT - 8 - wanted - _below(0)
    return max(_SMALLEST_TILE, min(_TILE_HEIGHT, free // 3))


def _head(page: Image.Image, draw: Draw, context: ProductContext, words: Words) -> None:
    draw.text((MARGIN, 12), words.title, fill=WHITE, font=font(30, "Semibold"))
    draw.text((MARGIN, 50), words.purpose, fill=AMBER, font=font(20, "Semibold"))
    left = MARGIN + int(draw.textlength(words.purpose, font(20, "Semibold"))) + 24
    template = context.template
    facts = (
        f"{words.patient} {template.get('PatientID') or '-'}",
        f"{words.study} {template.get('StudyDate') or '-'}",
        f"{words.source} {template.get('SeriesNumber') or '-'}",
    )
    room = SIDE - MARGIN - left - (_LOGO[0] + 12 if context.page.logo else 0)
    draw.text((left, 53), shortened(draw, "   ".join(facts), 17, room), fill=GREY, font=font(17))
    if context.page.logo:
        with Image.open(io.BytesIO(context.page.logo)) as logo:
            small = logo.convert("RGBA")
        small.thumbnail(_LOGO, Image.Resampling.LANCZOS)
        page.paste(small, (SIDE - MARGIN - small.width, 16), small)


def _pictures(page: Image.Image, draw: Draw, context: ProductContext, words: Words, tile: int) -> None:
    label = font(16, "Semibold")
    colour_of = colours(context)
    for number, row in enumerate(montage.rows(context, _TILE_WIDTH, tile, colour_of)):
        top = _MONTAGE_TOP + number * (tile + _GAP)
        for column, picture in enumerate((row.outlined, *row.maps)):
            page.paste(picture, (MARGIN + column * (_TILE_WIDTH + _GAP), top))
        side = words.sides[1] if number == 2 else words.sides[0]
        for down, said in ((4, words.planes[number]), (tile // 2 - 10, side)):  # the picture may be as bright
            draw.text((MARGIN + 6, top + down), said, WHITE, label, stroke_width=2, stroke_fill=(0, 0, 0))
    centre, width = montage.window_of(context)
    low, high = centre - width / 2, centre + width / 2
    under = _MONTAGE_TOP + 3 * (tile + _GAP)
    draw.text((MARGIN, under), words.magnitude, fill=DIM, font=font(16))
    window = words.window.format(centre=centre, width=width, low=low, high=high)
    draw.text((MARGIN + _TILE_WIDTH + _GAP, under), window, fill=DIM, font=font(16))
    if colour_of:
        draw.text((SIDE - MARGIN, under), words.enlarged, fill=DIM, font=font(16), anchor="ra")


def _lights(draw: Draw, found: tuple[Light, ...], words: Words, top: int) -> None:
    left = MARGIN + listing.WIDTH + 50
    draw.text((left, top), words.quality, fill=WHITE, font=font(20, "Semibold"))
    top += 28
    for number, light in enumerate(found):
        across, down = left + number % 2 * 150, top + number // 2 * LINE
        draw.ellipse((across, down + 4, across + 13, down + 17), fill=_COLOURS[light.level])
        draw.text((across + 22, down), light.name, fill=WHITE, font=font(17))
    top += (len(found) + 1) // 2 * LINE
    said = [line for light in found for line in light.reasons]
    if not said:
        paragraph(draw, words.no_departure, left, top + 4, GREY, columns=46)
        return
    room = (_FOOT - top - 8) // LINE
    if len(said) > room:
        said = [*said[: room - 1], words.more.format(count=len(said) - room + 1)]
    for line in said:
        draw.text((left, top + 4), shortened(draw, line, 16, SIDE - MARGIN - left), fill=AMBER, font=font(16))
        top += LINE


def _foot(draw: Draw, context: ProductContext, words: Words) -> None:
    date, time = date_and_time(context)
    made = f"{date[:4]}-{date[4:6]}-{date[6:]} {time[:2]}:{time[2:4]}"
    change = words.change.format(
        same=words.decimals(REPEATABILITY.same_site_ppb),
        across=words.decimals(REPEATABILITY.across_sites_ppb),
    )
    lines = (
        f"{words.zero}: {_zero(context.maps)}",
        *(() if context.withheld else (offsets(context, words), change)),
        f"{words.made} {made}, {context.node}, {context.algorithm}",
    )
    draw.line((MARGIN, _FOOT - 4, SIDE - MARGIN, _FOOT - 4), fill=DIM)
    for number, line in enumerate(lines):
        text = shortened(draw, line, 16, SIDE - 2 * MARGIN)
        draw.text((MARGIN, _FOOT + number * _FOOT_LINE), text, fill=GREY, font=font(16))


def offsets(context: ProductContext, words: Words) -> str:
    """Where other references lie on the map's scale."""
    found = [
        f"{words.offset_names[one.name]} "
        + (words.not_known if one.ppb is None else f"{words.decimals(one.ppb)} ppb")
        for one in numbers.offsets(context)
    ]
    return f"{words.offsets}: {'; '.join(found)}"


def _zero(maps: Maps) -> str:
    return maps.reference or "-"
