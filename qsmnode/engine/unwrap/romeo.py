"""ROMEO: region growing along the most reliable edges first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.unwrap.echoes import from_differences, from_template
from qsmnode.engine.unwrap.edges import edge_weights, voxel_quality
from qsmnode.engine.unwrap.growth import unwrap_volume

ECHO_RULES = ("template", "differences")


@dataclass(frozen=True)
class Parameters:
    """How the first echo's wraps are carried over to the others."""

    echoes: str = parameter(
        "template",
        "template: scale the echo before by the ratio of echo times, for phase without an offset at TE 0; "
        "differences: extrapolate from the echoes before, for phase whose offset is still in it",
        choices=ECHO_RULES,
    )


@method("unwrap", "romeo", doi="10.1002/mrm.28563", parameters=Parameters)
def romeo(
    phase: Float,
    magnitude: Float,
    echo_times_s: Sequence[float],
    mask: Mask | None,
    parameters: Parameters,
) -> tuple[Float, Float]:
    """Unwrap along the most reliable edges first; exact where the phase has no open fringe lines.

    Args:
        phase: (E, X, Y, Z), rad, wrapped.
        magnitude: (E, X, Y, Z), arbitrary units.
        echo_times_s: E echo times in s.
        mask: (X, Y, Z), where to unwrap; everywhere if None. Each connected part gets a seed of its own.
        parameters: how later echoes follow.

    Returns:
        The unwrapped phase (E, X, Y, Z) in rad, wrapped as it came outside the mask, and the voxel quality
        (X, Y, Z), 0..1: the mean weight of a voxel's edges.
    """
    times = tuple(float(t) for t in echo_times_s)
    inside = np.ones(phase.shape[1:], dtype=np.bool_) if mask is None else mask
    weights = edge_weights(phase, magnitude, times)
    quality = voxel_quality(weights)
    first = unwrap_volume(phase[0], weights, inside)
    if len(times) == 1:
        return first[None], quality
    if parameters.echoes == "template":
        return from_template(phase, first, times, inside), quality
    return from_differences(phase, magnitude, first, times, inside), quality
