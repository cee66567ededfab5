"""The local field that a perfect background removal would hand on: the true one with the scan's noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qsmnode.engine.types import Float, Grid, Mask
from qsmnode.phantom.head import SimulatedHead
from tests.bench.heads import noise_sd


@dataclass(frozen=True)
class IdealField:
    """What an inversion is given.

    Attributes:
        field_ppm: (X, Y, Z), true local field plus noise, 0 outside ``mask``.
        weight: (X, Y, Z), 0..1, 1 / noise relative to its 95th percentile.
        noise_ppm: standard deviation of the field where the weight is 1.
        mask: the true brain mask.
        magnitude: (E, X, Y, Z).
        rad_per_ppm: phase of 1 ppm at the echo time that the field rests on: the mean by m^2 TE^2.
        grid: geometry.
    """

    field_ppm: Float
    weight: Float
    noise_ppm: float
    mask: Mask
    magnitude: Float
    rad_per_ppm: float
    grid: Grid


def field_noise_hz(head: SimulatedHead) -> Float:
    """(X, Y, Z), Hz: noise SD / (2 pi sqrt(sum m^2 TE^2)), at most that of a random phase at the mean TE."""
    times = np.asarray(head.stack.echo_times_s, np.float32).reshape(-1, 1, 1, 1)
    strength = np.sqrt(((head.stack.magnitude * times) ** 2).sum(axis=0))
    random = math.pi / math.sqrt(3) / (2 * math.pi * float(times.mean()))
    found = noise_sd(head) / (2 * math.pi * np.maximum(strength, np.float32(1e-12)))
    return np.asarray(np.minimum(found, random), np.float32)


def ideal_field(head: SimulatedHead) -> IdealField:
    """The true local field of ``head`` with noise, the same for the same head."""
    mask = head.brain_mask
    sigma = field_noise_hz(head) / np.float32(head.protocol.frequency_mhz)
    rng = np.random.default_rng([head.seed, head.protocol.noise_seed, 15485863])
    noise = sigma * rng.standard_normal(mask.shape, dtype=np.float32)
    weight = np.ones(mask.shape, np.float32)
    full = 0.0
    if sigma[mask].max() > 0:
        trust = 1 / np.maximum(sigma, np.float32(1e-12))
        level = float(np.percentile(trust[mask], 95))
        full = 1 / level
        weight = np.minimum(trust / np.float32(level), np.float32(1))
    field = np.where(mask, head.local_field_ppm + noise, np.float32(0)).astype(np.float32)
    return IdealField(
        field,
        np.asarray(weight * mask, np.float32),
        full,
        mask,
        head.stack.magnitude,
        2 * math.pi * head.protocol.frequency_mhz * _mean_echo_time_s(head),
        head.stack.grid,
    )


def _mean_echo_time_s(head: SimulatedHead) -> float:
    times = head.stack.echo_times_s
    strength = [
        float(np.mean(m[head.brain_mask].astype(np.float64) ** 2)) * t * t
        for m, t in zip(head.stack.magnitude, times, strict=True)
    ]
    return float(np.average(times, weights=strength))
