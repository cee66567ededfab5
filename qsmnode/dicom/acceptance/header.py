"""What the headers of an acquisition say against a map of it: pure, and before any job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

from qsmnode.config import AcceptanceSettings
from qsmnode.dicom.acceptance.verdict import REJECT, found
from qsmnode.dicom.geometry import slice_normal
from qsmnode.errors import Finding

_COUNTS = {1: "one echo", 2: "two echoes"}
_NO_AGENT = frozenset({"", "NO", "NONE", "N", "WITHOUT", "NO CONTRAST"})
_NECK = frozenset({"NECK", "CAROTID", "CAROTIDS", "CSPINE", "CERVICALSPINE"})
_GAP_TOLERANCE_MM = 0.02


class Grid(Protocol):
    """What is asked of a grid of slices."""

    @property
    def spacing_mm(self) -> float | None: ...


class Described(Protocol):
    """What is asked of an acquisition, whatever kind of file it came in."""

    @property
    def imaging_frequency_mhz(self) -> float | None: ...

    @property
    def field_t(self) -> float | None: ...

    @property
    def dimensions(self) -> int | None: ...

    @property
    def echo_times_s(self) -> Sequence[float]: ...

    @property
    def voxel_mm(self) -> tuple[float, ...] | None: ...

    @property
    def slice_thickness_mm(self) -> float | None: ...

    @property
    def grid(self) -> Grid: ...

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def orientation(self) -> Sequence[float]: ...

    @property
    def slices(self) -> Sequence[object]: ...


class Header(Protocol):
    """What is asked of an image's header."""

    @property
    def keywords(self) -> Mapping[str, Sequence[Any]]: ...


def header_findings(
    acquisition: Described, headers: Iterable[Header], limits: AcceptanceSettings
) -> tuple[Finding, ...]:
    """Every departure, in a stable order.

    Args:
        acquisition: what the images make together.
        headers: of its instances.
        limits: of the route that it takes.
    """
    headers = list(headers)
    return (
        *_resonance(acquisition, limits),
        *_sequence(acquisition, limits),
        *_voxels(acquisition, limits),
        *_gaps(acquisition),
        *_coverage(acquisition, limits),
        *_patient(headers, limits),
    )


def _resonance(acquisition: Described, limits: AcceptanceSettings) -> Iterator[Finding]:
    field_t = acquisition.field_t
    if acquisition.imaging_frequency_mhz is None:
        words = "ImagingFrequency is missing, differs between images, or contradicts the field strength"
        yield Finding("field_strength", REJECT, "a centre frequency: the ppm scale comes from it", words)
    elif field_t is None:
        words = "MagneticFieldStrength is missing or implausible"
        yield from found(limits, "field_strength", "a known field strength", words)
    elif field_t < limits.min_horizontal_field_t:
        expected = (
            f"a horizontal bore: at least {limits.min_horizontal_field_t:g} T, or less where "
            "acceptance.min_horizontal_field_t says so"
        )
        words = f"a magnet of {field_t:g} T may be open, its field upright: the B0 axis is not known"
        yield from found(limits, "b0_axis", expected, words)


def _sequence(acquisition: Described, limits: AcceptanceSettings) -> Iterator[Finding]:
    if acquisition.dimensions != 3:
        words = "2-D acquisition" if acquisition.dimensions == 2 else "2-D or 3-D acquisition: not known"
        yield from found(limits, "dimensions", "3-D", words)
    times = acquisition.echo_times_s
    if len(times) < limits.min_echoes:
        words = _COUNTS.get(len(times), f"{len(times)} echoes")
        yield from found(limits, "echoes", f"at least {limits.min_echoes}", words)
    if times and 1000 * times[0] > limits.max_first_echo_ms:
        expected = f"at most {limits.max_first_echo_ms:g} ms"
        yield from found(limits, "first_echo", expected, f"first echo at {1000 * times[0]:.2f} ms")
    yield from _spacing(times, limits)
    if len(times) > 1:
        yield from _last_echo(times[-1], acquisition.field_t, limits)


