"""The table of regions, as text."""

from __future__ import annotations

from collections.abc import Sequence

from qsmnode.measure.statistics import Measurement
from qsmnode.products.page.words import Words

Cells = tuple[str, ...]


def table(measured: Sequence[Measurement], words: Words, room: int) -> list[Cells]:
    """A line for each region; where there are more than fit, the last line says how many are left out."""
    lines = [_line(region, words) for region in measured]
    if len(lines) > room:
        left_out = len(lines) - room + 1
        lines = [*lines[: room - 1], (words.more.format(count=left_out),)]
    return lines


def _line(region: Measurement, words: Words) -> Cells:
    return (
        words.region_names.get(region.name, region.name),
        _number(region.mean_ppb),
        _number(region.sd_ppb),
        _number(region.median_ppb),
        f"{_number(region.p5_ppb, 0)} .. {_number(region.p95_ppb, 0)}",
        f"{_number(region.volume_ml)} ml",
    )


def _number(value: float, decimals: int = 1) -> str:
    """-0.0 would read as a sign."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}"
