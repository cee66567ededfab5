"""Single steps of a reconstruction, callable on their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qsmnode.engine import registry
from qsmnode.engine.arguments import (
    finite,
    grid_of,
    mask_of,
    not_negative,
    not_swapped,
    one_turn,
    positive,
    some_signal,
    volume,
    weight_of,
)
from qsmnode.engine.measured import Measured
from qsmnode.engine.types import Float, Grid, Mask, checked_echo_times, real_array
from qsmnode.errors import EngineInputError


def unwrap(
    phase: Any,
    magnitude: Any,
    echo_times_s: Sequence[float],
    mask: Any = None,
    method: str = "romeo",
    parameters: Mapping[str, Any] | None = None,
) -> Float:
    """Remove the turns of wrapped phase.

    Args:
        phase: (E, X, Y, Z), rad, one turn (-pi to pi, or 0 to 2 pi). It may hold an offset at echo time 0.
        magnitude: (E, X, Y, Z), arbitrary units, >= 0.
        echo_times_s: E echo times in s, ascending.
        mask: (X, Y, Z) bool, where to unwrap; everywhere if None.
        method: name of an unwrap method, see ``methods("unwrap")``.
        parameters: the method's parameters over its defaults.

    Returns:
        (E, X, Y, Z) float32, rad. The first echo's median is within half a turn of 0. Outside the mask the
        phase stays wrapped; voxels that were NaN or infinite in any echo are 0.

    Raises:
        EngineInputError: an argument is out of its contract.

    Source: 10.1002/mrm.28563 (romeo), 10.1364/OL.28.001194 (laplacian).

    Example:
        >>> import numpy as np
        >>> ramp = np.linspace(-6, 6, 32, dtype=np.float32)[:, None, None] * np.ones((32, 8, 8), np.float32)
        >>> wrapped = np.angle(np.exp(1j * ramp))[None]
        >>> bool(np.allclose(unwrap(wrapped, np.ones_like(wrapped), [0.005])[0], ramp, atol=1e-4))
        True
    """
    times = checked_echo_times(echo_times_s)
    values = real_array("phase", phase)
    if values.ndim != 4 or values.shape[0] != len(times) or not values.size:
        raise EngineInputError(
            f"phase: expected shape (E, X, Y, Z) with E = {len(times)} echo times, got {values.shape}"
        )
    values, bad_phase = finite(values)
    signal, bad_magnitude = finite(volume("magnitude", magnitude, values.shape))
    not_swapped(signal, values)
    not_negative("magnitude", signal)
    some_signal(signal)
    values = one_turn(values)
    bad = (bad_phase | bad_magnitude).any(axis=0)
    inside = np.ones(bad.shape, dtype=np.bool_) if mask is None else mask_of("mask", mask, bad.shape)
    if bad.any():
        values, signal = np.where(bad, np.float32(0), values), np.where(bad, np.float32(0), signal)
    chosen = registry.get("unwrap", method)
    if parameters is None and method == "romeo" and len(times) > 1:
        parameters = {"echoes": "differences"}
    made = registry.make_parameters(chosen, parameters or {})
    unwrapped: Float = chosen.function(values, signal, times, inside & ~bad, made)[0]
    return unwrapped


def remove_background(
    field: Any,
    mask: Any,
    grid: Grid,
    method: str = "vsharp",
    weight: Any = None,
    parameters: Mapping[str, Any] | None = None,
) -> tuple[Float, Mask]:
    """Remove the field of sources outside the mask.

    Args:
        field: (X, Y, Z), any unit.
        mask: (X, Y, Z) bool, where the field is known.
        grid: geometry.
        method: name of a background method, see ``methods("background")``.
        weight: (X, Y, Z), 0..1, trust in the field; None for the same trust everywhere.
        parameters: the method's parameters over its defaults.

    Returns:
        The local field (X, Y, Z) float32 in the field's unit, 0 outside, and the mask in which it holds.
        Voxels that were NaN or infinite are outside.

    Raises:
        EngineInputError: an argument is out of its contract, or nothing is left of the mask.

    Source: each method's own, see ``methods("background")``; 10.1002/mrm.23000 (vsharp).

    Example:
        >>> import numpy as np
        >>> from qsmnode.engine import Grid
        >>> grid = Grid(shape=(24, 24, 24), voxel_mm=(2, 2, 2))
        >>> x, y, z = np.meshgrid(*[np.linspace(-1, 1, 24)] * 3, indexing="ij")
        >>> harmonic = x**2 - y**2 + 3 * z
        >>> local, inner = remove_background(harmonic, x**2 + y**2 + z**2 < 0.8, grid)
        >>> bool(local[inner].std() < 0.1 * harmonic[inner].std())
        True
    """
    shape = grid_of("grid", grid).shape
    values, bad = finite(volume("field", field, shape))
    inside = _without(mask_of("mask", mask, shape), bad, "field")
    chosen = registry.get("background", method)
    made = registry.make_parameters(chosen, parameters or {})
    local, inner, _ = chosen.function(values * inside, inside, grid, weight_of("weight", weight, shape), made)
    if not inner.any():
        raise EngineInputError(
            f"mask: {method} leaves nothing of {np.count_nonzero(inside)} voxels; too thin"
        )
    return np.where(inner, local, np.float32(0)).astype(np.float32), inner


def invert(
    local_field_ppm: Any,
    mask: Any,
    grid: Grid,
    method: str = "tv",
    weight: Any = None,
    *,
    magnitude: Any = None,
    rad_per_ppm: float | None = None,
    reference_mask: Any = None,
    noise_ppm: float | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Float:
    """Find the susceptibility that makes a local field.

    Args:
        local_field_ppm: (X, Y, Z), ppm.
        mask: (X, Y, Z) bool, where the field is known and the map wanted.
        grid: geometry, with the direction of B0.
        method: name of an inversion method, see ``methods("inversion")``.
        weight: (X, Y, Z), 0..1, trust in the field; None for the same trust everywhere.
        magnitude: (X, Y, Z) or (E, X, Y, Z), for methods that look at edges.
        rad_per_ppm: phase of 1 ppm in rad, for methods with a term in phase.
        reference_mask: (X, Y, Z) bool, where the mean is set to 0; the mask if None.
        noise_ppm: standard deviation of the field in ppm where the weight is 1; from the field if None.
        parameters: the method's parameters over its defaults.

    Returns:
        (X, Y, Z) float32, ppm, 0 outside the mask.

    Raises:
        EngineInputError: an argument is out of its contract.

    Source: each method's own, see ``methods("inversion")``; 10.1002/mrm.27073 (tv).

    Example:
        >>> import numpy as np
        >>> from qsmnode.engine import Grid, forward_field
        >>> grid = Grid(shape=(24, 24, 24), voxel_mm=(2, 2, 2), b0_direction=(0, 0, 1))
        >>> truth = np.zeros(grid.shape)
        >>> truth[10:14, 10:14, 10:14] = 0.1
        >>> mask = np.ones(grid.shape, bool)
        >>> chi = invert(forward_field(truth, grid), mask, grid, reference_mask=truth == 0)
        >>> bool(0.08 < chi[11:13, 11:13, 11:13].mean() < 0.12)
        True
    """
    shape = grid_of("grid", grid).shape
    values, bad = finite(volume("local_field_ppm", local_field_ppm, shape))
    inside = _without(mask_of("mask", mask, shape), bad, "local_field_ppm")
    zero = inside if reference_mask is None else mask_of("reference_mask", reference_mask, shape) & inside
    if not zero.any():
        raise EngineInputError("reference_mask: expected at least one voxel inside mask, got none")
    chosen = registry.get("inversion", method)
    if chosen.replaces:
        raise EngineInputError(f"method: {method} starts from wrapped phase; use reconstruct")
    made = registry.make_parameters(chosen, parameters or {})
    chi, _ = chosen.function(
        values * inside,
        inside,
        grid,
        weight_of("weight", weight, shape),
        made,
        measured=Measured(
            magnitude=_echoes(magnitude, shape),
            noise_ppm=positive("noise_ppm", noise_ppm),
            phase_per_ppm=positive("rad_per_ppm", rad_per_ppm),
        ),
    )
    level = np.float32(np.mean(chi[zero], dtype=np.float64))
    return np.where(inside, chi - level, np.float32(0)).astype(np.float32)


def _without(mask: Mask, bad: Mask, name: str) -> Mask:
    inside = mask & ~bad
    if not inside.any():
        raise EngineInputError(f"{name}: expected finite numbers inside the mask, got none")
    return inside


def _echoes(magnitude: Any, shape: tuple[int, ...]) -> Float | None:
    """The magnitude as finite (E, X, Y, Z); one image is one echo."""
    if magnitude is None:
        return None
    values = real_array("magnitude", magnitude)
    if values.ndim == 4 and values.shape[1:] == shape:
        return not_negative("magnitude", finite(values)[0])
    return not_negative("magnitude", finite(volume("magnitude", values, shape))[0])[None]
