"""What must hold between the settings of several series, beyond each setting's own type."""

from __future__ import annotations

from collections.abc import Collection

from qsmnode.config.document import Document
from qsmnode.config.wording import unknown_name


def check_series(document: Document, products: Collection[str] | None) -> None:
    """Every key is a product of images, and no number stands twice."""
    taken: dict[int, str] = {}
    for name, chosen in document.mapping("series").items():
        if products is not None and name not in products:
            document.blame(("series", name), unknown_name("product of images", name, products), key=True)
        number = chosen.get("number") if isinstance(chosen, dict) else None
        if isinstance(number, int) and number in taken:
            document.blame(("series", name, "number"), f"series.{taken[number]} has this number already")
        elif isinstance(number, int):
            taken[number] = name
