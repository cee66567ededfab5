"""Microbleeds in white matter at two sets of echo times: does susceptibility times volume stay the same?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmnode.engine import reconstruct
from qsmnode.engine.types import EchoStack, Float
from qsmnode.measure.total_susceptibility import total_susceptibility
from qsmnode.phantom.head import SimulatedHead
from qsmnode.phantom.signal import Complex
from qsmnode.phantom.tissues import HAEMORRHAGE, WHITE, tissue_table
from tests.bench.heads import noisy
from tests.bench.setting import Setting
from tests.bench.tables import Row, Table

TIMES_S = {"short": (0.004, 0.008, 0.012, 0.016, 0.020), "long": (0.006, 0.0145, 0.023, 0.0315, 0.040)}
SIZES = ((1.5, 1.5), (1.5, 0.75), (2.0, 1.0), (2.5, 0.5), (3.0, 0.5), (3.0, 1.5))
"""Radius (mm) and susceptibility (ppm) above the white matter around."""
_APART_MM = 24.0
_PARTS = 5  # of a voxel's edge: dephasing within voxels
_NEAR_RADII = 4.0


@dataclass(frozen=True)
class Bleed:
    """A ball: centre in voxels of the grid, radius in mm, susceptibility relative to its surroundings."""

    centre: npt.NDArray[np.float64]
    radius_mm: float
    chi_ppm: float

    @property
    def total_ppm_mm3(self) -> float:
        """What is to be found."""
        return self.chi_ppm * 4.0 / 3.0 * math.pi * self.radius_mm**3


def run(setting: Setting) -> list[Table]:
    """One table: every bleed in every head."""
    rows: list[Row] = []
    for seed in setting.seeds:
        rows += _head(setting, seed)
    echoes = " and ".join(f"{1000 * t[0]:g} to {1000 * t[-1]:g} ms" for t in TIMES_S.values())
    caption = (
        f"Total susceptibility (ppm mm3) of balls in white matter, scanned with echoes of {echoes}: all in "
        "one head, SNR as in its protocol. of_true: in % of susceptibility times volume; change: long over "
        "short, in %; peak_change: the same of the highest value; missing: voxels that the map lacks there."
    )
    return [Table("microbleeds", caption, rows)]


def _head(setting: Setting, seed: int) -> list[Row]:
    every = setting.head(seed, echo_times_s=tuple(sorted({t for s in TIMES_S.values() for t in s})), snr=0.0)
    found: dict[str, list[tuple[float, float, int]]] = {}
    bleeds = placed(every)
    for name, times in TIMES_S.items():
        stack = with_bleeds(_at(every, times), bleeds, setting.protocol().snr)
        maps = reconstruct(stack, setting.recipe)
        found[name] = [_measured(maps.susceptibility, maps.mask, stack, bleed) for bleed in bleeds]
    rows: list[Row] = []
    for bleed, short, long in zip(bleeds, found["short"], found["long"], strict=True):
        rows.append(
            {
                "head": f"head {seed}",
                "radius_mm": bleed.radius_mm,
                "chi_ppm": bleed.chi_ppm,
                "true": bleed.total_ppm_mm3,
                "short": short[0],
                "long": long[0],
                "short_of_true": 100 * short[0] / bleed.total_ppm_mm3,
                "long_of_true": 100 * long[0] / bleed.total_ppm_mm3,
                "change": 100 * (long[0] / short[0] - 1),
                "peak_change": 100 * (long[1] / short[1] - 1),
                "missing": float(short[2] + long[2]),
            }
        )
    return rows


def _at(head: SimulatedHead, times_s: tuple[float, ...]) -> SimulatedHead:
    """Some of the echoes of a head without noise."""
    chosen = [head.stack.echo_times_s.index(time) for time in times_s]
    magnitude, phase = head.stack.magnitude[chosen], head.stack.phase[chosen]
    stack = replace(head.stack, magnitude=magnitude, phase=phase, echo_times_s=times_s)
    return replace(head, protocol=replace(head.protocol, echo_times_s=times_s), stack=stack)


def placed(head: SimulatedHead) -> list[Bleed]:
    """One bleed of each size where white matter is thickest, far from each other, between voxel centres.

    Fewer where it has no room for all of them.
    """
    voxel = np.array(head.stack.grid.voxel_mm)
    white = (head.labels == WHITE) & head.scoring_mask(6.0)
    depth = ndimage.distance_transform_edt(white, sampling=head.stack.grid.voxel_mm)
    rng = np.random.default_rng([head.seed, 15485863])
    places = np.indices(depth.shape).reshape(3, -1).T
    found = []
    for radius, chi in SIZES:
        if not depth.any():
            break
        middle = places[int(np.argmax(depth))]
        depth[(np.linalg.norm((places - middle) * voxel, axis=1) < _APART_MM).reshape(depth.shape)] = 0
        found.append(Bleed(middle + rng.uniform(-0.5, 0.5, 3), radius, chi))
    return found


def with_bleeds(clean: SimulatedHead, bleeds: Sequence[Bleed], snr: float) -> EchoStack:
    """What the scanner would have measured with them, noise included.

    Args:
        clean: a head without noise.
        bleeds: far from each other.
        snr: as in a protocol.
    """
    stack = clean.stack
    signal = (stack.magnitude * np.exp(1j * stack.phase)).astype(np.complex64)
    for bleed in bleeds:
        _turn(signal, stack, bleed)
        _fill(signal, clean, bleed)
    protocol = replace(clean.protocol, snr=snr)
    return noisy(signal, protocol, clean.labels == WHITE, np.random.default_rng([clean.seed, 32452843]))


def _field_ppm(bleed: Bleed, offsets_mm: npt.NDArray[np.float64], b0: Sequence[float]) -> Float:
    """The ball's field at (..., 3) offsets from its centre: closed form, 0 within."""
    squared = np.maximum((offsets_mm**2).sum(axis=-1), 1e-12)
    along = offsets_mm @ np.asarray(b0)
    outside = (bleed.radius_mm**2 / squared) ** 1.5 * (3 * along**2 / squared - 1)
    return np.where(squared <= bleed.radius_mm**2, 0.0, bleed.chi_ppm / 3 * outside)


