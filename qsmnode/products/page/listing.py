"""The table of regions, drawn."""

from __future__ import annotations

from collections.abc import Mapping

from qsmnode.products.context import ProductContext
from qsmnode.products.page.colours import colours
from qsmnode.products.page.ink import (
    AMBER,
    DIM,
    GREY,
    MARGIN,
    WHITE,
    Colour,
    Draw,
    font,
    paragraph,
    shortened,
)
from qsmnode.products.page.table import Pair, Single, Table, fitted
from qsmnode.products.page.words import Words

WIDTH = 560
_HEADING = 28
_LINE, _SIZE, _NOTE = 19, 16, 15
_SWATCH = 10
_NAME_LEFT, _SINGLE_NAME, _PAIR_NAME = 16, 176, 172
_SINGLE_RIGHTS = (258, 318, 392, 490, WIDTH + 12)
_PAIR_RIGHTS = (290, 368, 490, WIDTH + 12)


def room(height: int) -> int:
    """How many lines of the table so many pixels hold."""
    return (height - _HEADING) // _LINE


def height(found: Table) -> int:
    """How many pixels the whole table takes."""
    return _HEADING + found.lines * _LINE + 8


def draw_table(
    draw: Draw, context: ProductContext, words: Words, found: Table | None, top: int, bottom: int
) -> None:
    """What the table holds, or why there is none, from ``top`` to ``bottom``; None: numbers are withheld."""
    draw.text((MARGIN, top), words.regions, fill=WHITE, font=font(20, "Semibold"))
    down = top + _HEADING
    if found is None:
        paragraph(draw, words.withheld, MARGIN, down, AMBER)
        return
    if not context.measurements:
        paragraph(draw, words.nothing_measured, MARGIN, down, AMBER)
        return
    failed = (words.no_regions,) if context.region_failure is not None else ()
    fitting = fitted(found, words, room(bottom - top) - len(failed))
    colour_of = colours(context)
    if fitting.singles:
        down = _block(draw, words.columns, fitting.singles, colour_of, down)
    if fitting.pairs:
        down = _block(draw, words.pair_columns, fitting.pairs, colour_of, down)
    for note, colour in (*((one, GREY) for one in fitting.notes), *((one, AMBER) for one in failed)):
        draw.text((MARGIN, down), shortened(draw, note, _NOTE, WIDTH + 12), fill=colour, font=font(_NOTE))
        down += _LINE


def _block(
    draw: Draw,
    columns: tuple[str, ...],
    rows: tuple[Single, ...] | tuple[Pair, ...],
    colour_of: Mapping[str, Colour],
    top: int,
) -> int:
    """Names of the columns and a line for each row; returns where the next line goes."""
    paired = isinstance(rows[0], Pair)
    rights = _PAIR_RIGHTS if paired else _SINGLE_RIGHTS
    _cells(draw, columns[1:], rights, top, DIM)
    draw.text((MARGIN, top), columns[0], fill=DIM, font=font(_SIZE))
    for row in rows:
        top += _LINE
        cells = (*row.left, *row.right) if isinstance(row, Pair) else row.cells
        swatch = colour_of.get(row.region)
        left, width = MARGIN, _PAIR_NAME if paired else _SINGLE_NAME
        if swatch is not None:
            draw.rectangle((left, top + 6, left + _SWATCH, top + 6 + _SWATCH), fill=swatch)
            left += _NAME_LEFT
        draw.text((left, top), shortened(draw, row.name, _SIZE, width), fill=WHITE, font=font(_SIZE))
        _cells(draw, cells, rights, top, WHITE)
    return top + _LINE


def _cells(draw: Draw, cells: tuple[str, ...], rights: tuple[int, ...], top: int, colour: Colour) -> None:
    for right, cell in zip(rights, cells, strict=True):
        draw.text((MARGIN + right, top), cell, fill=colour, font=font(_SIZE), anchor="ra")
