"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def block(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table in one string."""
    return "\n".join(table(head, rows))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The lines of a table; what stands in a cell keeps its vertical bars."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
