"""Tables: printed, and written as CSV and Markdown."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Cell = str | float | bool
Row = dict[str, Cell]


@dataclass(frozen=True)
class Table:
    """Rows of named cells; a cell that a row lacks stays empty.

    Attributes:
        name: also the name of its files.
        caption: what it shows, in one or two sentences.
        rows: columns appear in the order in which the rows first name them.
    """

    name: str
    caption: str
    rows: list[Row]

    @property
    def columns(self) -> list[str]:
        """Every column."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def numbers(self, column: str, **where: Cell) -> list[float]:
        """The numbers of ``column`` in the rows that hold these cells."""
        rows = [row for row in self.rows if all(row.get(key) == cell for key, cell in where.items())]
        return [float(row[column]) for row in rows if isinstance(row.get(column), (int, float))]

    def markdown(self) -> str:
        """The table as Markdown, numbers short."""
        lines = ["| " + " | ".join(self.columns) + " |", "|" + "---|" * len(self.columns)]
        lines += [
            "| " + " | ".join(short(row.get(name, "")) for name in self.columns) + " |" for row in self.rows
        ]
        return f"## {self.name}\n\n{self.caption}\n\n" + "\n".join(lines) + "\n"

    def write(self, folder: Path) -> None:
        """``name.csv`` with every digit, and ``name.md``."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{self.name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)
        (folder / f"{self.name}.md").write_text(self.markdown(), "utf-8")


def short(cell: Cell) -> str:
    """A cell for people: four significant digits; yes, no and - for what is true, false and not a number."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str):
        return cell
    if math.isnan(cell):
        return "-"
    return f"{cell:.0f}" if abs(cell) >= 1000 or cell == int(cell) else f"{cell:.4g}"


def median(values: Sequence[float]) -> float:
    """Median of what is a number; NaN where nothing is."""
    known = sorted(v for v in values if not math.isnan(v))
    if not known:
        return math.nan
    middle = len(known) // 2
    return known[middle] if len(known) % 2 else (known[middle - 1] + known[middle]) / 2
