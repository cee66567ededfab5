"""Slices and echoes as they are seen: merged where headers round, counted where some are missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from qsmnode.dicom.geometry import (
    POSITION_TOLERANCE_MM,
    SPACING_TOLERANCE,
    Vector,
    along_normal,
    slice_normal,
)

ECHO_TOLERANCE_S = 2e-5
"""Echo times closer than this are one echo: headers round to microseconds, echoes are far apart."""


def merged_times(times: Iterable[float]) -> tuple[float, ...]:
    """Distinct echo times, ascending; those within the rounding of headers are one."""
    merged: list[float] = []
    for time in sorted(set(times)):
        if not merged or time - merged[-1] > ECHO_TOLERANCE_S:
            merged.append(time)
    return tuple(merged)


def echo_index(time: float | None, times: Sequence[float]) -> int | None:
    """Index of an echo time among merged ones, or None."""
    if time is None:
        return None
    near = [index for index, known in enumerate(times) if -1e-9 <= time - known <= ECHO_TOLERANCE_S * 2]
    return near[-1] if near else None


@dataclass(frozen=True)
class SliceGrid:
    """Distinct slice places along the normal.

    Attributes:
        positions: ImagePositionPatient of each, ascending along the normal.
        places_mm: along the normal.
        spacing_mm: distance of neighbouring places of the grid; None for fewer than two slices.
        index_of: place of a position (as the header has it) in this list.
        shift_mm: how far, at most, images of one place lie apart within their plane.
    """

    positions: tuple[Vector, ...]
    places_mm: tuple[float, ...]
    spacing_mm: float | None
    index_of: dict[Vector, int]
    shift_mm: float

    @classmethod
    def of(cls, positions: Iterable[Vector], orientation: Sequence[float]) -> SliceGrid:
        """Sort and merge positions along the normal of an orientation."""
        normal = slice_normal(orientation)
        placed = sorted((along_normal(position, normal), position) for position in set(positions))
        kept: list[tuple[float, Vector]] = []
        index_of: dict[Vector, int] = {}
        shift = 0.0
        for place, position in placed:
            if not kept or place - kept[-1][0] > POSITION_TOLERANCE_MM:
                kept.append((place, position))
            index_of[position] = len(kept) - 1
            apart = math.dist(position, kept[-1][1]) ** 2 - (place - kept[-1][0]) ** 2
            shift = max(shift, math.sqrt(max(0.0, apart)))
        places = tuple(place for place, _ in kept)
        steps = sorted(after - before for before, after in pairwise(places))
        # the smallest step is one spacing even where most slices are missing; the whole reach refines it
        spacing = steps[0] if steps else None
        if spacing is not None:
            spacing = (places[-1] - places[0]) / max(1, round((places[-1] - places[0]) / spacing))
        return cls(tuple(position for _, position in kept), places, spacing, index_of, shift)

    def steps(self) -> tuple[int, ...] | None:
        """Number of each slice counted in spacings from the first, or None where they fit no regular grid."""
        if self.spacing_mm is None:
            return tuple(range(len(self.places_mm)))
        numbers = [0]
        for before, after in pairwise(self.places_mm):
            # step by step: what headers round away would add up along the stack
            numbers.append(numbers[-1] + round((after - before) / self.spacing_mm))
        start = self.places_mm[0]
        mean = (self.places_mm[-1] - start) / numbers[-1]
        tolerance = max(SPACING_TOLERANCE * mean, POSITION_TOLERANCE_MM)
        fits = all(
            abs(place - start - number * mean) <= tolerance
            for place, number in zip(self.places_mm, numbers, strict=True)
        )
        return tuple(numbers) if fits else None

    def irregularity(self) -> str:
        """What is wrong with places that fit no regular grid, in numbers."""
        steps = [after - before for before, after in pairwise(self.places_mm)]
        return f"not equally spaced (steps of {min(steps):.3f} to {max(steps):.3f} mm)"
