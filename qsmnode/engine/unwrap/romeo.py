"""ROMEO: region growing along the most reliable edges first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.unwrap.echoes import from_differences, from_template, made_consistent
from qsmnode.engine.unwrap.edges import Weights, edge_weights, voxel_quality
from qsmnode.engine.unwrap.fallback import affected_part, healed
from qsmnode.engine.unwrap.fringes import cut_voxels
from qsmnode.engine.unwrap.growth import Grown, grow
from qsmnode.engine.wrapping import wrapped

Times = tuple[float, ...]


@dataclass(frozen=True)
class Parameters:
    """How the echoes are held together, and what is done where turns do not suffice."""

    echoes: str = parameter(
        "template",
        "template: follow the field of the echoes before, for phase without an offset at TE 0; "
        "differences: extrapolate from the echoes before, for phase whose offset is still in it; "
        "individual: unwrap each echo in space with its own weights, then shift it by whole turns",
        choices=("template", "differences", "individual"),
    )
    fallback: bool = parameter(
        True, "solve for the phase by least squares around fringe lines that end inside the mask"
    )


@method("unwrap", "romeo", doi="10.1002/mrm.28563", parameters=Parameters)
def romeo(
    phase: Float,
    magnitude: Float,
    echo_times_s: Sequence[float],
    mask: Mask | None,
    parameters: Parameters,
) -> tuple[Float, Float, dict[str, float]]:
    """Unwrap along the most reliable edges first; exact where the phase has no open fringe lines.

    Where it has, no whole turns make it continuous: with ``fallback`` the phase around them is the weighted
    least-squares one (Laplacian), joined to the rest without a jump.

    Args:
        phase: (E, X, Y, Z), rad, wrapped.
        magnitude: (E, X, Y, Z), arbitrary units.
        echo_times_s: E echo times in s.
        mask: (X, Y, Z), where to unwrap; everywhere if None. Each connected part gets a seed of its own.
        parameters: how echoes hold together, and the fallback.

    Returns:
        The unwrapped phase (E, X, Y, Z) in rad, wrapped as it came outside the mask; the voxel quality
        (X, Y, Z), 0..1: the mean weight of a voxel's edges; and ``unwrap_fallback_fraction``, the part of the
        mask whose phase comes from least squares.
    """
    times = tuple(float(t) for t in echo_times_s)
    inside = np.ones(phase.shape[1:], dtype=np.bool_) if mask is None else mask
    weights = edge_weights(phase, magnitude, times)
    rule = _RULES[parameters.echoes] if len(times) > 1 else _single
    unwrapped, cut = rule(phase, magnitude, times, inside, weights)
    part = affected_part(cut, inside) if parameters.fallback else np.zeros_like(inside)
    if part.any():
        for echo in range(len(times)):
            unwrapped[echo] = healed(unwrapped[echo], phase[echo], weights, part, inside)
    share = int(np.count_nonzero(part)) / max(1, int(np.count_nonzero(inside)))
    return unwrapped, voxel_quality(weights), {"unwrap_fallback_fraction": share}


def _single(phase: Float, magnitude: Float, times: Times, mask: Mask, weights: Weights) -> tuple[Float, Mask]:
    """One echo unwrapped, and the voxels beside its cuts; the other rules are alike."""
    grown = grow(phase[0], weights, mask)
    return grown.phase[None], cut_voxels(grown.phase, weights, mask)


def _template(
    phase: Float, magnitude: Float, times: Times, mask: Mask, weights: Weights
) -> tuple[Float, Mask]:
    first = grow(phase[0], weights, mask).phase
    return from_template(phase, magnitude, first, times, mask), cut_voxels(first, weights, mask)


def _differences(
    phase: Float, magnitude: Float, times: Times, mask: Mask, weights: Weights
) -> tuple[Float, Mask]:
    first = grow(phase[0], weights, mask).phase
    between = wrapped(phase[1] - phase[0])
    alone = edge_weights(between[None], np.sqrt(magnitude[0] * magnitude[1])[None], (1.0,))
    step = grow(between, alone, mask).phase
    cut = cut_voxels(first, weights, mask) | cut_voxels(step, alone, mask)
    return from_differences(phase, magnitude, first, step, times, mask), cut


def _individual(
    phase: Float, magnitude: Float, times: Times, mask: Mask, weights: Weights
) -> tuple[Float, Mask]:
    grown: list[Grown] = [grow(phase[0], weights, mask)]
    cut = cut_voxels(grown[0].phase, weights, mask)
    for echo in range(1, len(times)):
        pair = [echo, echo - 1]
        own = edge_weights(phase[pair], magnitude[pair], (times[echo], times[echo - 1]))
        grown.append(grow(phase[echo], own, mask))
        cut |= cut_voxels(grown[echo].phase, own, mask)
    return made_consistent(grown, times), cut


_RULES: dict[str, Callable[[Float, Float, Times, Mask, Weights], tuple[Float, Mask]]] = {
    "template": _template,
    "differences": _differences,
    "individual": _individual,
}
