"""What a reader of the maps should know about the acquisition: warnings, never a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

MAX_FIRST_ECHO_S = 0.010
MAX_IN_PLANE_MM = 1.2
MAX_ANISOTROPY = 2.5
MIN_COVERAGE_MM = 110.0
ECHO_SPACING_TOLERANCE = 0.02
LAST_ECHO_AT_3T_S = (0.020, 0.045)

_COUNT_WORDS = {1: "one echo", 2: "two echoes"}


def acceptance_warnings(
    dimensions: int | None,
    echo_times_s: Sequence[float],
    voxel_mm: Sequence[float],
    slices: int,
    field_t: float | None,
) -> tuple[str, ...]:
    """Departures from what a susceptibility map should be made of, in a stable order.

    Args:
        dimensions: 2, 3 or None.
        echo_times_s: ascending.
        voxel_mm: X, Y, Z.
        slices: number of slices.
        field_t: nominal field strength.
    """
    found = []
    if dimensions != 3:
        found.append("2-D acquisition" if dimensions == 2 else "2-D or 3-D acquisition: not known")
    found += _of_echoes(echo_times_s, field_t)
    if max(voxel_mm[:2]) > MAX_IN_PLANE_MM:
        found.append(f"coarse voxels: {max(voxel_mm[:2]):.2f} mm in plane, more than {MAX_IN_PLANE_MM} mm")
    if max(voxel_mm) > MAX_ANISOTROPY * min(voxel_mm):
        found.append(f"anisotropic voxels: {max(voxel_mm) / min(voxel_mm):.1f}:1")
    if slices * voxel_mm[2] < MIN_COVERAGE_MM:
        found.append(f"short coverage: {slices * voxel_mm[2]:.0f} mm, less than {MIN_COVERAGE_MM:.0f} mm")
    return tuple(found)


def _of_echoes(times: Sequence[float], field_t: float | None) -> list[str]:
    found = []
    if len(times) in _COUNT_WORDS:
        found.append(_COUNT_WORDS[len(times)])
    if times[0] > MAX_FIRST_ECHO_S:
        found.append(f"late first echo: {1000 * times[0]:.2f} ms")
    steps = [after - before for before, after in pairwise(times)]
    if len(steps) > 1 and max(steps) - min(steps) > ECHO_SPACING_TOLERANCE * (sum(steps) / len(steps)):
        found.append("unequal echo spacing")
    if field_t is not None and 2.5 <= field_t <= 3.5 and len(times) > 1:
        low, high = LAST_ECHO_AT_3T_S
        if not low <= times[-1] <= high:
            found.append(f"last echo at {1000 * times[-1]:.1f} ms, outside 20 to 45 ms at 3 T")
    return found
