"""Numbers of the arrays as they came: how smooth the field is, noise, poles."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from qsmnode.engine.coarse import Coarse
from qsmnode.engine.offset.phasors import echo_steps
from qsmnode.engine.types import EchoStack, Float, Mask
from qsmnode.engine.unwrap.growth import unwrap_alone

BLOCK_MM = 4.0
SMOOTH_MM = 6.0
DEPTH_MM = 20.0
_MAD = 0.6745  # median size of a normal variable over its standard deviation
_FEWEST = 200  # voxels that a median or a mean is taken over
_FLAT_PERCENT = 30
_LINE_VOXELS = 20


def field_spread_ppm(stack: EchoStack, head: Mask) -> float:
    """Spread, p5 to p95 in ppm, of the field's smooth part: what a high-pass filter takes away.

    It is read from the first two echoes, so that phase at echo time 0 does not count; from one echo's phase
    where there is no other.

    Args:
        stack: finite.
        head: (X, Y, Z), its bright part.
    """
    phase, magnitude, gap_s = stack.phase, stack.magnitude, stack.echo_times_s[0]
    if len(stack.echo_times_s) > 1:
        gap_s = stack.echo_times_s[1] - stack.echo_times_s[0]
    else:
        phase, magnitude = np.stack([np.zeros_like(phase[0]), phase[0]]), np.stack([magnitude[0]] * 2)
    coarse = Coarse.of(stack.grid.shape, stack.grid.voxel_mm, BLOCK_MM)
    steps = echo_steps(phase, magnitude, head, coarse, 0, 1)
    sigma = [SMOOTH_MM / edge for edge in coarse.edge_mm]
    real = scipy.ndimage.gaussian_filter(steps.real, sigma)
    imaginary = scipy.ndimage.gaussian_filter(steps.imag, sigma)
    inside = coarse.mean(head.astype(np.float32)) >= 0.5
    depth = scipy.ndimage.distance_transform_edt(np.pad(inside, 1), coarse.edge_mm)[1:-1, 1:-1, 1:-1]
    # where the surface's own field is far the smooth field is the magnet's, which a filter takes away
    deep = depth >= min(DEPTH_MM, 0.5 * float(depth.max(initial=0.0)))
    inside &= deep
    turned = unwrap_alone(
        np.arctan2(imaginary, real).astype(np.float32), np.hypot(real, imaginary).astype(np.float32), inside
    )
    low, high = np.percentile(turned[inside], [5, 95])
    return float((high - low) / (2 * np.pi * gap_s * stack.imaging_frequency_mhz))


def signal_to_noise(magnitude: Float, head: Mask) -> float | None:
    """Median signal over the noise, from the finest diagonal details where the image is flat.

    Args:
        magnitude: (X, Y, Z), finite.
        head: (X, Y, Z), its bright part.

    Returns:
        None where there is too little of the head to tell. Infinite without noise.

    Source: 10.1093/biomet/81.3.425.
    """
    whole = _blocks(head[_even(head)], np.logical_and)
    if np.count_nonzero(whole) < _FEWEST:
        return None
    values = magnitude[_even(magnitude)].astype(np.float64)
    details, means = _blocks(values, np.subtract), _blocks(values, np.add) / 8
    slopes = np.abs(np.stack(np.gradient(means))).max(axis=0)
    flat = whole & (slopes <= np.percentile(slopes[whole], _FLAT_PERCENT))
    noise = float(np.median(np.abs(details[flat]))) / (_MAD * np.sqrt(8.0))
    return float(np.median(magnitude[head])) / noise if noise > 0 else float("inf")


def _even(values: Any) -> tuple[slice, ...]:
    return tuple(slice(0, n // 2 * 2) for n in values.shape)


def _blocks(values: Any, together: Any) -> Any:
    """Blocks of 2 x 2 x 2 voxels made one, axis by axis."""
    for axis in range(3):
        odd = np.arange(1, values.shape[axis], 2)
        values = together(np.take(values, odd - 1, axis), np.take(values, odd, axis))
    return values


def poles(stack: EchoStack, head: Mask) -> Mask:
    """Voxels around which the first two echoes wind by the same turn while their difference does not.

    So winds phase that all echoes share: an error of the coils' combination. Noise and signal voids wind
    differently in each echo. None where there is one echo only.

    Args:
        stack: finite.
        head: (X, Y, Z), its bright part.
    """
    marked: Mask = np.zeros(head.shape, dtype=np.bool_)
    if len(stack.echo_times_s) < 2:
        return marked
    one, two = (_steps(stack.phase[echo]) for echo in (0, 1))
    between = _steps(stack.phase[1] - stack.phase[0])
    for first, second in ((0, 1), (0, 2), (1, 2)):
        corners = [_corner(head, first, second, i, j) for i in (0, 1) for j in (0, 1)]
        turns = _winding(one, first, second)
        at = np.logical_and.reduce(corners) & (turns != 0)
        at &= (turns == _winding(two, first, second)) & (_winding(between, first, second) == 0)
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            _corner(marked, first, second, i, j)[at] = True
    return _lines(marked)


def _lines(marked: Mask) -> Mask:
    """Poles are lines through the head; what noise marks lies alone."""
    labels, _ = scipy.ndimage.label(marked, np.ones((3, 3, 3)))
    long = np.bincount(labels.reshape(-1)) >= _LINE_VOXELS
    long[0] = False
    kept: Mask = long[labels]
    return kept


def _steps(phase: Float) -> list[npt.NDArray[np.int8]]:
    """Whole turns that lie between neighbours along each axis."""
    turn = np.float32(2 * np.pi)
    return [np.rint(np.diff(phase, axis=axis) / turn).astype(np.int8) for axis in range(3)]


def _winding(steps: list[npt.NDArray[np.int8]], first: int, second: int) -> npt.NDArray[np.int8]:
    """Whole turns of the phase around each square of four voxels in the plane of two axes."""
    one, two = steps[first], steps[second]
    near, far = (_cut(one, second, end) for end in (0, 1))
    left, right = (_cut(two, first, end) for end in (0, 1))
    turns: npt.NDArray[np.int8] = near + right - far - left
    return turns


def _cut(values: npt.NDArray[np.int8], axis: int, end: int) -> npt.NDArray[np.int8]:
    """All but the last (0) or the first (1) along an axis; a view."""
    where = [slice(None)] * 3
    where[axis] = slice(end, values.shape[axis] - 1 + end)
    return values[tuple(where)]


def _corner(values: Any, first: int, second: int, i: int, j: int) -> Any:
    """The voxels at one corner of every square; a view."""
    where = [slice(None)] * 3
    where[first] = slice(i, values.shape[first] - 1 + i)
    where[second] = slice(j, values.shape[second] - 1 + j)
    return values[tuple(where)]
