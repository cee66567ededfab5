"""From a source to everything that is made of it: what a job's process and `qsmnode reconstruct` share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from qsmnode.dicom.source import Source
from qsmnode.engine import Recipe, reconstruct
from qsmnode.measure.statistics import whole_brain
from qsmnode.products.context import ProductContext

Progress = Callable[[float, str], None]


def reconstructed(
    source: Source,
    recipe: Recipe,
    created_at: datetime,
    *,
    node: str = "QSMNODE",
    revision: int = 1,
    revision_of: str | None = None,
    progress: Progress | None = None,
) -> ProductContext:
    """Reconstruct and measure.

    Raises:
        NotEligible: the images cannot become a map; says why.
    """
    maps = reconstruct(source.stack, recipe, progress=progress)
    brain = whole_brain(maps)
    return ProductContext(
        source=source,
        maps=maps,
        measurements=() if brain is None else (brain,),
        recipe=recipe,
        created_at=created_at,
        node=node,
        revision=revision,
        revision_of=revision_of,
    )
