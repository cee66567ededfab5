"""Makes every product of images, with regions: python -m tests.acceptance.making IMAGES OUT THREADS."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from qsmnode.dicom.source import Source, load
from qsmnode.engine import Recipe
from qsmnode.engine.fourier import set_threads, threads
from qsmnode.measure.regions import Region
from qsmnode.measure.structures import named
from qsmnode.node.offline import eligible, look_at
from qsmnode.node.reconstruction import reconstructed
from qsmnode.products import storage, table
from qsmnode.products.context import ProductContext
from qsmnode.products.page.style import PDF, PageStyle
from qsmnode.products.registry import PRODUCTS

TIME = datetime(2026, 3, 4, 12, 30, 15)  # noqa: DTZ001 - a time inside objects


def recipe() -> Recipe:
    """A quick one with all steps that any product needs."""
    steps = {step: how for product in PRODUCTS.values() for step, how in product.steps.items()}
    return Recipe.from_mapping({"preset": "fast", **steps})


def context_of(images: Path, count: int) -> ProductContext:
    """The reconstruction of the one acquisition there, on so many threads, with three regions."""
    found = look_at([images])
    (acquisition,) = eligible(found)
    source = load(acquisition, {uid: found.paths[uid] for uid in acquisition.sop_instance_uids})
    before = threads()
    try:
        set_threads(count)
        return reconstructed(source, recipe(), TIME, regions=_regions(source))
    finally:
        set_threads(before)


def make(context: ProductContext, out: Path) -> None:
    """Write every product, the page in both of its forms, and the tables."""
    for name, product in PRODUCTS.items():
        storage.write(product.build(context), out, name)
    as_pdf = replace(context, page=PageStyle(form=PDF))
    storage.write(PRODUCTS["page"].build(as_pdf), out, "page-pdf")
    table.write(context, out)


def _regions(source: Source) -> list[Region]:
    """Boxes in the middle of the images, two of them with a side."""
    x, y, z = (size // 2 for size in source.stack.grid.shape)
    places = {
        ("putamen", "left"): (slice(x + 2, x + 5), slice(y - 3, y + 2), slice(z - 1, z + 3)),
        ("putamen", "right"): (slice(x - 5, x - 2), slice(y - 3, y + 2), slice(z - 1, z + 2)),
        ("thalamus", ""): (slice(x - 1, x + 2), slice(y + 2, y + 5), slice(z, z + 2)),
    }
    found = []
    for number, ((name, side), place) in enumerate(places.items(), start=1):
        mask = np.zeros(source.stack.grid.shape, dtype=bool)
        mask[place] = True
        found.append(Region(name, side, number, mask, named(name), "a reader"))
    return found


if __name__ == "__main__":
    make(context_of(Path(sys.argv[1]), int(sys.argv[3])), Path(sys.argv[2]))
