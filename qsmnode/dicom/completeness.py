"""Whether an acquisition is all there: proven by declared counts, never by a grid that looks full."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from qsmnode.dicom.acquisition import Acquisition
from qsmnode.dicom.geometry import POSITION_TOLERANCE_MM
from qsmnode.dicom.grid import echo_index, merged_times

COMPLETE = "complete"
INCOMPLETE = "incomplete"
UNDECLARED = "undeclared"
CONTRADICTION = "contradiction"

SHIFT_TOLERANCE_MM = 5 * POSITION_TOLERANCE_MM
"""How far images of one slice may lie apart in their plane: as for whole slices in order_slices."""

_MAX_RANGES = 8


@dataclass(frozen=True)
class Completeness:
    """Attributes:
    state: ``complete`` (declared and present), ``incomplete`` (a declared or visible gap), ``undeclared``
        (consistent so far, no count to prove it) or ``contradiction`` (count and grid, or two counts).
    missing: what is not there, or the contradiction, in words.
    all_here: whether as many images as are declared are here, neither fewer nor more, wherever they lie.
    """

    state: str
    missing: tuple[str, ...] = ()
    all_here: bool = False


def assess(acquisition: Acquisition) -> Completeness:
    """Compare what has arrived with what the headers declare."""
    declared, present = acquisition.declared, acquisition.images_present
    contradictions = _contradictions(acquisition)
    if declared.images is not None and present > declared.images:
        contradictions += (f"{present} images are here, the header declares {declared.images}",)
    if contradictions:
        return Completeness(CONTRADICTION, contradictions, _all_here(acquisition))
    missing = _missing(acquisition)
    if not missing and declared.images is not None and present < declared.images:
        missing = (f"{declared.images - present} images of {declared.images} in its series",)
    if missing:
        return Completeness(INCOMPLETE, missing)
    proven = declared.slices is not None and (declared.echoes is not None or declared.images is not None)
    return Completeness(COMPLETE if proven else UNDECLARED, all_here=_all_here(acquisition))


def _all_here(acquisition: Acquisition) -> bool:
    declared = acquisition.declared
    if declared.images is not None and acquisition.images_present != declared.images:
        return False
    if declared.slices is None or (declared.echoes is None and declared.images is None):
        return False
    echoes = declared.echoes or len(acquisition.echo_times_s)
    here = sum(image.kind in acquisition.pair for image in acquisition.images)
    return here == len(acquisition.pair) * declared.slices * echoes


def obstacles(acquisition: Acquisition) -> tuple[str, ...]:
    """Why its own images fill no grid, whatever else was in its series: empty where they do."""
    return _contradictions(acquisition) or _missing(acquisition)


def _contradictions(acquisition: Acquisition) -> tuple[str, ...]:
    declared = acquisition.declared
    found = [acquisition.contradiction] if acquisition.contradiction else []
    slices, echoes = len(acquisition.slices), len(acquisition.echo_times_s)
    if declared.slices is not None and slices > declared.slices:
        found.append(f"{slices} slice positions are here, the header declares {declared.slices}")
    if declared.echoes is not None and echoes > declared.echoes:
        found.append(f"{echoes} echo times are here, the header declares {declared.echoes}")
    numbers = acquisition.grid.steps()
    shift = acquisition.grid.shift_mm
    if shift > SHIFT_TOLERANCE_MM:
        found.append(
            f"images of one slice are shifted against each other within their plane by up to {shift:.3f} mm"
        )
    if numbers is None and slices == declared.slices:
        found.append(f"all {slices} declared slices are here and are {acquisition.grid.irregularity()}")
    elif numbers and declared.slices is not None and numbers[-1] >= declared.slices:
        found.append(f"slices reach over {numbers[-1] + 1} places, the header declares {declared.slices}")
    return tuple(found)


def _missing(acquisition: Acquisition) -> tuple[str, ...]:
    """Every gap, kind by kind and echo by echo; neighbouring echoes that lack the same are named together."""
    times = _all_times(acquisition)
    here: dict[tuple[str, int], set[int]] = {}
    for image in acquisition.images:
        index = echo_index(image.echo_time_s, times)
        if index is not None:
            here.setdefault((image.kind, index), set()).add(acquisition.grid.index_of[image.position])
    found: list[str] = []
    for kind in acquisition.pair:
        lacks = [_lacking(here.get((kind, index), set()), acquisition) for index in range(len(times))]
        found += [f"{kind}, {where}, {lack}" for where, lack in _together(lacks)]
    if not found and acquisition.grid.steps() is None:
        found.append(f"slices between those that are here, which are {acquisition.grid.irregularity()}")
    declared = acquisition.declared.echoes or 0
    if declared > len(times):
        unseen = list(range(len(times) + 1, declared + 1))
        found.append(f"{_numbered('echo', 'echoes', unseen)} of {declared}: {' and '.join(acquisition.pair)}")
    return tuple(found)


def _together(lacks: Sequence[str]) -> list[tuple[str, str]]:
    """Runs of echoes with the same text: ("echoes 1-3", text); echoes that lack nothing are left out."""
    found = []
    for lack, run in groupby(enumerate(lacks, start=1), key=lambda pair: pair[1]):
        if lack:
            found.append((_numbered("echo", "echoes", [number for number, _ in run]), lack))
    return found


def _all_times(acquisition: Acquisition) -> tuple[float, ...]:
    """Echo times of the protocol where it lists them and they agree with the images, else those seen."""
    listed = merged_times(acquisition.declared.echo_times_s)
    seen = acquisition.echo_times_s
    both = merged_times((*listed, *seen))
    return both if len(both) == len(listed) else seen


def _lacking(present: set[int], acquisition: Acquisition) -> str:
    """Slices of one kind and echo that are not here, in words; empty where all are.

    Args:
        present: indices into the acquisition's slices.
    """
    numbers = acquisition.grid.steps() or tuple(range(len(acquisition.slices)))
    reach = numbers[-1] + 1 if numbers else 0
    total = max(acquisition.declared.slices or 0, reach)
    if not present:
        return f"{_numbered('slice', 'slices', range(1, total + 1))} of {total}"
    here = {numbers[index] for index in present}
    absent = [number + 1 for number in range(reach) if number not in here]
    beyond = total - reach  # declared slices at ends that nobody has seen: they have no number yet
    if beyond:
        count = len(absent) + beyond
        return f"{count} slice{'s' if count > 1 else ''} of {total} missing"
    return f"{_numbered('slice', 'slices', absent)} of {total}" if absent else ""


def _numbered(one: str, several: str, numbers: Iterable[int]) -> str:
    """1, 2, 3, 7 -> "slices 1-3, 7"; a long list is cut."""
    ordered = list(numbers)
    breaks = [index + 1 for index, (a, b) in enumerate(pairwise(ordered)) if b != a + 1]
    parts = [ordered[start:end] for start, end in pairwise([0, *breaks, len(ordered)])]
    shown = [str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts]
    if len(shown) > _MAX_RANGES:
        rest = sum(len(part) for part in parts[_MAX_RANGES:])
        shown = [*shown[:_MAX_RANGES], f"and {rest} more"]
    return f"{several if len(ordered) > 1 else one} {', '.join(shown)}"