def _spacing(times: Sequence[float], limits: AcceptanceSettings) -> Iterator[Finding]:
    steps = [after - before for before, after in pairwise(times)]
    tolerance = limits.max_echo_spacing_difference
    if len(steps) > 1 and max(steps) - min(steps) > tolerance * sum(steps) / len(steps):
        expected = f"equal within {100 * tolerance:g} %"
        words = f"echo spacing from {1000 * min(steps):.2f} to {1000 * max(steps):.2f} ms"
        yield from found(limits, "echo_spacing", expected, words)


def _last_echo(time_s: float, field_t: float | None, limits: AcceptanceSettings) -> Iterator[Finding]:
    """The same tissue turns its phase as far in proportionally less time at a higher field."""
    if field_t is None:
        return
    scale = 1.0 if 2.5 <= field_t <= 3.5 else 3.0 / field_t
    low, high = limits.min_last_echo_ms * scale, limits.max_last_echo_ms * scale
    if not low <= 1000 * time_s <= high:
        expected = f"{low:.3g} to {high:.3g} ms at {field_t:.2g} T"
        yield from found(limits, "last_echo", expected, f"last echo at {1000 * time_s:.1f} ms")


def _voxels(acquisition: Described, limits: AcceptanceSettings) -> Iterator[Finding]:
    voxel = acquisition.voxel_mm
    if voxel is None or min(voxel) <= 0:
        return
    if max(voxel[:2]) > limits.max_in_plane_mm:
        expected = f"at most {limits.max_in_plane_mm:g} mm"
        yield from found(limits, "in_plane", expected, f"voxels of {max(voxel[:2]):.2f} mm in plane")
    ratio = max(voxel) / min(voxel)
    if ratio > limits.max_anisotropy:
        expected = f"at most {limits.max_anisotropy:g}:1"
        yield from found(limits, "anisotropy", expected, f"anisotropic voxels, {ratio:.1f}:1")


def _gaps(acquisition: Described) -> Iterator[Finding]:
    thickness, spacing = acquisition.slice_thickness_mm, acquisition.grid.spacing_mm
    if thickness is None or spacing is None:
        return
    gap = spacing - thickness
    if gap > max(0.01 * thickness, _GAP_TOLERANCE_MM):
        words = f"gaps of {gap:.2f} mm between slices of {thickness:.2f} mm"
        yield Finding("gaps", REJECT, "none", words)


def _coverage(acquisition: Described, limits: AcceptanceSettings) -> Iterator[Finding]:
    """Along the head: the array axis that lies closest to the patient's length."""
    if acquisition.voxel_mm is None:
        return
    rows, columns = acquisition.shape
    along = (
        abs(acquisition.orientation[2]),
        abs(acquisition.orientation[5]),
        abs(slice_normal(acquisition.orientation)[2]),
    )
    counts = (columns, rows, len(acquisition.slices))
    axis = along.index(max(along))
    reach = counts[axis] * acquisition.voxel_mm[axis]
    # stated sizes are rounded
    if reach < limits.min_coverage_mm - 0.01:
        expected = f"at least {limits.min_coverage_mm:g} mm"
        yield from found(limits, "coverage", expected, f"{reach:.0f} mm along the head")


def _patient(headers: Sequence[Header], limits: AcceptanceSettings) -> Iterator[Finding]:
    agents = {text for header in headers for text in _texts(header, "ContrastBolusAgent")}
    if agents - _NO_AGENT:
        yield from found(limits, "contrast_agent", "none", "a contrast agent was given")
    parts = {text for header in headers for text in _texts(header, "BodyPartExamined")}
    # a description is nobody's promise: only what the operator registered counts
    if parts & _NECK:
        yield from found(limits, "neck", "the head", f"BodyPartExamined {', '.join(sorted(parts & _NECK))}")


def _texts(header: Header, keyword: str) -> Iterator[str]:
    for value in header.keywords.get(keyword, ()):
        yield str(value).strip().upper()