def _near(stack: EchoStack, bleed: Bleed) -> tuple[slice, ...]:
    """The box where its field changes within a voxel."""
    reach = np.ceil(_NEAR_RADII * bleed.radius_mm / np.array(stack.grid.voxel_mm)) + 1
    low, high = np.floor(bleed.centre - reach), np.ceil(bleed.centre + reach) + 1
    return tuple(
        slice(max(0, int(a)), min(n, int(b))) for a, b, n in zip(low, high, stack.grid.shape, strict=True)
    )


def _turn(signal: Complex, stack: EchoStack, bleed: Bleed) -> None:
    """The phase of its field everywhere but near it."""
    away = np.ones(stack.grid.shape, bool)
    away[_near(stack, bleed)] = False
    offsets = (np.argwhere(away) - bleed.centre) * np.array(stack.grid.voxel_mm)
    hertz = _field_ppm(bleed, offsets, stack.grid.b0_direction) * stack.imaging_frequency_mhz
    for echo, time in zip(signal, stack.echo_times_s, strict=True):
        echo[away] *= np.exp(2j * np.pi * time * hertz).astype(np.complex64)


def _fill(signal: Complex, clean: SimulatedHead, bleed: Bleed) -> None:
    """Near it, the mean signal of the parts of each voxel: dephased outside, decayed as blood within."""
    stack = clean.stack
    box = _near(stack, bleed)
    voxel = np.array(stack.grid.voxel_mm)
    corner = np.array([one.start for one in box])
    indices = np.moveaxis(np.indices([one.stop - one.start for one in box]), 0, -1) + corner
    table = tissue_table(clean.protocol.field_t)
    faster = float(table[HAEMORRHAGE, 1] - table[WHITE, 1])
    density = float(table[HAEMORRHAGE, 2] / table[WHITE, 2])
    factor = np.zeros((len(stack.echo_times_s), *indices.shape[:3]), np.complex128)
    steps = (np.arange(_PARTS) + 0.5) / _PARTS - 0.5
    for part in np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3):
        offsets = (indices + part - bleed.centre) * voxel
        hertz = _field_ppm(bleed, offsets, stack.grid.b0_direction) * stack.imaging_frequency_mhz
        blood = (offsets**2).sum(axis=-1) <= bleed.radius_mm**2
        for echo, time in zip(factor, stack.echo_times_s, strict=True):
            echo += np.where(blood, density * np.exp(-faster * time), np.exp(2j * np.pi * time * hertz))
    signal[(slice(None), *box)] *= (factor / _PARTS**3).astype(np.complex64)


def _measured(
    chi: Float, mask: npt.NDArray[np.bool_], stack: EchoStack, bleed: Bleed
) -> tuple[float, float, int]:
    """Sum, peak and missing voxels; NaN where nothing can be measured."""
    places = np.moveaxis(np.indices(stack.grid.shape), 0, -1)
    near = (((places - bleed.centre) * np.array(stack.grid.voxel_mm)) ** 2).sum(axis=-1)
    region = near <= max(bleed.radius_mm, *stack.grid.voxel_mm) ** 2
    found = total_susceptibility(chi, region, stack.grid.voxel_mm, mask)
    if found is None:
        return math.nan, math.nan, int(region.sum())
    return found.ppm_mm3, found.peak_ppb, found.missing_voxels
