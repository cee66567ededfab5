"""Regions on the map that products are made of: some with numbers, some without, two with doubts."""

from __future__ import annotations

from typing import Any

import numpy as np

from qsmnode.engine.types import Maps
from qsmnode.measure.regions import Region, measure_regions
from qsmnode.measure.structures import named


def box(shape: tuple[int, ...], *ranges: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(*one) for one in ranges)] = True
    return mask


def drawn(shape: tuple[int, ...]) -> list[Region]:
    """Unequal boxes; no two of them, and no mirror image of one, hold the same voxels."""
    facts: dict[str, Any] = {"drawn_by": "a reader"}

    def region(number: int, name: str, side: str, mask: np.ndarray, **more: Any) -> Region:
        return Region(
            name=name, side=side, number=number, mask=mask, structure=named(name), **{**facts, **more}
        )

    return [
        region(3, "globus pallidus", "left", box(shape, (2, 4), (2, 6), (1, 4))),
        region(4, "globus pallidus", "right", box(shape, (5, 9), (3, 5), (2, 6)), experimental=True),
        region(7, "red nucleus", "", box(shape, (4, 6), (6, 8), (3, 4)), automatic=True),
        region(11, "lesion", "left", box(shape, (7, 11), (5, 7), (4, 6)), **TRACKED),
        region(12, "putamen", "", box(shape, (0, 1), (2, 4), (2, 4))),
        region(13, "thalamus", "right", box(shape, (0, 0), (0, 0), (0, 0))),
    ]


TRACKED = {"tracking_id": "CCM-1", "tracking_uid": "1.2.3.77"}
MEASURED = ("globus pallidus left", "globus pallidus right", "red nucleus", "lesion left")


def with_regions(maps: Maps, brain: tuple[Any, ...]) -> dict[str, Any]:
    """What a product's context has of them."""
    measured = measure_regions(maps, drawn(maps.mask.shape))
    numbers = [one.measurement for one in measured if one.measurement is not None]
    return {"regions": measured, "measurements": (*brain, *numbers)}
