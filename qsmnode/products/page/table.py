"""The table of regions, as text."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from qsmnode.measure.statistics import Measurement
from qsmnode.products.page.words import Words

Cells = tuple[str, ...]
_LARGE_ML = 10.0  # smaller ones are nuclei and lesions, where every voxel counts


def table(
    measured: Sequence[Measurement], words: Words, room: int, doubtful: Collection[str] = ()
) -> list[Cells]:
    """A line for each region; where there are more than fit, the last line says how many are left out.

    Args:
        measured: the regions.
        words: of the page's language.
        room: how many lines there may be.
        doubtful: names of regions that something speaks against; a line below says where it stands.
    """
    lines = [_line(region, words, region.name in doubtful) for region in measured]
    below = [(words.doubtful,)] if any(region.name in doubtful for region in measured) else []
    room -= len(below)
    if len(lines) > room:
        left_out = len(lines) - room + 1
        lines = [*lines[: room - 1], (words.more.format(count=left_out),)]
    return [*lines, *below]


def _line(region: Measurement, words: Words, doubtful: bool) -> Cells:
    return (
        ("* " if doubtful else "") + words.region_names.get(region.name, region.name),
        _number(region.mean_ppb),
        _number(region.sd_ppb),
        _number(region.median_ppb),
        f"{_number(region.p5_ppb, 0)} .. {_number(region.p95_ppb, 0)}",
        f"{_number(region.volume_ml, 1 if region.volume_ml >= _LARGE_ML else 3)} ml",
    )


def _number(value: float, decimals: int = 1) -> str:
    """-0.0 would read as a sign."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}"
