"""Laplacian unwrapping: least squares on the wrapped steps, solved by cosine transforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft

from qsmnode.engine import fourier
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Mask
from qsmnode.engine.unwrap.edges import edge_weights, voxel_quality
from qsmnode.engine.wrapping import TURN, wrapped


@dataclass(frozen=True)
class Parameters:
    """Whether the result keeps the measured phase."""

    congruent: bool = parameter(
        True, "add whole turns to the measured phase; false gives the smooth solution itself"
    )


@method("unwrap", "laplacian", doi="10.1364/OL.28.001194", parameters=Parameters)
def laplacian(
    phase: Float,
    magnitude: Float,
    echo_times_s: Sequence[float],
    mask: Mask | None,
    parameters: Parameters,
) -> tuple[Float, Float, dict[str, float]]:
    """Solve Poisson's equation for the phase; always continuous, also across open fringe lines.

    Args:
        phase: (E, X, Y, Z), rad, wrapped.
        magnitude: (E, X, Y, Z), arbitrary units; only used for the voxel quality.
        echo_times_s: E echo times in s.
        mask: (X, Y, Z); steps that leave it count as 0. Everywhere if None.
        parameters: whether the result is the measured phase plus whole turns.

    Returns:
        The unwrapped phase (E, X, Y, Z) in rad, the voxel quality (X, Y, Z), 0..1, and no numbers.
    """
    inside = np.ones(phase.shape[1:], dtype=np.bool_) if mask is None else mask
    unwrapped = phase.copy()
    if inside.any():
        for echo, values in enumerate(phase):
            unwrapped[echo] = solved(values, inside, parameters.congruent)
    return unwrapped, voxel_quality(edge_weights(phase, magnitude, tuple(echo_times_s))), {}


def solved(phase: Float, mask: Mask, congruent: bool) -> Float:
    """One echo's unwrapped phase (X, Y, Z) in rad; arguments as above. ``mask`` is not empty."""
    smooth = _poisson(_divergence(phase, mask))
    # the solution knows no constant: the phase gives it, as a direction because of its turns
    apart = (phase - smooth)[mask].astype(np.float64)
    smooth += np.float32(np.arctan2(np.sin(apart).sum(), np.cos(apart).sum()))
    if congruent:
        turns = np.round((smooth - phase) / np.float32(TURN)).astype(np.float32)
        smooth = phase + turns * np.float32(TURN)
    smooth -= np.float32(TURN * np.round(np.median(smooth[mask]) / TURN))
    result: Float = np.where(mask, smooth, phase).astype(np.float32)
    return result


def _divergence(phase: Float, mask: Mask) -> Float:
    """Divergence of the wrapped steps between neighbours that are both inside."""
    total = np.zeros_like(phase)
    for axis in range(3):
        if phase.shape[axis] == 1:
            continue
        step = wrapped(np.diff(phase, axis=axis))
        here = [slice(None)] * 3
        there = [slice(None)] * 3
        here[axis], there[axis] = slice(None, -1), slice(1, None)
        step *= mask[tuple(here)] & mask[tuple(there)]
        total[tuple(here)] += step
        total[tuple(there)] -= step
    return total


def _poisson(divergence: Float) -> Float:
    """The array whose steps, free at the borders, have this divergence; its mean is 0."""
    workers = fourier.threads()
    spectrum = scipy.fft.dctn(divergence, type=2, norm="ortho", workers=workers)
    eigenvalues = np.zeros(divergence.shape, dtype=np.float32)
    for axis, length in enumerate(divergence.shape):
        along = [1, 1, 1]
        along[axis] = length
        steps = 2 - 2 * np.cos(np.pi * np.arange(length) / length)
        eigenvalues += steps.astype(np.float32).reshape(along)
    eigenvalues[0, 0, 0] = 1
    spectrum /= -eigenvalues
    spectrum[0, 0, 0] = 0
    solved: Float = scipy.fft.idctn(spectrum, type=2, norm="ortho", workers=workers).astype(np.float32)
    return solved
