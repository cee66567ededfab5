"""Further images of a multi-echo measurement, each callable on its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qsmnode.engine import registry
from qsmnode.engine.arguments import (
    finite,
    grid_of,
    mask_of,
    not_negative,
    one_turn,
    some_signal,
    volume,
)
from qsmnode.engine.r2star.decay import is_equidistant
from qsmnode.engine.swi.projection import minimum_projection
from qsmnode.engine.types import Float, Grid, Mask, checked_echo_times, real_array
from qsmnode.errors import EngineInputError


def r2star(
    magnitude: Any,
    echo_times_s: Sequence[float],
    mask: Any = None,
    method: str | None = None,
    *,
    noise: float = 0.0,
    parameters: Mapping[str, Any] | None = None,
) -> Float:
    """How fast the signal decays.

    Args:
        magnitude: (E, X, Y, Z), arbitrary units, >= 0; two echoes or more.
        echo_times_s: E echo times in s, ascending.
        mask: (X, Y, Z) bool, where to fit; everywhere if None.
        method: name of an r2star method, see ``methods("r2star")``; if None, ``arlo`` for three or more
            echoes that are equally far apart, else ``nlls``.
        noise: standard deviation of the signal's real and imaginary parts, in the magnitude's unit, >= 0; its
            floor is taken out. 0 where not known.
        parameters: the method's parameters over its defaults.

    Returns:
        (X, Y, Z) float32, 1/s, 0 to 500; 0 outside the mask, where there is no signal, and in voxels that
        were NaN or infinite in any echo.

    Raises:
        EngineInputError: an argument is out of its contract, or the method cannot use these echo times.

    Source: 10.1002/mrm.25137 (arlo), 10.1002/mrm.1910340618 (nlls).

    Example:
        >>> import numpy as np
        >>> times = [0.004, 0.010, 0.016, 0.022]
        >>> magnitude = np.stack([1000 * np.exp(-30 * t) * np.ones((4, 4, 4)) for t in times])
        >>> bool(np.allclose(r2star(magnitude, times), 30, rtol=1e-3))
        True
    """
    times = checked_echo_times(echo_times_s)
    signal, bad = _echoes("magnitude", magnitude, times)
    not_negative("magnitude", signal)
    inside = _inside(mask, bad)
    level = _number("noise", noise, 0.0)
    if method is None:
        method = "arlo" if is_equidistant(times) else "nlls"
    chosen = registry.get("r2star", method)
    made = registry.make_parameters(chosen, parameters or {})
    found: Float = chosen.function(np.where(bad, np.float32(0), signal), times, inside, level, made)[0]
    return found


def susceptibility_weighted(
    magnitude: Any,
    phase: Any,
    echo_times_s: Sequence[float],
    grid: Grid,
    mask: Any = None,
    method: str = "clear",
    *,
    parameters: Mapping[str, Any] | None = None,
) -> Float:
    """A susceptibility-weighted image: veins and other paramagnetic sources are dark.

    Args:
        magnitude: (E, X, Y, Z), arbitrary units, >= 0.
        phase: (E, X, Y, Z), rad, one turn (-pi to pi, or 0 to 2 pi); the field of a paramagnetic source gives
            positive phase.
        echo_times_s: E echo times in s, ascending.
        grid: geometry.
        mask: (X, Y, Z) bool, where the image is wanted; everywhere if None.
        method: name of a swi method, see ``methods("swi")``.
        parameters: the method's parameters over its defaults.

    Returns:
        (X, Y, Z) float32 in the magnitude's unit, 0 outside the mask and in voxels that were NaN or infinite
        in any echo. :func:`minimum_intensity_projection` shows veins over several slices.

    Raises:
        EngineInputError: an argument is out of its contract.

    Source: 10.1016/j.neuroimage.2021.118175.

    Example:
        >>> import numpy as np
        >>> from qsmnode.engine import Grid, forward_field
        >>> grid = Grid(shape=(32, 32, 24), voxel_mm=(1, 1, 1), b0_direction=(0, 0, 1))
        >>> vein = np.zeros(grid.shape)
        >>> vein[15:18, 15:18] = 0.3
        >>> times = [0.010, 0.020]
        >>> field_hz = forward_field(vein, grid) * 123.2
        >>> phase = np.stack([np.angle(np.exp(2j * np.pi * t * field_hz)) for t in times])
        >>> image = susceptibility_weighted(np.ones_like(phase), phase, times, grid)
        >>> bool(image[16, 16, 12] < 0.7 * image[8, 8, 12])
        True
    """
    times = checked_echo_times(echo_times_s)
    shape = grid_of("grid", grid).shape
    signal, bad = _echoes("magnitude", magnitude, times, shape)
    not_negative("magnitude", signal)
    some_signal(signal)
    angle, bad_phase = _echoes("phase", phase, times, shape)
    angle = one_turn(angle)
    bad |= bad_phase
    inside = _inside(mask, bad)
    chosen = registry.get("swi", method)
    made = registry.make_parameters(chosen, parameters or {})
    zero = np.float32(0)
    image: Float = chosen.function(
        np.where(bad, zero, signal), np.where(bad, zero, angle), times, grid, inside, made
    )[0]
    return image


def minimum_intensity_projection(image: Any, slices: int = 7, mask: Any = None) -> Float:
    """The least value of several neighbouring slices, for every slice.

    Args:
        image: (X, Y, Z), any unit.
        slices: how many slices along Z, 1 or more; fewer at both ends.
        mask: (X, Y, Z) bool, voxels that count; all if None. Those that are NaN or infinite never count.

    Returns:
        (X, Y, Z) float32 in the image's unit, 0 where none of the slices counts.

    Raises:
        EngineInputError: an argument is out of its contract.

    Source: 10.1002/mrm.20198.

    Example:
        >>> import numpy as np
        >>> image = np.ones((2, 2, 9))
        >>> image[0, 0, 4] = 0.25
        >>> minimum_intensity_projection(image, slices=3)[0, 0].tolist()
        [1.0, 1.0, 1.0, 0.25, 0.25, 0.25, 1.0, 1.0, 1.0]
    """
    values = real_array("image", image)
    if values.ndim != 3 or not values.size:
        raise EngineInputError(f"image: expected shape (X, Y, Z), got {values.shape}")
    if isinstance(slices, bool) or not isinstance(slices, (int, np.integer)) or slices < 1:
        raise EngineInputError(f"slices: expected a whole number of at least 1, got {slices!r}")
    values, bad = finite(values)
    return minimum_projection(values, int(slices), _inside(mask, bad))


def separate_sources(
    susceptibility_ppm: Any,
    r2star: Any,
    field_t: float,
    mask: Any = None,
    method: str = "r2star_qsm",
    *,
    parameters: Mapping[str, Any] | None = None,
) -> tuple[Float, Float]:
    """Paramagnetic and diamagnetic sources that share a voxel; for research only.

    Args:
        susceptibility_ppm: (X, Y, Z), ppm, referenced; best to the ventricles' fluid.
        r2star: (X, Y, Z), 1/s, >= 0.
        field_t: B0 in T, above 0 and at most 30.
        mask: (X, Y, Z) bool, where both are meant; everywhere if None.
        method: name of a separation method, see ``methods("separation")``.
        parameters: the method's parameters over its defaults.

    Returns:
        chi+ (>= 0) and chi- (<= 0), (X, Y, Z) float32, ppm; 0 outside the mask and in voxels that were NaN or
        infinite in either image.

    Raises:
        EngineInputError: an argument is out of its contract.

    Source: 10.1111/jon.13014.

    Example:
        >>> import numpy as np
        >>> iron, myelin = 0.06, -0.02
        >>> decay = np.full((2, 2, 2), 274 * (iron - myelin))
        >>> positive, negative = separate_sources(np.full((2, 2, 2), iron + myelin), decay, field_t=3.0)
        >>> bool(np.allclose(positive, iron) and np.allclose(negative, myelin))
        True
    """
    values = real_array("susceptibility_ppm", susceptibility_ppm)
    if values.ndim != 3 or not values.size:
        raise EngineInputError(f"susceptibility_ppm: expected shape (X, Y, Z), got {values.shape}")
    values, bad = finite(values)
    rate, bad_rate = finite(volume("r2star", r2star, values.shape))
    not_negative("r2star", rate)
    field = _number("field_t", field_t, 0.0, 30.0)
    if field == 0:
        raise EngineInputError("field_t: expected a field above 0 T, got 0")
    inside = _inside(mask, bad | bad_rate)
    chosen = registry.get("separation", method)
    made = registry.make_parameters(chosen, parameters or {})
    positive, negative, _ = chosen.function(values, rate, inside, field, made)
    return positive, negative


def _echoes(
    name: str, values: Any, times: Sequence[float], shape: tuple[int, ...] | None = None
) -> tuple[Float, Mask]:
    """``values`` as finite (E, X, Y, Z), and the voxels (X, Y, Z) that were not finite in some echo."""
    array = real_array(name, values)
    here = array.shape[1:] if shape is None else shape
    if array.ndim != 4 or array.shape != (len(times), *here) or not array.size:
        wanted = "X, Y, Z" if shape is None else ", ".join(map(str, shape))
        raise EngineInputError(
            f"{name}: expected shape (E, {wanted}) with E = {len(times)} echo times, got {array.shape}"
        )
    array, bad = finite(array)
    return array, np.asarray(bad.any(axis=0), dtype=np.bool_)


def _inside(mask: Any, bad: Mask) -> Mask:
    """The mask, or everything, without bad voxels."""
    return ~bad if mask is None else mask_of("mask", mask, bad.shape) & ~bad


def _number(name: str, value: Any, low: float, high: float = math.inf) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise EngineInputError(f"{name}: expected a number, got {value!r}") from None
    if not (math.isfinite(number) and low <= number <= high):
        raise EngineInputError(f"{name}: expected {low:g} to {high:g}, got {value!r}")
    return number
