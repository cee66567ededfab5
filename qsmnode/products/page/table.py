"""The table of regions, as text: sides of one structure next to each other, and no region without a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qsmnode.measure.regions import REPEATABILITY, Issue, MeasuredRegion
from qsmnode.measure.statistics import WHOLE_BRAIN, Measurement, stated
from qsmnode.products.context import ProductContext
from qsmnode.products.numbers import whole_brain
from qsmnode.products.page.words import Words

_LARGE_ML = 10.0  # smaller ones are nuclei and lesions, where every voxel counts
_COLUMNS = 82  # characters of a note
_MOST_NOTES = 4  # lines that say why regions have no number
_LONGEST = 26  # characters of a name in them
EXPERIMENTAL = "experimental"
_ABSENT = "\u2013"


@dataclass(frozen=True)
class Single:
    """One region: mean, SD, median, percentiles, volume.

    Attributes:
        region: name of the region whose colour it has, "" for the whole brain.
    """

    region: str
    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """Both sides of one structure: mean with SD, and volume, of each."""

    region: str
    name: str
    left: tuple[str, str]
    right: tuple[str, str]


@dataclass(frozen=True)
class Table:
    """What the page lists.

    Attributes:
        notes: below the table: what marks mean, and why regions have no number.
    """

    singles: tuple[Single, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> int:
        """How many lines it takes, with the names of its columns."""
        return sum(bool(part) + len(part) for part in (self.singles, self.pairs)) + len(self.notes)


def table(context: ProductContext, words: Words) -> Table:
    """Whole brain, regions of interest, and why some of them have no number."""
    measured = [one for one in context.regions if one.measurement is not None]
    everywhere = bool(measured) and all(_is_experimental(one) for one in measured)
    sign, brain = words.decimal_sign, whole_brain(context)
    singles = [] if brain is None else [_single(words.region_names[WHOLE_BRAIN], "", brain, "", sign)]
    pairs, shown = [], set()
    for one in measured:
        left, right = _sides(context, one)
        if left is None or right is None:
            assert one.measurement is not None
            marks = _marks(one, everywhere)
            singles.append(_single(titled(one, words), one.region.name, one.measurement, marks, sign))
        elif one.region.name not in shown:
            shown.add(one.region.name)
            cells = (_pair_cells(side, everywhere, sign) for side in (left, right))
            pairs.append(Pair(one.region.name, named(one, words), *cells))
    notes = [*_legend(measured, words, everywhere), *_without_number(context, words)]
    return Table(tuple(singles), tuple(pairs), tuple(notes))


def fitted(whole: Table, words: Words, room: int) -> Table:
    """The table in so many lines; where it has more, a note says how many regions are left out."""
    if whole.lines <= room:
        return whole
    kept, left_out = whole, 0
    while kept.lines + 1 > room and (len(kept.singles) > 1 or kept.pairs):
        if len(kept.singles) > 1:
            kept, left_out = replace(kept, singles=kept.singles[:-1]), left_out + 1
        else:
            kept, left_out = replace(kept, pairs=kept.pairs[:-1]), left_out + 2
    more = (words.more.format(count=left_out),) if left_out else ()
    return replace(kept, notes=(*more, *kept.notes))


def named(measured: MeasuredRegion, words: Words) -> str:
    """A region's structure in the page's language, where it has a name for it."""
    name = measured.region.name
    return words.region_names.get(name.lower(), name)


def titled(measured: MeasuredRegion, words: Words) -> str:
    """Its name with its side."""
    side = words.side_names.get(measured.region.side, "")
    return f"{named(measured, words)} {side}".rstrip()


def _sides(context: ProductContext, one: MeasuredRegion) -> tuple[MeasuredRegion | None, ...]:
    """Left and right of its structure, measured or not."""
    same = {other.region.side: other for other in context.regions if other.region.name == one.region.name}
    return same.get("left"), same.get("right")


def _single(title: str, region: str, measured: Measurement, marks: str, sign: str) -> Single:
    cells = (
        f"{marks}{number(measured.mean_ppb, sign=sign)}",
        number(measured.sd_ppb, sign=sign),
        number(measured.median_ppb, sign=sign),
        f"{number(measured.p5_ppb, 0)} .. {number(measured.p95_ppb, 0)}",
        _volume(measured, sign),
    )
    return Single(region, title, cells)


def _pair_cells(side: MeasuredRegion, everywhere: bool, sign: str) -> tuple[str, str]:
    found = side.measurement
    if found is None:
        return _ABSENT, ""
    mean, sd = number(found.mean_ppb, sign=sign), number(found.sd_ppb, sign=sign)
    return f"{_marks(side, everywhere)}{mean} \u00b1 {sd}", _volume(found, sign)


def _volume(measured: Measurement, sign: str) -> str:
    return f"{number(measured.volume_ml, 1 if measured.volume_ml >= _LARGE_ML else 3, sign)} ml"


def number(value: float, decimals: int = 1, sign: str = ".") -> str:
    """The stated number with fewer decimals; -0.0 would read as a sign."""
    return f"{round(stated(value), decimals) + 0.0:.{decimals}f}".replace(".", sign)


def _is_experimental(one: MeasuredRegion) -> bool:
    return any(issue.kind == EXPERIMENTAL for issue in one.issues)


def _is_doubtful(one: MeasuredRegion) -> bool:
    return any(issue.kind != EXPERIMENTAL for issue in one.issues)


def _marks(one: MeasuredRegion, everywhere: bool) -> str:
    """What is said of all of them needs no mark."""
    experimental = "\u2020" if _is_experimental(one) and not everywhere else ""
    return experimental + ("*" if _is_doubtful(one) else "")


def _legend(measured: Sequence[MeasuredRegion], words: Words, everywhere: bool) -> list[str]:
    lines = []
    if any(map(_is_experimental, measured)):
        said = words.all_experimental if everywhere else words.experimental
        lines.append(said.format(limit=words.decimals(REPEATABILITY.same_site_ppb)))
    if any(map(_is_doubtful, measured)):
        lines.append(words.doubtful)
    return lines


def _without_number(context: ProductContext, words: Words) -> list[str]:
    """Regions without a number by their reason; the last line says how many more there are."""
    groups: dict[str, list[MeasuredRegion]] = {}
    for one in context.regions:
        if one.measurement is None:
            groups.setdefault(_reason(one.issues, words), []).append(one)
    lines = [line for reason, regions in groups.items() for line in _listed(reason, regions, words)]
    if len(lines) <= _MOST_NOTES:
        return [text for text, _ in lines]
    left_out = sum(count for _, count in lines[_MOST_NOTES - 1 :])
    return [*(text for text, _ in lines[: _MOST_NOTES - 1]), words.more.format(count=left_out)]


def _listed(reason: str, regions: Sequence[MeasuredRegion], words: Words) -> list[tuple[str, int]]:
    """A reason with the names of its regions, as lines with how many regions each names."""
    lines: list[tuple[str, int]] = []
    line, count = f"{words.no_number} ({reason}):", 0
    for text, stands_for in _names(regions, words):
        if count and len(line) + len(text) + 2 > _COLUMNS:
            lines.append((f"{line},", count))
            line, count = "   ", 0
        line = f"{line}, {text}" if count else f"{line} {text}"
        count += stands_for
    return [*lines, (line, count)]


def _reason(issues: Sequence[Issue], words: Words) -> str:
    return words.region_reasons.get(issues[0].kind, issues[0].words)


def _names(regions: Sequence[MeasuredRegion], words: Words) -> list[tuple[str, int]]:
    """Each name with how many regions it stands for: both sides of a structure are said at once."""
    keys = {(one.region.name, one.region.side) for one in regions}
    found = []
    for one in regions:
        paired = {(one.region.name, side) for side in ("left", "right")} <= keys
        if paired and one.region.side == "right":
            continue
        both = paired and one.region.side == "left"
        name, side = (
            named(one, words),
            words.both_sides if both else words.side_names.get(one.region.side, ""),
        )
        name = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."
        found.append((f"{name} {side}".rstrip(), 2 if both else 1))
    return found
