"""Which nuclei may have numbers: pure decisions on what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from qsmnode.measure.nuclei.atlas import PARTS
from qsmnode.measure.regions import Issue

LEAST_CORRELATION = 0.50
"""Of the painted atlas with the map around the nuclei."""
LEAST_GUESS = 0.20
"""Of the pattern with the map at the place where the search finds it."""
LEAST_INSIDE = 0.90
"""Part of a nucleus of the atlas that has to lie in the map."""
LEAST_VOXELS = 8
LEAST_EXPECTED = 40.0
"""Voxels that a nucleus of this head's usual size would have: fewer are border for the most part."""
SMALLEST, LARGEST = 0.5, 2.0
"""Volume against the atlas's, both by their medians in this head: heads differ in size, and so do nuclei."""
SMALLEST_HEAD, LARGEST_HEAD = 0.25, 1.8
MOST_UNEQUAL = 1.7
"""Volume of the larger side over that of the smaller."""
MOST_APART_PPB = 15.0
"""Mean within the last borders, against the mean within those that they were drawn from."""
LEAST_OVERLAP = 0.45
LEAST_CONTRAST_PPB = 10.0
MOST_REFUSED = 0.5


@dataclass(frozen=True)
class Evidence:
    """What speaks for one part.

    Attributes:
        inside: part of the atlas's own nucleus, as registered, that lies in the map, 0 to 1.
        voxels: how many were drawn; voxel_ml: of what volume each.
        atlas_ml, volume_ml: of the atlas's, as registered, and of what was drawn.
        overlap: part of what was drawn that lies in the atlas's own, 0 to 1.
        before_ppb, last_ppb: mean within the borders before the last, and within the last.
        contrast_ppb: of its core against its surroundings.
    """

    inside: float
    voxels: int
    voxel_ml: float
    atlas_ml: float
    volume_ml: float
    overlap: float
    before_ppb: float
    last_ppb: float
    contrast_ppb: float


def unregistered(correlation: float | None) -> Issue:
    """Why there is nothing at all; None: the atlas found no place."""
    if correlation is None:
        return Issue("not_found", "the nuclei's pattern was found nowhere in this map")
    words = (
        f"the atlas could not be brought onto this map: correlation {correlation:.2f}, "
        f"at least {LEAST_CORRELATION:.2f} expected"
    )
    return Issue("not_found", words)


def judged(found: Sequence[Evidence]) -> tuple[Issue | None, ...]:
    """Why each part has no number; None where it may have one.

    Args:
        found: in the order of :data:`qsmnode.measure.nuclei.atlas.PARTS`.
    """
    seen = [_unseen(one) for one in found]
    usual = _usual_size([one for one, issue in zip(found, seen, strict=True) if issue is None])
    issues = [issue or _implausible(one, usual) for one, issue in zip(found, seen, strict=True)]
    issues = [issue or _unequal(number, found, issues) for number, issue in enumerate(issues)]
    in_view = [number for number, one in enumerate(found) if one.inside >= LEAST_INSIDE]
    refused = sum(issues[number] is not None for number in in_view)
    if in_view and refused > MOST_REFUSED * len(in_view):
        words = f"only {len(in_view) - refused} of {len(in_view)} nuclei in view could be made out"
        return tuple(issues[n] if n not in in_view else Issue("not_found", words) for n in range(len(found)))
    return tuple(issues)


def _unseen(one: Evidence) -> Issue | None:
    if one.inside == 0:
        return Issue("outside_view", "it lies outside the brain in view")
    if one.inside < LEAST_INSIDE:
        return Issue("cut", f"{100 * (1 - one.inside):.0f} % of it lie outside the brain in view")
    if one.voxels < LEAST_VOXELS:
        return Issue("not_found", f"{one.voxels} voxels stand out where it should be")
    if one.contrast_ppb < LEAST_CONTRAST_PPB:
        words = f"it stands out from its surroundings by {one.contrast_ppb:.0f} ppb"
        return Issue("not_found", f"{words}, at least {LEAST_CONTRAST_PPB:.0f} ppb expected")
    return None


def _usual_size(found: Sequence[Evidence]) -> float:
    """Volume of this head's nuclei against the atlas's."""
    return median(one.volume_ml / one.atlas_ml for one in found) if found else 0.0


def _implausible(one: Evidence, usual: float) -> Issue | None:
    if not SMALLEST_HEAD <= usual <= LARGEST_HEAD:
        return Issue("size", f"the nuclei have {usual:.1f} times the atlas's volume on the whole")
    expected = usual * one.atlas_ml / one.voxel_ml
    if expected < LEAST_EXPECTED:
        words = f"it would have {expected:.0f} voxels of this size, at least {LEAST_EXPECTED:.0f} expected"
        return Issue("too_small", words)
    size = one.volume_ml / one.atlas_ml / usual
    if not SMALLEST <= size <= LARGEST:
        words = f"its volume of {one.volume_ml:.2f} ml is {size:.1f} times what the other nuclei let expect"
        return Issue("size", words)
    if one.overlap < LEAST_OVERLAP:
        words = f"{100 * one.overlap:.0f} % of what stands out there lie where the atlas has it"
        return Issue("estimates", f"{words}, at least {100 * LEAST_OVERLAP:.0f} % expected")
    if abs(one.last_ppb - one.before_ppb) > MOST_APART_PPB:
        words = f"two ways to draw it give means of {one.before_ppb:.0f} and {one.last_ppb:.0f} ppb"
        return Issue("estimates", words)
    return None


def _unequal(number: int, found: Sequence[Evidence], issues: Sequence[Issue | None]) -> Issue | None:
    """Both sides, where nothing else speaks against one of them: which is wrong cannot be told."""
    other = _other_side(number)
    if issues[other] is not None:
        return None
    one, two = found[number].volume_ml, found[other].volume_ml
    if max(one, two) > MOST_UNEQUAL * min(one, two):
        return Issue("sides", f"{PARTS[number].side} has {one:.2f} ml, the other side {two:.2f} ml")
    return None


def _other_side(number: int) -> int:
    part = PARTS[number]
    return next(n for n, one in enumerate(PARTS) if one.name == part.name and one.side != part.side)
