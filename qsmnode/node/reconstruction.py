"""From a source to everything that is made of it: what a job's process and `qsmnode reconstruct` share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from qsmnode.dicom.source import Source
from qsmnode.engine import Recipe, reconstruct
from qsmnode.engine.fourier import DEFAULT_BACKEND, backend_name
from qsmnode.engine.quality import warnings
from qsmnode.measure.statistics import whole_brain
from qsmnode.products.context import ProductContext
from qsmnode.products.revision import Replaced

Progress = Callable[[float, str], None]


def reconstructed(
    source: Source,
    recipe: Recipe,
    created_at: datetime,
    *,
    node: str = "QSMNODE",
    revision: int = 1,
    replaces: Mapping[str, Replaced] | None = None,
    progress: Progress | None = None,
) -> ProductContext:
    """Reconstruct and measure.

    Raises:
        NotEligible: the images cannot become a map; says why.
    """
    maps = reconstruct(source.stack, recipe, progress=progress)
    brain = whole_brain(maps)
    return ProductContext(
        source=replace(source, warnings=(*source.warnings, *remarks(maps.quality))),
        maps=maps,
        measurements=() if brain is None else (brain,),
        recipe=recipe,
        created_at=created_at,
        node=node,
        revision=revision,
        replaces=replaces or {},
        transforms=_unusual_transforms(),
    )


def _unusual_transforms() -> str:
    """The library of the Fourier transforms where it is not the default one: last bits depend on it."""
    name = backend_name()
    return "" if name.split()[0] == DEFAULT_BACKEND else name


def remarks(quality: Mapping[str, float]) -> tuple[str, ...]:
    """What a reader of the numbers must know of how the reconstruction went."""
    found = []
    if quality.get("offset_corrected") == 0:
        why = "one echo" if quality.get("input_echoes") == 1 else "as the recipe says"
        found.append(f"{why}: the phase offset is not corrected")
    if quality.get("offset_odd_even_corrected") == 1:
        found.append("bipolar readout: odd and even echoes were aligned")
    if quality.get("mask_brain_plausible") == 0:
        volume = quality.get("mask_volume_ml", 0.0)
        found.append(f"values unreliable: the mask found ({volume:.0f} ml) is no plausible whole brain")
    doubts = (words for words in warnings(quality) if not words.startswith("one echo"))
    return (*found, *(f"map may be wrong: {words}" for words in doubts))
