"""Whether an acquisition is all there: proven by declared counts, never by a grid that looks full."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from qsmnode.dicom.acquisition import Acquisition
from qsmnode.dicom.grid import echo_index, merged_times

COMPLETE = "complete"
INCOMPLETE = "incomplete"
UNDECLARED = "undeclared"
CONTRADICTION = "contradiction"


@dataclass(frozen=True)
class Completeness:
    """Attributes:
    state: ``complete`` (declared and present), ``incomplete`` (a declared or visible gap), ``undeclared``
        (consistent so far, no count to prove it) or ``contradiction`` (count and grid, or two counts).
    missing: what is not there, or the contradiction, in words.
    """

    state: str
    missing: tuple[str, ...] = ()


def assess(acquisition: Acquisition) -> Completeness:
    """Compare what has arrived with what the headers declare."""
    contradictions = _contradictions(acquisition)
    if contradictions:
        return Completeness(CONTRADICTION, contradictions)
    missing = _missing(acquisition)
    if missing:
        return Completeness(INCOMPLETE, missing)
    declared = acquisition.declared
    if declared.images is not None and acquisition.images_present < declared.images:
        absent = declared.images - acquisition.images_present
        return Completeness(INCOMPLETE, (f"{absent} of {declared.images} images of the series",))
    proven = declared.slices is not None and (declared.echoes is not None or declared.images is not None)
    return Completeness(COMPLETE if proven else UNDECLARED)


def _contradictions(acquisition: Acquisition) -> tuple[str, ...]:
    declared = acquisition.declared
    found = [acquisition.contradiction] if acquisition.contradiction else []
    slices, echoes = len(acquisition.slices), len(acquisition.echo_times_s)
    if declared.slices is not None and slices > declared.slices:
        found.append(f"{slices} slice positions are here, the header declares {declared.slices}")
    if declared.echoes is not None and echoes > declared.echoes:
        found.append(f"{echoes} echo times are here, the header declares {declared.echoes}")
    if declared.images is not None and acquisition.images_present > declared.images:
        found.append(f"{acquisition.images_present} images are here, the header declares {declared.images}")
    numbers = acquisition.grid.steps()
    if numbers is None:
        found.append("slice positions fit no regular grid")
    elif declared.slices is not None and numbers and numbers[-1] >= declared.slices:
        found.append(f"slices reach over {numbers[-1] + 1} places, the header declares {declared.slices}")
    return tuple(found)


def _missing(acquisition: Acquisition) -> tuple[str, ...]:
    """Every gap, kind by kind and echo by echo; a whole kind or echo is named once."""
    times = _all_times(acquisition)
    echoes = max(acquisition.declared.echoes or 0, len(times))
    seen: dict[tuple[str, int], set[int]] = {}
    for image in acquisition.images:
        index = echo_index(image.echo_time_s, times)
        if index is not None:
            seen.setdefault((image.kind, index), set()).add(acquisition.grid.index_of[image.position])
    found: list[str] = []
    for kind in acquisition.pair:
        if not any(key[0] == kind for key in seen):
            found.append(kind)
            continue
        found += _gaps_of(kind, [seen.get((kind, index), set()) for index in range(len(times))], acquisition)
        if echoes > len(times):
            found.append(f"{kind}, {echoes - len(times)} of {echoes} echoes")
    return tuple(found)


def _all_times(acquisition: Acquisition) -> tuple[float, ...]:
    """Echo times of the protocol where it lists them and they agree with the images, else those seen."""
    listed = merged_times(acquisition.declared.echo_times_s)
    seen = acquisition.echo_times_s
    both = merged_times((*listed, *seen))
    return both if len(both) == len(listed) else seen


def _gaps_of(kind: str, per_echo: Sequence[set[int]], acquisition: Acquisition) -> list[str]:
    numbers = acquisition.grid.steps() or tuple(range(len(acquisition.slices)))
    reach = numbers[-1] + 1 if numbers else 0
    total = max(acquisition.declared.slices or 0, reach)
    beyond = total - reach  # declared slices at ends that nobody has seen: they have no number yet
    found = []
    for echo, present in enumerate(per_echo, start=1):
        if not present:
            found.append(f"{kind}, echo {echo}")
            continue
        here = {numbers[index] for index in present}
        absent = [number + 1 for number in range(reach) if number not in here]
        if absent and not beyond:
            found.append(f"{kind}, echo {echo}, {_ranges(absent)} of {total}")
        elif absent or beyond:
            found.append(f"{kind}, echo {echo}, {len(absent) + beyond} of {total} slices")
    return found


def _ranges(numbers: Iterable[int]) -> str:
    """1, 2, 3, 7 -> "slices 1-3, 7"."""
    ordered = list(numbers)
    breaks = [index + 1 for index, (a, b) in enumerate(pairwise(ordered)) if b != a + 1]
    bounds = [0, *breaks, len(ordered)]
    parts = [ordered[start:end] for start, end in pairwise(bounds)]
    shown = ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
    return f"slice{'s' if len(ordered) > 1 else ''} {shown}"
