"""Within one scan: which magnitude goes with which phase, and which images are other reconstructions."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qsmnode.dicom.eligibility import spoils
from qsmnode.dicom.encodings.encoding import (
    FIELD_MAP,
    IMAGINARY,
    MAGNITUDE,
    PHASE,
    PHASE_DIFFERENCE,
    REAL,
    USABLE,
)
from qsmnode.dicom.encodings.registry import encoding_for
from qsmnode.dicom.geometry import Vector
from qsmnode.dicom.grid import SliceGrid, echo_index, merged_times
from qsmnode.dicom.instance import Instance

Flags = tuple[str, ...]

_GEOMETRIC = frozenset({"ND", "DIS2D", "DIS3D", "GDC"})
"""Flags that move voxels; the others (NORM, FIL ...) change their brightness only."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a scan: an instance, or the frame ``frame_index`` (from 0) of one.

    Attributes:
        spoilt: why it cannot be used although it is one of the scan's own images; "" where it can.
    """

    sop_instance_uid: str
    series_uid: str
    frame_index: int | None
    kind: str
    echo_time_s: float | None
    position: Vector
    flags: Flags
    started_s: float | None
    spoilt: str = ""


@dataclass(frozen=True)
class Pairing:
    """The images that belong together, and why others do not.

    Attributes:
        held_check: the acceptance check behind ``held``.
        held_for_good: no image that may still come can end what holds it: another reconstruction can end a
            tie, but nothing makes one image of two.
    """

    images: tuple[Image, ...]
    pair: tuple[str, str]
    kinds: tuple[str, ...]
    held: str | None
    held_check: str
    held_for_good: bool
    reason_against: str | None
    ignored: tuple[tuple[str, str], ...]


def pair_images(run: Sequence[Image], instances: Mapping[str, Instance]) -> Pairing:
    """Choose the images of one scan that make a map together.

    Args:
        run: images of one scan, of any kind and reconstruction; at least one is not spoilt.
        instances: their instances by SOP instance UID.
    """
    one = instances[run[0].sop_instance_uid]
    every, run = run, _without_needless(run)
    present = {image.kind for image in run}
    pair = _pair_kinds(present, prefers_complex=encoding_for(one.manufacturer).prefers_complex)
    wanted = [image for image in run if image.kind in pair]
    rest = [image for image in run if image.kind not in pair]
    chosen, held = _choose(wanted, pair)
    used = [image for image in wanted if (image.kind, image.flags) in chosen] if chosen else wanted
    spoilt = _spoilt(used)
    doubled = None if held or spoilt else _doubled(used, one)
    taken = {image.sop_instance_uid for image in used}
    # another kind comes along only where it shares an object with an image that is used
    beside = [image for image in rest if image.sop_instance_uid in taken]
    kinds = {image.kind for image in (*used, *beside)}
    if {REAL, IMAGINARY} <= kinds:
        kinds |= {MAGNITUDE, PHASE}  # computed from them
    reason = _difference(used, one)
    if reason is not None:
        kinds = (kinds - {PHASE}) | {PHASE_DIFFERENCE}
    ordered = sorted([*used, *beside], key=lambda image: (image.sop_instance_uid, image.frame_index or 0))
    order = (MAGNITUDE, PHASE, REAL, IMAGINARY, PHASE_DIFFERENCE, FIELD_MAP)
    return Pairing(
        images=tuple(ordered),
        pair=pair,
        kinds=tuple(kind for kind in order if kind in kinds),
        held=spoilt or held or doubled,
        held_check=(spoils(spoilt) if spoilt else None) or "ambiguous",
        held_for_good=bool(spoilt or doubled),
        reason_against=reason,
        ignored=tuple(
            (image.sop_instance_uid, image.spoilt or _why_not(image, pair))
            for image in every
            if image.sop_instance_uid not in taken
        ),
    )


def _without_needless(run: Sequence[Image]) -> Sequence[Image]:
    """Without spoilt images that good ones stand in for: of the same place, or as the other pair of kinds."""
    good = [image for image in run if not image.spoilt]
    if len(good) == len(run):
        return run
    kinds = {image.kind for image in good}
    whole = {MAGNITUDE, PHASE} <= kinds or {REAL, IMAGINARY} <= kinds
    taken = {(image.kind, image.echo_time_s, image.position) for image in good}

    def needed(image: Image) -> bool:
        if image.kind not in kinds:
            return not whole
        # of filtered phase the scanner sends all or nothing
        filtered = spoils(image.spoilt) == "filtered_phase"
        return not filtered and (image.kind, image.echo_time_s, image.position) not in taken

    return [image for image in run if not image.spoilt or needed(image)]


def _spoilt(images: Sequence[Image]) -> str | None:
    """The first reason by which images that are needed cannot be used."""
    return min((image.spoilt for image in images if image.spoilt), default=None)


def _why_not(image: Image, pair: tuple[str, str]) -> str:
    if image.kind == FIELD_MAP:
        return "a scanner's field map, not a phase image"
    if image.kind not in pair:
        return f"{image.kind}: {pair[0]} and {pair[1]} of the same scan are used"
    return f"another reconstruction of a scan that is used: {_shown(image.flags)}"


def _pair_kinds(present: set[str], *, prefers_complex: bool) -> tuple[str, str]:
    whole_complex = {REAL, IMAGINARY} <= present
    whole_polar = {MAGNITUDE, PHASE} <= present
    if whole_complex and (prefers_complex or not whole_polar):
        return (REAL, IMAGINARY)
    if present & {REAL, IMAGINARY} and PHASE not in present:
        return (REAL, IMAGINARY)
    return (MAGNITUDE, PHASE)


def _choose(images: Sequence[Image], pair: tuple[str, str]) -> tuple[set[tuple[str, Flags]], str | None]:
    """The reconstruction of each kind to use, and why that is not certain; an empty set means all of them."""
    first = sorted({image.flags for image in images if image.kind == pair[0]})
    second = sorted({image.flags for image in images if image.kind == pair[1]})
    if not first or not second:
        # one kind has not come: nothing to choose by, but reconstructions of one kind are never mixed
        only = first or second
        return ({(pair[0] if first else pair[1], only[0])} if len(only) == 1 else set()), None
    scores = Counter({(a, b): _match(a, b) for a, b in itertools.product(first, second)})
    best = max(scores.values())
    winners = sorted(choice for choice, score in scores.items() if score == best)
    if best == 0:
        return set(), (
            f"{pair[0]} ({_shown(first[0])}) and {pair[1]} ({_shown(second[0])}) are reconstructed on "
            "different geometries"
        )
    if len(winners) > 1:
        shown = "; ".join(f"{_shown(a)} with {_shown(b)}" for a, b in winners)
        return set(), f"ambiguous: {len(winners)} equally good pairs of {pair[0]} and {pair[1]} ({shown})"
    a, b = winners[0]
    return {(pair[0], a), (pair[1], b)}, None


def _match(a: Flags, b: Flags) -> int:
    """2 for equal flags, 1 for equal geometry, 0 for voxels in different places."""
    if a == b:
        return 2
    return int(_GEOMETRIC.intersection(a) == _GEOMETRIC.intersection(b))


def _doubled(images: Sequence[Image], one: Instance) -> str | None:
    """Two images for one place, echo and kind: nobody can say which of them is meant.

    Places and echoes are those of the grid: a twin whose header rounds otherwise is a twin all the same.
    """
    usable = [image for image in images if image.kind in USABLE]
    orientation = next((frame.orientation for frame in one.frames if frame.orientation is not None), None)
    if not usable or orientation is None:
        return None
    places = SliceGrid.of([image.position for image in usable], orientation).index_of
    times = merged_times(image.echo_time_s for image in usable if image.echo_time_s is not None)
    counts = Counter(
        (image.kind, echo_index(image.echo_time_s, times), places[image.position], image.flags)
        for image in usable
    )
    doubled = sorted((kind, echo or 0) for (kind, echo, _, _), count in counts.items() if count > 1)
    if not doubled:
        return None
    kind, echo = doubled[0]
    return (
        f"ambiguous: {len(doubled)} places have more than one image of the same kind, echo and "
        f"reconstruction (first: {kind}, echo time {1000 * times[echo]:.3f} ms)"
    )


def _difference(images: Sequence[Image], one: Instance) -> str | None:
    """A field map's phase at one of two echo times is the difference of both."""
    if not one.field_map_sequence:
        return None
    magnitudes = merged_times(i.echo_time_s for i in images if i.kind == MAGNITUDE and i.echo_time_s)
    phases = merged_times(i.echo_time_s for i in images if i.kind == PHASE and i.echo_time_s)
    if len(phases) != 1 or not set(magnitudes) - set(phases):
        return None
    return (
        f"phase difference of a field map: one phase echo time ({1000 * phases[0]:.2f} ms) against "
        f"magnitude at {', '.join(f'{1000 * time:.2f}' for time in magnitudes)} ms"
    )


def _shown(flags: Flags) -> str:
    return "\\".join(flags) or "no flags"
